//! Messages in files (`.eml`): their own attachments are files too.

use bytes::Bytes;

use super::archive::{Body, Container, Entry};
use super::flag::{FileFlag, FileFlags};
use crate::mail::{Flag, Limits, Mail};

/// Opens a message.
pub(super) fn open(bytes: &[u8], into: &mut Container<'_, '_>) {
    let mail = Mail::parse(Bytes::copy_from_slice(bytes), &Limits::default());
    if mail
        .flags()
        .iter()
        .any(|f| matches!(f, Flag::TooDeep | Flag::TooManyParts))
    {
        into.limit(super::Limit::Depth);
    }
    for part in mail.parts().iter().filter(|p| p.is_file()) {
        let content = part.file(mail.raw());
        let mut flags = FileFlags::default();
        flags.add_if(part.other_name.is_some(), FileFlag::NameConflict);
        let entry = Entry {
            name: part.name.clone().unwrap_or_default(),
            other_name: part.other_name.clone(),
            flags,
            ..Entry::default()
        };
        if into.add(entry, Body::Stored(&content)).is_break() {
            return;
        }
    }
}
