//! Where the model in force lies: in a file at the daemon's path, or behind a link there into the folder of models.
//!
//! In: the daemon's path, and the bytes of a model or the name of one in the folder. Out: that model in force, after any
//! crash the old one or the new one, whole. Files in the folder never change: a model that is to take the
//! place of one that is linked gets a file of its own, and the link is replaced by rename.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::durable;
use super::model::Facts;

/// The folder of models, beside the daemon's path.
const FOLDER: &str = "models";

/// The folder of models of the filter that reads its model at `path`.
pub(crate) fn folder(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join(FOLDER)
}

/// The name of the model in the folder that `path` links to. `None` also when a file that is no link of ours lies there.
pub(crate) fn linked(path: &Path) -> Option<String> {
    let target = std::fs::read_link(path).ok()?;
    let ours = target.parent() == Some(Path::new(FOLDER));
    let name = target.file_name()?.to_str()?.strip_suffix(".mwb")?;
    ours.then(|| name.to_owned())
}

/// The name of a model in the folder: the day it was trained, and the beginning of the digest of its file.
pub(crate) fn name(facts: &Facts, bytes: &[u8]) -> String {
    let at = Timestamp::from_second(i64::try_from(facts.trained_at).unwrap_or(0));
    let digest = blake3::hash(bytes).to_hex();
    format!(
        "{}-{}",
        at.unwrap_or_default().strftime("%Y%m%d"),
        digest.get(..8).unwrap_or_default()
    )
}

/// The file of a model of the folder.
pub(crate) fn file(path: &Path, name: &str) -> PathBuf {
    folder(path).join(format!("{name}.mwb"))
}

/// Makes `path` a link to the model `name` of the folder, durably. One process at a time.
///
/// # Errors
/// What the system says; what was there stays.
pub(crate) fn link(path: &Path, name: &str) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.link", std::process::id()));
    let temporary = PathBuf::from(temporary);
    // What another process left when it died.
    let _ = std::fs::remove_file(&temporary);
    let target = Path::new(FOLDER).join(format!("{name}.mwb"));
    let linked = symlink(&target, &temporary)
        .and_then(|()| std::fs::rename(&temporary, path))
        .and_then(|()| durable::sync_folder(path));
    if linked.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    linked
}

/// Puts a model into force: into the folder where the one before it lies there, else into the file itself.
///
/// # Errors
/// What the system says; the model before stays in force then.
pub(super) fn put(path: &Path, facts: &Facts, bytes: &[u8]) -> io::Result<()> {
    if linked(path).is_none() {
        return durable::replace(path, bytes);
    }
    let name = name(facts, bytes);
    durable::replace(&file(path, &name), bytes)?;
    link(path, &name)
}
