//! Real mail to measure with.

use std::path::{Path, PathBuf};

#[path = "../../tests/shared/files.rs"]
mod files;
#[path = "../../tests/shared/folder.rs"]
mod folder;

/// The messages of these sets of `../shared/mail` (`MAILWEIR_SHARED` names another place than `../shared`), or those of
/// `corpus` where there are none.
pub(crate) fn messages(sets: &[&str]) -> Vec<PathBuf> {
    let below = |folder: &Path| {
        let mut found = files::files(folder);
        found.retain(|path| path.extension().is_some_and(|e| e == "eml"));
        found
    };
    let mut found: Vec<PathBuf> = folder::shared("mail").map_or_else(Vec::new, |mail| {
        sets.iter().flat_map(|set| below(&mail.join(set))).collect()
    });
    if found.is_empty() {
        println!("the messages of corpus are taken");
        found = below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"));
    }
    found.sort();
    found
}
