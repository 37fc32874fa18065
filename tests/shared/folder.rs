//! The folder of real mail and tools beside the project; it is no part of it, and may be absent.

use std::path::{Path, PathBuf};

/// `what` in `../shared`, or in the folder that `MAILWEIR_SHARED` names. `None`, said, where it is not there.
pub(crate) fn shared(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("MAILWEIR_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = folder.join(what);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no {}", path.display());
    None
}
