//! Documents of Word 97 to 2003 ([MS-DOC]): encryption, fields, the template.
//!
//! In: the streams `WordDocument` and the table beside it. Fields stand in the text as an instruction between two marks;
//! the text is searched for them as it lies, in one or two bytes a character.

use super::super::examination::Examination;
use super::super::field;
use super::super::little_endian::{size_at, u16_at, utf16};
use super::super::reference::is_remote;
use super::super::traits::Trait;

/// Where the beginning of the document says whether it is encrypted, and which table belongs to it.
const FLAGS_AT: usize = 0x0A;
/// Where the names that belong to the document lie in the table (`fcSttbfAssoc`).
const NAMES_AT: usize = 0x9A + 32 * 8;
/// The mark before an instruction of a field.
const FIELD: u8 = 0x13;
/// Longest instruction that is looked at, bytes.
const INSTRUCTION_BYTES: usize = 1024;

/// The marks before, between and behind instruction and result of a field.
fn is_mark(byte: &u8) -> bool {
    matches!(byte, 0x13..=0x15)
}

/// Which table a document uses, by the name of its stream.
pub(super) fn table_name(document: &[u8]) -> &'static str {
    match u16_at(document, FLAGS_AT) {
        Some(flags) if flags & 0x0200 != 0 => "1Table",
        _ => "0Table",
    }
}

/// Examines a document with its table.
pub(super) fn examine(document: &[u8], table: &[u8], examination: &mut Examination) {
    if u16_at(document, FLAGS_AT).is_some_and(|flags| flags & 0x0100 != 0) {
        examination.note(Trait::Encrypted);
        return;
    }
    if let Some(template) = template(document, table).filter(|t| is_remote(t)) {
        examination.note(Trait::ExternalTemplate);
        examination.url(&template);
    }
    for at in memchr::memchr_iter(FIELD, document) {
        let rest = document.get(at + 1..).unwrap_or_default();
        let rest = rest.get(..INSTRUCTION_BYTES).unwrap_or(rest);
        let end = rest.iter().position(is_mark).unwrap_or(rest.len());
        let rest = rest.get(..end).unwrap_or_default();
        // In two bytes a character, the mark has its second byte first.
        let instruction: Vec<u8> = match rest {
            [0, rest @ ..] => rest.iter().step_by(2).copied().collect(),
            _ => rest.to_vec(),
        };
        field::examine(&String::from_utf8_lossy(&instruction), examination);
    }
}

/// The path of the template, the second of the names in a table of strings.
fn template(document: &[u8], table: &[u8]) -> Option<String> {
    let at = size_at(document, NAMES_AT)?;
    let size = size_at(document, NAMES_AT + 4)?;
    let names = table.get(at..at.checked_add(size)?)?;
    if u16_at(names, 0)? != 0xFFFF {
        return None;
    }
    let first = usize::from(u16_at(names, 6)?);
    let start = 8 + 2 * first;
    let length = usize::from(u16_at(names, start)?);
    names.get(start + 2..start + 2 + 2 * length).map(utf16)
}

#[cfg(test)]
mod tests {
    use super::super::super::Bounds;
    use super::*;

    fn traits(document: &[u8], table: &[u8]) -> (Vec<Trait>, Vec<String>) {
        let mut examination = Examination::new(&Bounds::default());
        examine(document, table, &mut examination);
        let findings = examination.finish();
        (findings.traits.into_iter().collect(), findings.urls)
    }

    #[test]
    fn fields_are_found_in_both_widths() {
        for (text, expected, url) in field::tests::INSTRUCTIONS {
            let narrow = [&[0; 32][..], b"\x13", text.as_bytes(), b"\x14result\x15"].concat();
            let units: Vec<u16> = "\u{13}"
                .encode_utf16()
                .chain(text.encode_utf16())
                .chain([0x14])
                .collect();
            let wide: Vec<u8> = [0; 32]
                .into_iter()
                .chain(units.iter().flat_map(|u| u.to_le_bytes()))
                .collect();
            for document in [narrow, wide] {
                let (traits, urls) = traits(&document, b"");
                assert_eq!(traits, Vec::from_iter(*expected), "{text}");
                assert_eq!(urls, Vec::from_iter(url.map(str::to_owned)), "{text}");
            }
        }
    }

    #[test]
    fn encryption_and_a_template_elsewhere_are_seen() {
        let mut document = vec![0; 0x300];
        document[FLAGS_AT + 1] = 1;
        assert_eq!(traits(&document, b"").0, [Trait::Encrypted]);
        document[FLAGS_AT + 1] = 2;
        assert_eq!(table_name(&document), "1Table");
        let path = "http://a.example/t.dot";
        let mut table = vec![0xFF, 0xFF, 18, 0, 0, 0, 1, 0, b'x', 0];
        table.extend_from_slice(&(path.len() as u16).to_le_bytes());
        table.extend(path.encode_utf16().flat_map(u16::to_le_bytes));
        document[NAMES_AT + 4..NAMES_AT + 8].copy_from_slice(&(table.len() as u32).to_le_bytes());
        let (traits, urls) = traits(&document, &table);
        assert_eq!(traits, [Trait::ExternalTemplate]);
        assert_eq!(urls, [path]);
    }
}
