//! The torture sets of ../shared/mail: whatever is in them, files are found in bounded time.

use std::time::{Duration, Instant};

use mailweir::content::Limits;

use crate::files::files;
use crate::folder::shared;
use crate::of_message;

#[test]
fn the_files_of_tortured_messages_are_found_in_bounded_time() {
    let Some(torture) = shared("mail/torture") else {
        return;
    };
    let limits = Limits {
        time: Duration::from_secs(600),
        ..Limits::default()
    };
    let mut count = 0;
    for path in files(&torture) {
        let raw = std::fs::read(&path).unwrap();
        let started = Instant::now();
        count += of_message(&raw, &limits).files.len();
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{}",
            path.display()
        );
    }
    assert!(count > 400, "{count}");
}
