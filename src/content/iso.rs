//! Images of ISO 9660, with the longer names of Joliet where they are. Volumes that are UDF alone are recognised and not
//! read.

use std::collections::HashSet;

use super::archive::{Body, Container, Entry};
use super::bytes::{len32, slice, u8_at, up_to};
use super::flag::{FileFlag, FileFlags};
use super::name;

const SECTOR: usize = 2048;
/// Volume descriptors that are read.
const DESCRIPTORS: usize = 64;
/// Folders that are read.
const FOLDERS: usize = 10_000;

/// A folder that is still to be read.
struct Folder {
    path: String,
    extent: usize,
    size: usize,
}

/// Opens an image.
pub(super) fn open(bytes: &[u8], into: &mut Container<'_, '_>) {
    let mut root = None;
    let mut joliet = false;
    for number in 16..16 + DESCRIPTORS {
        let Some(descriptor) = slice(bytes, number * SECTOR, SECTOR) else {
            break;
        };
        match descriptor.first() {
            Some(1) if root.is_none() => root = folder(descriptor, 156),
            Some(2) if matches!(descriptor.get(88..91), Some(b"%/@" | b"%/C" | b"%/E")) => {
                root = folder(descriptor, 156).or(root);
                joliet = true;
            }
            Some(255) => break,
            _ => {}
        }
    }
    let Some(root) = root else {
        into.flag(FileFlag::Damaged);
        return;
    };
    let mut seen = HashSet::from([root.extent]);
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        let records = up_to(bytes, folder.extent.saturating_mul(SECTOR), folder.size);
        if records.len() < folder.size {
            into.flag(FileFlag::Truncated);
        }
        let mut at = 0;
        while at < records.len() {
            if into.goes_on().is_break() {
                return;
            }
            let length = usize::from(u8_at(records, at).unwrap_or_default());
            if length == 0 {
                // Records do not cross sectors.
                at = (at / SECTOR + 1) * SECTOR;
                continue;
            }
            let Some(record) = slice(records, at, length) else {
                into.flag(FileFlag::Damaged);
                break;
            };
            at += length;
            let Some((name, place, size, bits)) = read(record, joliet) else {
                continue;
            };
            let path = match folder.path.is_empty() {
                true => name,
                false => format!("{}/{name}", folder.path),
            };
            if bits & 2 != 0 {
                // A folder in itself would have no end.
                if seen.len() < FOLDERS && seen.insert(place) && path.len() < 4096 {
                    folders.push(Folder {
                        path,
                        extent: place,
                        size,
                    });
                }
                continue;
            }
            let data = up_to(bytes, place.saturating_mul(SECTOR), size);
            let mut flags = FileFlags::default();
            flags.add_if(data.len() < size, FileFlag::Truncated);
            // One of several pieces.
            flags.add_if(bits & 0x80 != 0, FileFlag::Unopened);
            let entry = Entry {
                name: path,
                size: Some(size as u64),
                flags,
                ..Entry::default()
            };
            if into.add(entry, Body::Stored(data)).is_break() {
                return;
            }
        }
    }
}

fn folder(descriptor: &[u8], at: usize) -> Option<Folder> {
    Some(Folder {
        path: String::new(),
        extent: len32(descriptor, at + 2)?,
        size: len32(descriptor, at + 10)?,
    })
}

/// Name, place, size and bits of a record; `None` for a folder's records of itself and of the one above.
fn read(record: &[u8], joliet: bool) -> Option<(String, usize, usize, u8)> {
    let length = usize::from(u8_at(record, 32)?);
    let written = slice(record, 33, length)?;
    if matches!(written, [0 | 1]) {
        return None;
    }
    let name = match joliet {
        true => {
            let units = written.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            char::decode_utf16(units)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        false => name::unlabelled(written),
    };
    // `NAME.EXE;1`: a version follows.
    let name = name
        .rsplit_once(';')
        .map_or(name.as_str(), |(name, _)| name)
        .trim_end_matches('.')
        .to_owned();
    Some((
        name,
        len32(record, 2)?,
        len32(record, 10)?,
        u8_at(record, 25)?,
    ))
}
