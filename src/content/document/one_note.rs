//! OneNote sections ([MS-ONESTORE]): the files in them.
//!
//! In: the bytes of a file. Files lie in objects that begin with an identifier of their own, each with its length; names are
//! texts with lengths elsewhere in the section, so a name is given to a file only where there are as many of one as
//! of the other.

use super::examination::Examination;
use super::little_endian::{size_at, utf16};
use super::signature::{Content, content_of};
use super::traits::Trait;

/// What stands before each file: the identifier BDE316E7-2665-4511-A4C4-8D4D0B7A9EAC.
const MARK: &[u8] = &[
    0xE7, 0x16, 0xE3, 0xBD, 0x65, 0x26, 0x11, 0x45, 0xA4, 0xC4, 0x8D, 0x4D, 0x0B, 0x7A, 0x9E, 0xAC,
];
/// Bytes from the mark to the content: the mark, the length, and what is not used.
const HEAD_BYTES: usize = 36;
/// Names that are kept.
const NAMES: usize = 256;

/// Examines a section.
pub(super) fn examine(bytes: &[u8], examination: &mut Examination) {
    let mut files = Vec::new();
    for at in memchr::memmem::find_iter(bytes, MARK) {
        let size = size_at(bytes, at + MARK.len()).unwrap_or(0);
        let rest = bytes.get(at + HEAD_BYTES..).unwrap_or_default();
        let content = rest.get(..size).unwrap_or(rest);
        // Pictures of the page lie there as well.
        if content.is_empty() || content_of(content) == Content::Medium {
            continue;
        }
        examination.note(Trait::OneNoteFile);
        if !examination.entry() {
            break;
        }
        files.push(content);
    }
    if files.is_empty() {
        return;
    }
    let names = names(bytes);
    let named = names.len() == files.len();
    for (index, content) in files.into_iter().enumerate() {
        let name = names.get(index).filter(|_| named);
        let content = examination.copy(content);
        examination.file(name.map_or("", String::as_str), content);
    }
}

/// Texts with an ending as file names have, each once, in the order of the file.
fn names(bytes: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for at in memchr::memchr_iter(0, bytes) {
        // The length of a name takes one or two of its four bytes.
        let Some(start) = at.checked_sub(2) else {
            continue;
        };
        let Some(size) = size_at(bytes, start).filter(|s| (8..=512).contains(s) && s % 2 == 0)
        else {
            continue;
        };
        let text = bytes.get(start + 4..start + 4 + size).unwrap_or_default();
        let Some(name) = file_name(text) else {
            continue;
        };
        if names.len() < NAMES && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A whole text that is a file name.
fn file_name(text: &[u8]) -> Option<String> {
    let (text, end) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let first = text.get(1).copied();
    if end != [0, 0] || first != Some(0) {
        return None;
    }
    let name = utf16(text);
    let (stem, ending) = name.rsplit_once('.')?;
    let plain = !name
        .chars()
        .any(|c| c.is_control() || "\\/:*?\"<>|".contains(c));
    let is_ending =
        (2..=5).contains(&ending.len()) && ending.chars().all(|c| c.is_ascii_alphanumeric());
    let whole = name.encode_utf16().count() * 2 == text.len();
    (plain && is_ending && whole && !stem.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, Findings, examine as examine_any};
    use super::*;

    fn file(content: &[u8]) -> Vec<u8> {
        [
            MARK,
            &(content.len() as u64).to_le_bytes(),
            &[0; 12],
            content,
        ]
        .concat()
    }

    fn name(text: &str) -> Vec<u8> {
        let text: Vec<u8> = text
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        [&(text.len() as u32).to_le_bytes()[..], &text].concat()
    }

    fn found(pieces: &[Vec<u8>]) -> Findings {
        let head = b"\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D\xAE\xB1\x53\x78\xD0\x29\x96\xD3".to_vec();
        examine_any(
            "one",
            "a.one",
            &[head, pieces.concat()].concat(),
            &Bounds::default(),
        )
    }

    #[test]
    fn files_are_handed_out_with_their_names() {
        let findings = found(&[
            name("open me.hta"),
            vec![7; 33],
            file(b"<script>x</script>"),
            file(b"\x89PNG\r\n\x1a\n"),
        ]);
        assert!(findings.traits.iter().eq(&[Trait::OneNoteFile]));
        assert_eq!(findings.files.len(), 1);
        assert_eq!(findings.files[0].name, "open me.hta");
        assert_eq!(findings.files[0].bytes, b"<script>x</script>");
        let many = found(&[name("a.txt"), name("b.txt"), file(b"MZ")]);
        assert_eq!(many.files[0].name, "");
        assert!(found(&[name("a.txt")]).traits.is_empty());
    }

    #[test]
    fn lengths_that_lie_end() {
        let mut cut = file(b"MZ content");
        cut[16..20].copy_from_slice(&[0xff; 4]);
        assert_eq!(found(&[cut]).files[0].bytes, b"MZ content");
        let started = std::time::Instant::now();
        for unit in [MARK.to_vec(), vec![0], vec![8, 0, 0, 0], name("a.bc")] {
            found(&[unit.repeat(1_000_000 / unit.len())]);
        }
        assert!(started.elapsed().as_secs() < 20);
    }
}
