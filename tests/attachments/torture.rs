//! The torture sets of ../shared/mail: whatever is in them, files are found in bounded time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mailweir::content::Limits;

use crate::of_message;

pub(crate) fn messages(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => messages(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn the_files_of_tortured_messages_are_found_in_bounded_time() {
    let shared = std::env::var_os("MAILWEIR_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let mut found = Vec::new();
    messages(&shared.join("mail/torture"), &mut found);
    if found.is_empty() {
        println!("skipped: no ../shared/mail/torture");
        return;
    }
    let limits = Limits {
        time: Duration::from_secs(600),
        ..Limits::default()
    };
    let mut files = 0;
    for path in found {
        let raw = std::fs::read(&path).unwrap();
        let started = Instant::now();
        files += of_message(&raw, &limits).files.len();
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{}",
            path.display()
        );
    }
    assert!(files > 400, "{files}");
}
