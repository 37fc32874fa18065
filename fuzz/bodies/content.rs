//! The files of a message: any attachment is opened within the limits, the same way each time. The first byte chooses its name.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use mailweir::content::{self, Limits};
use mailweir::mail::Mail;

/// Formats are known by their content, by their name, or by both.
const NAMES: [&str; 16] = [
    "a.zip",
    "a.7z",
    "a.cab",
    "a.iso",
    "a.tar",
    "a.gz",
    "winmail.dat",
    "a.eml",
    "a.doc",
    "a.docx",
    "a.rtf",
    "a.pdf",
    "a.html",
    "a.one",
    "a.lnk",
    "a",
];

/// What must hold for one input.
pub fn run(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else {
        return;
    };
    // Low, so that short inputs reach them; time is libFuzzer's.
    let limits = Limits {
        depth: 3,
        files: 20,
        file_bytes: 64 << 10,
        bytes: 256 << 10,
        time: Duration::from_secs(3600),
        ..Limits::default()
    };
    let name = NAMES[usize::from(first % 16)];
    let mut raw = format!(
        "MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=\"{name}\"\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    )
    .into_bytes();
    raw.extend_from_slice(bytes);
    let mail = Mail::parse(Bytes::from(raw), &mailweir::mail::Limits::default());
    let go = AtomicBool::new(false);
    let read = content::read(&mail, &limits, &go);
    assert!(read.files.len() <= limits.files);
    assert!(read.files.iter().all(|f| f.depth <= limits.depth));
    let again = content::read(&mail, &limits, &go);
    assert_eq!(format!("{read:?}"), format!("{again:?}"));
}
