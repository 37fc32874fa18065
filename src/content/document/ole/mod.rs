//! Compound files: Word, Excel and PowerPoint of 97 to 2003, Visio and the like, messages of Outlook, installers, and
//! objects in other documents.
//!
//! In: the bytes of a file. What it is follows from the streams in it, not from its name.

pub(super) mod compound;
pub(super) mod compression;
pub(super) mod native;
mod outlook;
mod presentation;
pub(super) mod vba;
mod word;
mod workbook;

use super::examination::Examination;
use super::little_endian::{latin, size_at, utf16};
use super::reference::{is_remote, note_handler};
use super::traits::Trait;
use compound::{Compound, Kind};

/// A class identifier as it stands in files: the first three groups of digits backwards.
type Class = [u8; 16];

/// Windows Installer: a package, a transform, a patch.
const INSTALLERS: [Class; 3] = [
    ole_class(0x000C_1084),
    ole_class(0x000C_1082),
    ole_class(0x000C_1086),
];
/// The equation editors 2 and 3.
const EQUATIONS: [Class; 2] = [ole_class(0x0002_CE02), ole_class(0x0003_000B)];
/// The moniker of a URL, 79EAC9E0-BAF9-11CE-8C82-00AA004BA90B.
const URL_MONIKER: Class = [
    0xE0, 0xC9, 0xEA, 0x79, 0xF9, 0xBA, 0xCE, 0x11, 0x8C, 0x82, 0x00, 0xAA, 0x00, 0x4B, 0xA9, 0x0B,
];
/// The moniker of a file, 00000303-0000-0000-C000-000000000046.
const FILE_MONIKER: Class = ole_class(0x0000_0303);

/// One of the classes that end with `-0000-0000-C000-000000000046`.
const fn ole_class(first: u32) -> Class {
    let [a, b, c, d] = first.to_le_bytes();
    [a, b, c, d, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46]
}

/// Examines a compound file.
pub(super) fn examine(bytes: &[u8], examination: &mut Examination) {
    let Some(file) = Compound::open(bytes, examination) else {
        examination.note(Trait::Damaged);
        return;
    };
    if file
        .entries
        .first()
        .is_some_and(|root| INSTALLERS.contains(&root.class))
    {
        examination.note(Trait::Installer);
        return;
    }
    if outlook::is_message(&file) {
        outlook::examine(&file, examination);
        return;
    }
    vba::examine(&file, examination);
    for entry in &file.entries {
        if EQUATIONS.contains(&entry.class) {
            examination.note(Trait::EquationEditor);
        }
        if entry.kind == Kind::Storage && entry.folder.eq_ignore_ascii_case("ObjectPool/") {
            examination.note(Trait::EmbeddedObject);
        }
        if entry.kind != Kind::Stream {
            continue;
        }
        match entry.name.to_lowercase().as_str() {
            "encryptedpackage" | "encryptedsummary" => examination.note(Trait::Encrypted),
            "workbook" | "book" => workbook::examine(&file.read(entry, examination), examination),
            "worddocument" => {
                let document = file.read(entry, examination);
                let table = file.find(&entry.folder, word::table_name(&document));
                let table = table.map(|table| file.read(table, examination));
                word::examine(&document, &table.unwrap_or_default(), examination);
            }
            "powerpoint document" => {
                let stream = file.read(entry, examination);
                let mut inner = |object: &[u8], e: &mut Examination| {
                    e.deeper(|e| object_file(object, e));
                };
                presentation::examine(&stream, examination, &mut inner);
            }
            "\u{1}ole10native" => {
                examination.note(Trait::EmbeddedObject);
                native::stream(&file.read(entry, examination), examination);
            }
            "equation native" => examination.note(Trait::EquationEditor),
            "\u{3}ocxname" | "\u{3}ocxdata" => examination.note(Trait::ActiveX),
            "\u{1}ole" => link(&file.read(entry, examination), examination),
            _ => {}
        }
    }
}

/// Examines an object within another document.
pub(super) fn object_file(bytes: &[u8], examination: &mut Examination) {
    if bytes.starts_with(compound::SIGNATURE) {
        examine(bytes, examination);
    }
}

/// The stream that says where a linked object lies ([MS-OLEDS], section 2.3.3): monikers of URLs or files within.
pub(super) fn link(stream: &[u8], examination: &mut Examination) {
    if let Some(at) = memchr::memmem::find(stream, &URL_MONIKER) {
        let rest = stream.get(at + URL_MONIKER.len() + 4..).unwrap_or_default();
        let url = utf16(rest.get(..4096).unwrap_or(rest));
        examination.note(Trait::ExternalObject);
        note_handler(&url, examination);
        examination.url(&url);
    }
    if let Some(at) = memchr::memmem::find(stream, &FILE_MONIKER) {
        let rest = stream.get(at + FILE_MONIKER.len()..).unwrap_or_default();
        let length = size_at(rest, 2).unwrap_or(0);
        let path = rest.get(6..).map(|r| r.get(..length).unwrap_or(r));
        let path = latin(path.unwrap_or_default());
        if is_remote(&path) {
            examination.note(Trait::ExternalObject);
            examination.url(&path);
        }
    }
}

#[cfg(test)]
mod tests;
