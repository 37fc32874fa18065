//! What is attached: names, real types, sizes, and what is odd.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::short;
use crate::content::{self, File, Limits};
use crate::mail::Mail;

/// Files that are listed.
const FILES: usize = 200;
/// Time for opening archives for somebody who waits.
const TIME: Duration = Duration::from_secs(2);

/// A file in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Its name; empty where it has none. From outside.
    pub name: String,
    /// The names that lead to it, from the attachment on. From outside.
    pub path: String,
    /// The type that the message declares, for what is attached itself.
    pub declared: Option<String>,
    /// What it is by its content, as the usual extension of such files.
    pub real: Option<&'static str>,
    /// Bytes, unpacked.
    pub size: u64,
    /// SHA-256 of its content, hexadecimal, as virus laboratories know it.
    pub sha256: Option<String>,
    /// How many containers it lies in.
    pub depth: usize,
    /// What is odd about it and what it is able to do, one sentence each.
    pub odd: Vec<&'static str>,
}

/// The files of a message, and how many are left out.
pub(super) fn attachments(mail: &Mail, cancelled: &AtomicBool) -> (Vec<Attachment>, usize) {
    let limits = Limits {
        time: TIME,
        ..Limits::default()
    };
    let found = content::read(mail, &limits, cancelled).files;
    let listed = found.iter().take(FILES).map(attachment).collect();
    (listed, found.len().saturating_sub(FILES))
}

fn attachment(file: &File) -> Attachment {
    let flags = file.flags.iter().map(|f| f.meaning());
    let traits = file.traits.iter().map(|t| t.meaning());
    let sha256 = |digest: [u8; 32]| data_encoding::HEXLOWER.encode(&digest);
    Attachment {
        name: short(&file.name, 255),
        path: short(&file.path, 1_000),
        declared: file.declared_type.as_deref().map(|t| short(t, 100)),
        real: file.real_type,
        size: file.size,
        sha256: file.sha256.map(sha256),
        depth: file.depth,
        odd: flags.chain(traits).collect(),
    }
}
