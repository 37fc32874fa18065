//! The validation set: messages that are pinned, and that every new model is tried on.
//!
//! It is a copy in the folder of models, so that it does not change with the mail that it was taken from, and it is known by
//! one digest, so that a change is found out.

use std::path::{Path, PathBuf};

use super::{LEAST, PromotionError, SEED};
use crate::clock;
use crate::filter::bayes::{Class, Engine};
use crate::mail::corpus::Sample;
use crate::workbench::Cut;
use crate::workbench::evaluation::{Evaluation, Member};
use crate::workbench::reading::{Reading, Watch};
use crate::workbench::registry::{Pinned, Registry};

/// Copies messages into the folder of models, to try every new model on.
///
/// # Errors
/// Too few or contradicting messages, a set that is there already, or what the system says.
pub fn pin(
    registry: &Registry,
    reading: &mut Reading<Class>,
    replace: bool,
    watch: &mut dyn Watch,
) -> Result<Pinned, PromotionError> {
    let mut changing = registry.change()?;
    if let Some(pinned) = changing.book.pinned.as_ref().filter(|_| !replace) {
        return Err(PromotionError::AlreadyPinned {
            ham: pinned.ham,
            spam: pinned.spam,
        });
    }
    let folder = registry.validation();
    let [new, old] = ["new", "old"].map(|e| folder.with_extension(e));
    // Copies of mail are not left lying about.
    let copied =
        copied(&new, reading, watch).and_then(|seen| Ok((hand_over(registry, &new)?, seen)));
    let ((), seen) = copied.inspect_err(|_| drop(clear(&new)))?;
    let (ham, spam) = counts(&seen);
    clear(&old).map_err(io_at(&old))?;
    if folder.exists() {
        std::fs::rename(&folder, &old).map_err(io_at(&folder))?;
    }
    std::fs::rename(&new, &folder).map_err(io_at(&folder))?;
    let pinned = Pinned {
        at: clock::seconds(),
        ham,
        spam,
        digest: digest(seen.into_iter()),
    };
    changing.book.pinned = Some(pinned.clone());
    changing.write()?;
    clear(&old).map_err(io_at(&old))?;
    Ok(pinned)
}

fn io_at(path: &Path) -> impl FnOnce(std::io::Error) -> PromotionError {
    let path = path.to_owned();
    move |error| PromotionError::Io { path, error }
}

/// Copies messages into a folder, and says which they are: each once, ascending by digest.
fn copied(
    folder: &Path,
    reading: &mut Reading<Class>,
    watch: &mut dyn Watch,
) -> Result<Vec<(Class, [u8; 32])>, PromotionError> {
    clear(folder).map_err(io_at(folder))?;
    for class in [Class::Ham, Class::Spam] {
        let of_class = folder.join(class.to_string());
        std::fs::create_dir_all(&of_class).map_err(io_at(&of_class))?;
    }
    let mut seen: Vec<(Class, [u8; 32])> = Vec::new();
    let mut failed = None;
    reading.batches("pinning", watch, |batch| {
        for (class, sample) in batch {
            if failed.is_none() {
                failed = store(folder, class, &sample, &mut seen).err();
            }
        }
    });
    if let Some((path, error)) = failed {
        return Err(PromotionError::Io { path, error });
    }
    seen.sort_unstable_by_key(|(class, digest)| (*digest, *class));
    seen.dedup();
    if let Some(pair) = seen.windows(2).find(|w| matches!(w, [a, b] if a.1 == b.1)) {
        let digest = pair.first().map_or([0; 32], |p| p.1);
        return Err(PromotionError::BothLabels(format!(
            "the message {}",
            blake3::Hash::from_bytes(digest).to_hex()
        )));
    }
    let (ham, spam) = counts(&seen);
    if ham < LEAST || spam < LEAST {
        return Err(PromotionError::TooFew { ham, spam });
    }
    Ok(seen)
}

/// Ham and spam among messages.
fn counts(messages: &[(Class, [u8; 32])]) -> (usize, usize) {
    let of = |class| messages.iter().filter(|m| m.0 == class).count();
    (of(Class::Ham), of(Class::Spam))
}

/// Gives a folder with all that is in it to whom the data folder belongs.
fn hand_over(registry: &Registry, folder: &Path) -> Result<(), PromotionError> {
    for entry in std::fs::read_dir(folder).map_err(io_at(folder))? {
        let path = entry.map_err(io_at(folder))?.path();
        match path.is_dir() {
            true => hand_over(registry, &path)?,
            false => registry.hand_over(&path)?,
        }
    }
    Ok(registry.hand_over(folder)?)
}

fn clear(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Writes a message under its digest: nothing of it gets into the name of a file.
fn store(
    folder: &Path,
    class: Class,
    sample: &Sample,
    seen: &mut Vec<(Class, [u8; 32])>,
) -> Result<(), (PathBuf, std::io::Error)> {
    let digest = blake3::hash(&sample.raw);
    seen.push((class, *digest.as_bytes()));
    let path = folder
        .join(class.to_string())
        .join(format!("{}.eml", digest.to_hex()));
    let write = || {
        use std::io::Write;
        let mut file = std::fs::File::create(&path)?;
        // A first line `From ` is taken for a separator when it is read again, so it gets one to lose.
        if sample.raw.starts_with(b"From ") {
            file.write_all(b"From -\n")?;
        }
        file.write_all(&sample.raw)?;
        file.sync_all()
    };
    write().map_err(|e| (path.clone(), e))
}

/// One digest of all messages of a set with their labels, whatever their order.
fn digest(messages: impl Iterator<Item = (Class, [u8; 32])>) -> String {
    let mut all: Vec<(Class, [u8; 32])> = messages.collect();
    all.sort_unstable();
    all.dedup();
    let mut hasher = blake3::Hasher::new();
    for (class, digest) in all {
        hasher.update(class.to_string().as_bytes());
        hasher.update(&digest);
    }
    hasher.finalize().to_hex().to_string()
}

fn digest_of(members: &[Member]) -> String {
    digest(members.iter().map(|m| (m.class, m.digest)))
}

pub(super) fn pinned_reading(registry: &Registry) -> Reading<Class> {
    let folder = registry.validation();
    let paths = [Class::Ham, Class::Spam].map(|c| (c, folder.join(c.to_string())));
    Reading::new(paths.to_vec())
}

/// Judges the pinned messages with models, by title.
///
/// # Errors
/// Nothing pinned, or a set that was changed.
pub fn judge_pinned(
    registry: &Registry,
    pinned: Option<&Pinned>,
    models: &[(String, Engine)],
    watch: &mut dyn Watch,
) -> Result<Evaluation, PromotionError> {
    let pinned = pinned.ok_or(PromotionError::NotPinned)?;
    let mut reading = pinned_reading(registry);
    let evaluation = Evaluation::held_out(&mut reading, models, (Cut::default(), SEED), watch);
    if digest_of(&evaluation.members) != pinned.digest || reading.unchanged().is_err() {
        return Err(PromotionError::Changed(registry.validation()));
    }
    Ok(evaluation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_of_a_set_does_not_depend_on_order_but_on_labels() {
        let (a, b) = ((Class::Ham, [1; 32]), (Class::Spam, [2; 32]));
        assert_eq!(digest([a, b].into_iter()), digest([b, a, a].into_iter()));
        assert_ne!(
            digest([a, b].into_iter()),
            digest([(Class::Spam, [1; 32]), b].into_iter())
        );
    }
}
