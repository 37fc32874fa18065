//! Windows cabinets. The list of files is read here; a folder of the cabinet is unpacked by the library cab, as one file
//! that holds all others of the folder, because the library would unpack it again for each.

use std::io::{Cursor, Read};

use super::archive::{Body, Container, Entry};
use super::bytes::{len16, len32, slice, u8_at, u16_at, u32_at, until_nul, up_to};
use super::flag::{FileFlag, FileFlags};
use super::name;

/// A file of the list.
struct Member {
    name: String,
    size: usize,
    /// Where it starts in its folder, unpacked.
    start: usize,
    flags: FileFlags,
}

/// Fields of the header that come in some cabinets only.
struct Header {
    folder_reserve: usize,
    data_reserve: usize,
    folders_at: usize,
    folders: usize,
    files: usize,
    files_at: usize,
    volume: bool,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Header> {
        let bits = u16_at(bytes, 30)?;
        let (mut at, mut folder_reserve, mut data_reserve) = (36, 0, 0);
        if bits & 4 != 0 {
            let reserve = len16(bytes, 36)?;
            folder_reserve = usize::from(u8_at(bytes, 38)?);
            data_reserve = usize::from(u8_at(bytes, 39)?);
            at = 40 + reserve;
        }
        // Name and disk of the cabinets before and behind.
        let names = 2 * (bits & 3).count_ones();
        for _ in 0..names {
            at += until_nul(bytes.get(at..)?).len() + 1;
        }
        Some(Header {
            folder_reserve,
            data_reserve,
            folders_at: at,
            folders: len16(bytes, 26)?,
            files: len16(bytes, 28)?,
            files_at: len32(bytes, 16)?,
            volume: bits & 3 != 0,
        })
    }
}

/// Opens a cabinet.
pub(super) fn open(bytes: &[u8], into: &mut Container<'_, '_>) {
    let Some(header) = Header::read(bytes) else {
        into.flag(FileFlag::Truncated);
        return;
    };
    if header.volume {
        into.flag(FileFlag::Volume);
    }
    let mut by_folder: Vec<Vec<Member>> = Vec::new();
    by_folder.resize_with(header.folders, Vec::new);
    let mut at = header.files_at;
    for _ in 0..header.files {
        let Some((member, folder, next)) = member(bytes, at) else {
            into.flag(FileFlag::Truncated);
            break;
        };
        at = next;
        match by_folder.get_mut(folder) {
            Some(members) => members.push(member),
            // One that began in the cabinet before, or goes on in the next.
            None => {
                let mut member = member;
                member.flags.add(FileFlag::Volume);
                if give(member, Body::Unseen, into).is_break() {
                    return;
                }
            }
        }
    }
    for (number, mut members) in by_folder.into_iter().enumerate() {
        // Folders may share their bytes, and one without files still costs them.
        if into.goes_on().is_break() {
            return;
        }
        members.sort_by_key(|m| m.start);
        let folder = folder(bytes, &header, number);
        let Some(alone) = folder else {
            into.flag(FileFlag::Damaged);
            for member in members {
                if give(member, Body::Unseen, into).is_break() {
                    return;
                }
            }
            continue;
        };
        let mut cabinet = match cab::Cabinet::new(Cursor::new(alone)) {
            Ok(cabinet) => cabinet,
            Err(_) => {
                into.flag(FileFlag::Unopened);
                continue;
            }
        };
        let Ok(mut content) = cabinet.read_file(WHOLE) else {
            into.flag(FileFlag::Damaged);
            continue;
        };
        let mut at = 0;
        for mut member in members {
            // What lies between is unpacked to get there.
            if member.start > at && skip(&mut content, member.start - at, into).is_none() {
                return;
            }
            if member.start < at {
                member.flags.add(FileFlag::Overlap);
                if give(member, Body::Unseen, into).is_break() {
                    return;
                }
                continue;
            }
            let size = member.size;
            at = member.start.saturating_add(size);
            let body = Body::Packed(Box::new((&mut content).take(size as u64)));
            if give(member, body, into).is_break() {
                return;
            }
        }
    }
}

/// The name of the one file of a folder.
const WHOLE: &str = "x";

/// A cabinet of one folder that holds one file: all that the folder holds.
fn folder(bytes: &[u8], header: &Header, number: usize) -> Option<Vec<u8>> {
    let at = header.folders_at + number * (8 + header.folder_reserve);
    let data = len32(bytes, at)?;
    let (blocks, packing) = (u16_at(bytes, at + 4)?, u16_at(bytes, at + 6)?);
    // Blocks give the sizes of all that they hold.
    let (mut end, mut unpacked) = (data, 0_u32);
    for _ in 0..blocks {
        let packed = len16(bytes, end + 4)?;
        unpacked = unpacked.checked_add(u32::from(u16_at(bytes, end + 6)?))?;
        end += 8 + header.data_reserve + packed;
    }
    let blocks_of = slice(bytes, data, end - data)?;
    let mut out = Vec::with_capacity(blocks_of.len() + 80);
    out.extend_from_slice(b"MSCF\0\0\0\0");
    let place = |value: usize| u32::try_from(value).ok().map(u32::to_le_bytes);
    // 36 bytes of header, 4 of reserves, 8 of the folder, 18 of the file.
    let (files_at, data_at) = (48, 48 + 18);
    out.extend_from_slice(&place(data_at + blocks_of.len())?);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&place(files_at)?);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[3, 1, 1, 0, 1, 0, 4, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&[0, 0, 0, u8::try_from(header.data_reserve).ok()?]);
    out.extend_from_slice(&place(data_at)?);
    out.extend_from_slice(&blocks.to_le_bytes());
    out.extend_from_slice(&packing.to_le_bytes());
    out.extend_from_slice(&unpacked.to_le_bytes());
    out.extend_from_slice(&[0; 12]);
    out.extend_from_slice(WHOLE.as_bytes());
    out.push(0);
    out.extend_from_slice(blocks_of);
    Some(out)
}

/// A file of the list, its folder, and where the next stands.
fn member(bytes: &[u8], at: usize) -> Option<(Member, usize, usize)> {
    let written = until_nul(up_to(bytes, at + 16, 1024));
    let mut flags = FileFlags::default();
    let name = match u16_at(bytes, at + 14)? & 0x80 != 0 {
        true => {
            let (name, whole) = name::utf8(written);
            flags.add_if(!whole, FileFlag::NameCharset);
            name
        }
        false => name::unlabelled(written),
    };
    let member = Member {
        name,
        size: usize::try_from(u32_at(bytes, at)?).ok()?,
        start: len32(bytes, at + 4)?,
        flags,
    };
    Some((member, len16(bytes, at + 8)?, at + 16 + written.len() + 1))
}

fn give(member: Member, body: Body<'_>, into: &mut Container<'_, '_>) -> std::ops::ControlFlow<()> {
    let entry = Entry {
        name: member.name,
        size: Some(member.size as u64),
        flags: member.flags,
        ..Entry::default()
    };
    into.add(entry, body)
}

/// Unpacks and forgets; `None` where that fails or the time is over.
fn skip(content: &mut impl Read, bytes: usize, into: &mut Container<'_, '_>) -> Option<()> {
    let mut left = bytes;
    let mut buffer = vec![0; super::archive::STEP];
    while left > 0 {
        if into.goes_on().is_break() {
            return None;
        }
        let most = left.min(buffer.len());
        match content.read(buffer.get_mut(..most)?) {
            Ok(0) | Err(_) => {
                into.flag(FileFlag::Damaged);
                return None;
            }
            Ok(count) => left -= count,
        }
    }
    Some(())
}
