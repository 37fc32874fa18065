//! Messages that must not be learned because they, or near copies of them, are kept to test with.

use std::collections::HashSet;

use crate::filter::bayes::{Sketch, clusters};

use super::reading::{Reading, Watch};

/// The digests (BLAKE3) of the messages of `learned` that are the same as a message of `kept`, or nearly.
pub fn near<T, U>(
    learned: &mut Reading<T>,
    kept: &mut Reading<U>,
    watch: &mut dyn Watch,
) -> HashSet<[u8; 32]>
where
    T: Copy + Send + Sync,
    U: Copy + Send + Sync,
{
    let kept = kept.map("reading what is kept", watch, |_, _, mail| {
        Sketch::of_mail(mail)
    });
    if kept.is_empty() {
        return HashSet::new();
    }
    let learned = learned.map("comparing", watch, |_, sample, mail| {
        (*blake3::hash(&sample.raw).as_bytes(), Sketch::of_mail(mail))
    });
    // A cluster is named by its first member, and the messages that are kept come first.
    let clusters = clusters(kept.iter().chain(learned.iter().map(|(_, sketch)| sketch)));
    learned
        .iter()
        .zip(clusters.iter().skip(kept.len()))
        .filter(|(_, head)| **head < kept.len())
        .map(|((digest, _), _)| *digest)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_near_copies_are_found_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let words = |seed: usize| -> String {
            (0..200)
                .map(|i| format!("word{} ", (i * 7 + seed * 1000) % 5000))
                .collect()
        };
        let write = |name: &str, text: String| {
            std::fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(name), text).unwrap();
        };
        write("kept/1.eml", format!("Subject: a\n\n{}", words(1)));
        write("learned/same.eml", format!("Subject: a\n\n{}", words(1)));
        write(
            "learned/near.eml",
            format!("Subject: a\n\nDear Bob,\n{}", words(1)),
        );
        write("learned/other.eml", format!("Subject: a\n\n{}", words(2)));
        let mut learned = Reading::new(vec![((), dir.path().join("learned"))]);
        let mut kept = Reading::new(vec![((), dir.path().join("kept"))]);
        let found = near(&mut learned, &mut kept, &mut ());
        let is_in = |name: &str| {
            let bytes = std::fs::read(dir.path().join("learned").join(name)).unwrap();
            found.contains(blake3::hash(&bytes).as_bytes())
        };
        assert!(is_in("same.eml") && is_in("near.eml") && !is_in("other.eml"));
    }
}
