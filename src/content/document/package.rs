//! Zip packages as Office and OpenDocument files are (APPNOTE.TXT, ECMA-376 part 2): names and contents of their parts.
//!
//! In: the bytes of a file. The central directory counts, as it does for the programs; where there is none to be read the
//! headers before the parts are looked for, because Office offers to repair such a file and then opens it. What surrounds
//! archives for their own sake (other packings, ratios, listing) is not the matter of this reader.

use memchr::memmem;

use super::examination::{Examination, Wrapper};
use super::little_endian::{size_at, u16_at};

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
/// Bytes before the name of a part, in the header in front of it and in the directory.
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
/// Longest name of a part that is looked for without a directory, bytes: headers may lie in each other's names.
const NAME_BYTES: usize = 1024;
/// The record at the end with the longest comment, bytes.
const END_BYTES: usize = 22 + 65_535;

/// One part of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The name as it stands there, with `/` between folders and none in front.
    pub(super) name: String,
    /// The same in lower case: programs do not tell cases apart.
    pub(super) key: String,
    /// Whether its content is encrypted.
    pub(super) encrypted: bool,
    method: u16,
    at: usize,
    size: usize,
}

/// A package.
pub(super) struct Package<'a> {
    bytes: &'a [u8],
    /// Its parts, in the order of the directory.
    pub(super) items: Vec<Item>,
    /// Whether there is no directory to be read.
    pub(super) damaged: bool,
}

impl<'a> Package<'a> {
    /// Opens a package; one without parts where it is none.
    pub(super) fn open(bytes: &'a [u8], examination: &mut Examination) -> Package<'a> {
        let mut package = Package {
            bytes,
            items: Vec::new(),
            damaged: false,
        };
        package.read_directory(examination);
        if package.items.is_empty() {
            package.damaged = true;
            package.read_headers(examination);
        }
        package
    }

    fn read_directory(&mut self, examination: &mut Examination) -> Option<()> {
        let tail = self.bytes.len().saturating_sub(END_BYTES);
        let end = tail + memmem::rfind(self.bytes.get(tail..)?, END)?;
        let size = size_at(self.bytes, end + 12)?;
        let declared = size_at(self.bytes, end + 16)?;
        // Something may have been put in front of the file; the directory still ends where its end record begins.
        let mut at = [end.saturating_sub(size), declared]
            .into_iter()
            .find(|at| {
                self.bytes
                    .get(*at..)
                    .is_some_and(|b| b.starts_with(CENTRAL))
            })?;
        let moved = at.wrapping_sub(declared);
        while let Some(record) = self.bytes.get(at..).filter(|r| r.starts_with(CENTRAL)) {
            let length = |field| u16_at(record, field).map(usize::from);
            let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
            let raw = record.get(CENTRAL_BYTES..CENTRAL_BYTES + name)?;
            let start = size_at(record, 42)?;
            if !examination.entry() {
                break;
            }
            self.items.push(Item {
                encrypted: u16_at(record, 8)? & 1 == 1,
                method: u16_at(record, 10)?,
                at: match start.wrapping_add(moved) {
                    at if self.bytes.get(at..).is_some_and(|b| b.starts_with(LOCAL)) => at,
                    _ => start,
                },
                size: size_at(record, 20)?,
                ..Item::named(raw)
            });
            at += CENTRAL_BYTES + name + extra + comment;
        }
        Some(())
    }

    /// Looks for the headers in front of the parts.
    fn read_headers(&mut self, examination: &mut Examination) {
        for at in memmem::find_iter(self.bytes, LOCAL) {
            let header = self.bytes.get(at..).unwrap_or_default();
            let name = u16_at(header, 26).map_or(0, usize::from);
            let Some(raw) = header
                .get(LOCAL_BYTES..LOCAL_BYTES + name)
                .filter(|n| (1..=NAME_BYTES).contains(&n.len()))
            else {
                continue;
            };
            if !examination.entry() {
                break;
            }
            self.items.push(Item {
                encrypted: u16_at(header, 6).is_some_and(|flags| flags & 1 == 1),
                method: u16_at(header, 8).unwrap_or(0),
                at,
                size: size_at(header, 18).unwrap_or(0),
                ..Item::named(raw)
            });
        }
    }

    /// The part of that name, in lower case.
    pub(super) fn find(&self, key: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.key == key)
    }

    /// The content of a part; empty where it cannot be read.
    pub(super) fn read(&self, item: &Item, examination: &mut Examination) -> Vec<u8> {
        let header = self.bytes.get(item.at..).unwrap_or_default();
        if item.encrypted || !header.starts_with(LOCAL) {
            return Vec::new();
        }
        let length = |field| u16_at(header, field).map_or(0, usize::from);
        let data = header
            .get(LOCAL_BYTES + length(26) + length(28)..)
            .unwrap_or_default();
        match item.method {
            // The end of deflate data tells itself; a size that is too small would hide the rest.
            8 => examination.inflate(Wrapper::Bare, data),
            0 => examination.copy(data.get(..item.size).unwrap_or(data)),
            _ => Vec::new(),
        }
    }
}

impl Item {
    fn named(raw: &[u8]) -> Item {
        let name = String::from_utf8_lossy(raw).replace('\\', "/");
        let name = name.trim_start_matches('/').to_owned();
        Item {
            key: name.to_lowercase(),
            name,
            encrypted: false,
            method: 0,
            at: 0,
            size: 0,
        }
    }

    /// The last part of the name.
    pub(super) fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }
}

/// A package with these parts, for tests.
#[cfg(test)]
pub(super) fn write(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
    use std::io::Write;
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in parts {
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), Default::default());
        packer.write_all(content).unwrap();
        let packed = packer.finish().unwrap();
        let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        common.extend_from_slice(&(content.len() as u32).to_le_bytes());
        common.extend_from_slice(&[name.len() as u8, 0, 0, 0]);
        let at = out.len() as u32;
        out.extend([LOCAL, &common, name.as_bytes(), &packed].concat());
        directory.extend(
            [
                CENTRAL,
                &[20, 0],
                &common,
                &[0; 10],
                &at.to_le_bytes(),
                name.as_bytes(),
            ]
            .concat(),
        );
    }
    let (size, at) = (directory.len() as u32, out.len() as u32);
    let count = (parts.len() as u16).to_le_bytes();
    out.extend_from_slice(&directory);
    out.extend(
        [
            END,
            &[0; 4],
            &count,
            &count,
            &size.to_le_bytes(),
            &at.to_le_bytes(),
            &[0; 2],
        ]
        .concat(),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::super::Bounds;
    use super::*;

    #[test]
    fn parts_are_read_also_behind_junk_and_without_a_directory() {
        let whole = write(&[
            ("a/B.xml", b"first".to_vec()),
            ("c", b"second".repeat(1000)),
        ]);
        let moved = [&b"junk"[..], &whole].concat();
        let cut = whole[..whole.len() - 30].to_vec();
        for (bytes, damaged) in [(whole, false), (moved, false), (cut, true)] {
            let mut examination = Examination::new(&Bounds::default());
            let package = Package::open(&bytes, &mut examination);
            assert_eq!(package.damaged, damaged);
            let first = package.find("a/b.xml").unwrap();
            assert_eq!(package.read(first, &mut examination), b"first");
            let second = package.find("c").unwrap();
            assert_eq!(
                package.read(second, &mut examination),
                b"second".repeat(1000)
            );
        }
    }

    #[test]
    fn damage_and_bombs_end() {
        let whole = write(&[("a/B.xml", b"first".to_vec()), ("c", vec![0; 10 << 20])]);
        let mut seed = 7_u32;
        for _ in 0..2000 {
            let mut bytes = whole.clone();
            for _ in 0..4 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (seed >> 8) as usize % bytes.len();
                bytes[at] = seed as u8;
            }
            let bounds = Bounds {
                bytes: 100_000,
                ..Bounds::default()
            };
            let mut examination = Examination::new(&bounds);
            let package = Package::open(&bytes, &mut examination);
            for item in &package.items {
                assert!(package.read(item, &mut examination).len() <= 100_000);
            }
        }
    }
}
