//! Files that a document carries for the user to click on: the data of an OLE Package.
//!
//! In: the stream `\x01Ole10Native` ([MS-OLEDS], section 2.3.6), or the data of an OLE 1 object of class `Package`, which has
//! the same form without the length in front. The form of what is within is written down nowhere; it was found out by
//! others long ago: label, path, temporary path, data.

use super::super::examination::Examination;
use super::super::little_endian::{latin, size_at, u16_at};
use super::super::traits::Trait;

/// Longest name or path that is believed, bytes.
const NAME_BYTES: usize = 1024;

/// Hands out the file in a stream `\x01Ole10Native`.
pub(in super::super) fn stream(content: &[u8], examination: &mut Examination) {
    let Some(rest) = content.get(4..) else { return };
    if !package(rest, examination) {
        // Data of another program, without a name.
        let bytes = examination.copy(rest);
        examination.file("", bytes);
    }
}

/// Hands out the file in the data of a Package; `false` where it is none.
pub(in super::super) fn package(data: &[u8], examination: &mut Examination) -> bool {
    let Some((name, bytes)) = read(data) else {
        return false;
    };
    examination.note(Trait::Package);
    let bytes = examination.copy(bytes);
    examination.file(&name, bytes);
    true
}

/// The name and content of the file.
fn read(data: &[u8]) -> Option<(String, &[u8])> {
    if u16_at(data, 0)? != 2 {
        return None;
    }
    let (label, rest) = text(data.get(2..)?)?;
    let (path, rest) = text(rest)?;
    let rest = rest.get(4..)?;
    let skipped = size_at(rest, 0)?.checked_add(4)?;
    let rest = rest.get(skipped..)?;
    let size = size_at(rest, 0)?;
    let content = rest.get(4..)?;
    let content = content.get(..size).unwrap_or(content);
    let path = latin(path);
    let name = path.rsplit(['\\', '/']).next().unwrap_or_default();
    let name = if name.is_empty() {
        latin(label)
    } else {
        name.to_owned()
    };
    Some((name, content))
}

/// A text up to its zero, and what follows.
fn text(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, data.get(..NAME_BYTES).unwrap_or(data))?;
    Some((data.get(..end)?, data.get(end + 1..)?))
}

/// A package as programs write it, for tests.
#[cfg(test)]
pub(in super::super) fn write(name: &str, content: &[u8]) -> Vec<u8> {
    let path = format!("C:\\temp\\{name}\0");
    let mut data = vec![2, 0];
    data.extend_from_slice(format!("{name}\0{path}").as_bytes());
    data.extend_from_slice(&[0, 0, 3, 0]);
    data.extend_from_slice(&(path.len() as u32).to_le_bytes());
    data.extend_from_slice(path.as_bytes());
    data.extend_from_slice(&(content.len() as u32).to_le_bytes());
    data.extend_from_slice(content);
    data
}

#[cfg(test)]
mod tests {
    use super::super::super::Bounds;
    use super::*;

    #[test]
    fn the_file_is_handed_out_with_its_name() {
        let data = write("a.exe", b"MZ content");
        let whole = [&(data.len() as u32).to_le_bytes()[..], &data].concat();
        let mut examination = Examination::new(&Bounds::default());
        stream(&whole, &mut examination);
        // Cut off: what is there.
        stream(&whole[..whole.len() - 3], &mut examination);
        // Another program's data.
        stream(b"\x03\0\0\0abc", &mut examination);
        let findings = examination.finish();
        assert!(findings.traits.contains(&Trait::Package));
        let files: Vec<_> = findings
            .files
            .iter()
            .map(|f| (f.name.as_str(), &f.bytes[..]))
            .collect();
        assert_eq!(
            files,
            [
                ("a.exe", &b"MZ content"[..]),
                ("a.exe", b"MZ cont"),
                ("", b"abc")
            ]
        );
    }

    #[test]
    fn every_cut_is_survived() {
        let data = write("a.exe", b"MZ content");
        for end in 0..data.len() {
            package(&data[..end], &mut Examination::new(&Bounds::default()));
        }
    }
}
