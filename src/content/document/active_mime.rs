//! Macros in Office documents that are saved as text: web archives (MHTML) and the XML of Word 2003 and of flat Open XML.
//!
//! In: the bytes of a file. Binary parts stand in base64. The macros are a compound file, packed by zlib behind a header of
//! its own (`ActiveMime`), or as it is.

use data_encoding::BASE64_MIME_PERMISSIVE;

use super::examination::{Examination, Wrapper};
use super::ole;
use super::word_text;
use super::xml::{Event, events};

/// What the header of packed macros begins with, and how that looks in base64.
const MARK: &[u8] = b"ActiveMime";
const MARK_BASE64: &[u8] = b"QWN0aXZlTWlt";
/// Where the packed data begins, mostly; otherwise it is looked for.
const DATA_AT: usize = 0x32;

/// Whether a file is packed macros.
pub(super) fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK)
}

/// Unpacks macros and examines them.
pub(super) fn examine(bytes: &[u8], examination: &mut Examination) {
    let rest = bytes.get(DATA_AT..).unwrap_or_default();
    let packed = match rest.first() {
        Some(0x78) => rest,
        _ => {
            let at = memchr::memchr(0x78, bytes).unwrap_or(bytes.len());
            bytes.get(at..).unwrap_or_default()
        }
    };
    let object = examination.inflate(Wrapper::Zlib, packed);
    examination.deeper(|e| ole::object_file(&object, e));
}

/// Looks for packed macros in the text of a web archive, which Word also opens by other names.
pub(super) fn examine_archive(bytes: &[u8], examination: &mut Examination) {
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, MARK_BASE64).filter(|_| examination.entry()) {
        let found = rest.get(at..).unwrap_or_default();
        let is_digit = |b: &u8| b.is_ascii_alphanumeric() || b"+/=\r\n \t".contains(b);
        let length = found
            .iter()
            .position(|b| !is_digit(b))
            .unwrap_or(found.len());
        let (text, after) = found.split_at_checked(length).unwrap_or_default();
        binary(text, examination);
        rest = after;
    }
}

/// Examines a document in XML.
pub(super) fn examine_xml(bytes: &[u8], examination: &mut Examination) {
    word_text::examine(bytes, examination);
    let mut inside = false;
    for event in events(bytes) {
        match event {
            Event::Open(tag) => {
                inside = matches!(tag.name.as_str(), "bindata" | "binarydata") && !tag.empty
            }
            Event::Close(_) => inside = false,
            Event::Text(text) if inside => binary(text.as_bytes(), examination),
            Event::Text(_) => {}
        }
    }
}

/// A binary part in base64.
fn binary(text: &[u8], examination: &mut Examination) {
    let size = examination.spend(text.len());
    let text = text.get(..size).unwrap_or_default();
    // What stands behind whole groups may be cut off.
    let digits = text.iter().filter(|b| !b.is_ascii_whitespace()).count();
    let whole = digits - digits % 4;
    let kept: Vec<u8> = text
        .iter()
        .filter(|b| !b.is_ascii_whitespace())
        .take(whole)
        .copied()
        .collect();
    let Ok(data) = BASE64_MIME_PERMISSIVE.decode(&kept) else {
        return;
    };
    if is_packed(&data) {
        examine(&data, examination);
    } else {
        examination.deeper(|e| ole::object_file(&data, e));
    }
}

#[cfg(test)]
mod tests {
    use super::super::ole::vba;
    use super::super::{Bounds, Trait, examine as examine_any};
    use super::*;
    use data_encoding::BASE64;
    use std::io::Write;

    fn packed() -> Vec<u8> {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), Default::default());
        packer.write_all(&vba::auto_running()).unwrap();
        let mut header = MARK.to_vec();
        header.resize(DATA_AT, 0);
        [header, packer.finish().unwrap()].concat()
    }

    #[test]
    fn macros_are_found_in_every_wrapping() {
        let base64 = BASE64.encode(&packed());
        let (first, second) = base64.split_at(76);
        let archive = format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n\r\n--x\r\n\r\n{first}\r\n{second}\r\n--x--"
        );
        let xml = format!(
            "<?xml version='1.0'?><w:wordDocument><w:binData w:name='editdata.mso'>{first}\n{second}</w:binData></w:wordDocument>"
        );
        for (kind, name, bytes) in [
            ("", "editdata.mso", packed()),
            ("", "a.doc", archive.into_bytes()),
            ("xml", "a.xml", xml.into_bytes()),
        ] {
            let findings = examine_any(kind, name, &bytes, &Bounds::default());
            assert!(findings.traits.contains(&Trait::Macro), "{name}");
            assert!(findings.traits.contains(&Trait::MacroAutoRun), "{name}");
        }
    }
}
