//! Messages that Outlook saved as files ([MS-OXMSG]): what they say and what is attached.
//!
//! In: a compound file. Each property is a stream whose name ends with its number and type; attachments are storages of
//! their own, also those of a message within the message.

use super::super::examination::Examination;
use super::super::little_endian::{latin, utf16};
use super::super::traits::Trait;
use super::compound::{Compound, Kind};

/// What the name of a property begins with.
const PROPERTY: &str = "__substg1.0_";
/// The storage of an attachment.
const ATTACHMENT: &str = "__attach_version1.0_";
/// The content of an attachment.
const CONTENT: &str = "37010102";
/// Names of an attachment, the best first: long and short, in UTF-16 and in one byte a character.
const NAMES: &[&str] = &[
    "3707001F", "3707001E", "3704001F", "3704001E", "3001001F", "3001001E",
];
/// The text of a message, in UTF-16 and in one byte a character, and its HTML.
const TEXTS: &[&str] = &["1000001F", "1000001E", "10130102"];

/// Whether a file is such a message.
pub(super) fn is_message(file: &Compound<'_>) -> bool {
    let is_properties = |name: &str| name.eq_ignore_ascii_case("__properties_version1.0");
    file.entries
        .iter()
        .any(|e| is_properties(&e.name) && e.folder.is_empty())
}

/// Examines a message.
pub(super) fn examine(file: &Compound<'_>, examination: &mut Examination) {
    examination.note(Trait::Message);
    for kind in TEXTS {
        for entry in file
            .entries
            .iter()
            .filter(|e| e.name == format!("{PROPERTY}{kind}"))
        {
            let content = file.read(entry, examination);
            let text = match kind.ends_with("1F") {
                true => utf16(&content),
                false => String::from_utf8_lossy(&content).into_owned(),
            };
            examination.urls_in(&text);
        }
    }
    let storages = file
        .entries
        .iter()
        .filter(|e| e.kind == Kind::Storage && e.name.starts_with(ATTACHMENT));
    for storage in storages {
        let folder = format!("{}{}/", storage.folder, storage.name);
        let property = |kind: &str| file.find(&folder, &format!("{PROPERTY}{kind}"));
        let Some(content) = property(CONTENT).filter(|_| examination.entry()) else {
            continue;
        };
        let bytes = file.read(content, examination);
        let names = NAMES
            .iter()
            .filter_map(|kind| Some((kind, property(kind)?)));
        let name = names.take(1).map(|(kind, entry)| {
            let raw = file.read(entry, examination);
            if kind.ends_with("1F") {
                utf16(&raw)
            } else {
                latin(&raw)
            }
        });
        let name = name.last().unwrap_or_default();
        examination.file(&name, bytes);
    }
}
