//! RAR archives of versions 4 and 5: the list of files, and files that are stored unpacked.
//!
//! The packing of RAR is not free to be rewritten, so packed files are listed and flagged as unopened; ClamAV opens them.

use std::ops::ControlFlow;

use super::archive::{Body, Container, Entry};
use super::bytes::{len16, slice, u16_at, u32_at, up_to};
use super::flag::{FileFlag, FileFlags};
use super::name;

/// Headers that are read.
const HEADERS: usize = 100_000;

/// Opens an archive.
pub(super) fn open(bytes: &[u8], into: &mut Container<'_, '_>) {
    let read = match bytes.get(..8) {
        Some(b"Rar!\x1a\x07\x01\x00") => version_5(bytes, into),
        _ if bytes.starts_with(b"Rar!\x1a\x07\x00") => version_4(bytes, into),
        _ => None,
    };
    if read.is_none() {
        into.flag(FileFlag::Truncated);
    }
}

/// What a header says of a file.
struct Member<'b> {
    name: String,
    size: u64,
    stored: bool,
    data: &'b [u8],
    flags: FileFlags,
}

fn give(member: Member<'_>, into: &mut Container<'_, '_>) -> ControlFlow<()> {
    let mut flags = member.flags;
    let readable = member.stored && !flags.has(FileFlag::Encrypted) && !flags.has(FileFlag::Volume);
    let body = match readable {
        true => Body::Stored(member.data),
        false => Body::Unseen,
    };
    flags.add_if(
        !readable && !flags.has(FileFlag::Encrypted),
        FileFlag::Unopened,
    );
    let entry = Entry {
        name: member.name,
        size: Some(member.size),
        flags,
        ..Entry::default()
    };
    into.add(entry, body)
}

/// `None` where the archive ends before its end flag.
fn version_4(bytes: &[u8], into: &mut Container<'_, '_>) -> Option<()> {
    let mut at = 7;
    for _ in 0..HEADERS {
        if into.goes_on().is_break() {
            return Some(());
        }
        let kind = *bytes.get(at + 2)?;
        let (bits, length) = (u16_at(bytes, at + 3)?, len16(bytes, at + 5)?);
        let header = slice(bytes, at, length.max(7))?;
        let is_file = matches!(kind, 0x74 | 0x7a);
        let mut data = match is_file || bits & 0x8000 != 0 {
            true => u64::from(u32_at(header, 7)?),
            false => 0,
        };
        match kind {
            0x7b => return Some(()),
            0x73 if bits & 0x80 != 0 => {
                into.flag(FileFlag::Encrypted);
                return Some(());
            }
            0x73 if bits & 1 != 0 => into.flag(FileFlag::Volume),
            _ => {}
        }
        if is_file {
            let mut size = u64::from(u32_at(header, 11)?);
            let mut name_at = 32;
            if bits & 0x100 != 0 {
                data |= u64::from(u32_at(header, 32)?) << 32;
                size |= u64::from(u32_at(header, 36)?) << 32;
                name_at = 40;
            }
            let written = up_to(header, name_at, len16(header, 26)?);
            if kind == 0x74 && bits & 0xe0 != 0xe0 {
                let mut flags = FileFlags::default();
                flags.add_if(bits & 4 != 0, FileFlag::Encrypted);
                flags.add_if(bits & 3 != 0, FileFlag::Volume);
                let length = usize::try_from(data).ok()?;
                let content = up_to(bytes, at + header.len(), length);
                flags.add_if(content.len() < length, FileFlag::Truncated);
                let member = Member {
                    name: name_4(written, bits & 0x200 != 0),
                    size,
                    stored: header.get(25) == Some(&0x30),
                    data: content,
                    flags,
                };
                if give(member, into).is_break() {
                    return Some(());
                }
            }
        }
        at = at
            .checked_add(header.len())?
            .checked_add(usize::try_from(data).ok()?)?;
    }
    Some(())
}

/// A name of version 4: in the charset of DOS, and behind a NUL how it differs in Unicode.
fn name_4(written: &[u8], unicode: bool) -> String {
    let nul = memchr::memchr(0, written).filter(|_| unicode);
    let Some(nul) = nul else {
        return name::unlabelled(written);
    };
    let (plain, rest) = (
        up_to(written, 0, nul),
        up_to(written, nul + 1, written.len()),
    );
    unicode_4(plain, rest).unwrap_or_else(|| name::unlabelled(plain))
}

/// The differences: two bits for each unit say whether it is Latin, shares the high byte, stands in full, or comes from
/// the plain name.
fn unicode_4(plain: &[u8], coded: &[u8]) -> Option<String> {
    let (high, mut rest) = coded.split_first()?;
    let mut units: Vec<u16> = Vec::new();
    let (mut ways, mut left) = (0_u8, 0);
    while !rest.is_empty() && units.len() < 1024 {
        if left == 0 {
            let (first, after) = rest.split_first()?;
            (ways, rest, left) = (*first, after, 4);
            if rest.is_empty() {
                break;
            }
        }
        let way = ways >> 6;
        (ways, left) = (ways << 2, left - 1);
        match (way, rest) {
            (0, [low, after @ ..]) => {
                units.push(u16::from(*low));
                rest = after;
            }
            (1, [low, after @ ..]) => {
                units.push(u16::from_be_bytes([*high, *low]));
                rest = after;
            }
            (2, [low, top, after @ ..]) => {
                units.push(u16::from_le_bytes([*low, *top]));
                rest = after;
            }
            (3, [length, after @ ..]) if length & 0x80 == 0 => {
                for _ in 0..usize::from(*length) + 2 {
                    units.push(u16::from(*plain.get(units.len())?));
                }
                rest = after;
            }
            (3, [length, correction, after @ ..]) => {
                for _ in 0..usize::from(length & 0x7f) + 2 {
                    let low = plain.get(units.len())?.wrapping_add(*correction);
                    units.push(u16::from_be_bytes([*high, low]));
                }
                rest = after;
            }
            _ => return None,
        }
    }
    Some(String::from_utf16_lossy(&units))
}

/// A number of variable length: seven bits a byte, the lowest first. Gives it with the place behind it.
fn number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (place, byte) in up_to(bytes, at, 10).iter().enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(u32::try_from(7 * place).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, at + place + 1));
        }
    }
    None
}

/// `None` where the archive ends before its end flag.
fn version_5(bytes: &[u8], into: &mut Container<'_, '_>) -> Option<()> {
    let mut at = 8;
    for _ in 0..HEADERS {
        if into.goes_on().is_break() {
            return Some(());
        }
        let (length, start) = number(bytes, at + 4)?;
        let header = slice(bytes, start, usize::try_from(length).ok()?)?;
        let (kind, next) = number(header, 0)?;
        let (bits, mut next) = number(header, next)?;
        let (mut extra, mut data) = (0, 0);
        if bits & 1 != 0 {
            (extra, next) = number(header, next)?;
        }
        if bits & 2 != 0 {
            (data, next) = number(header, next)?;
        }
        let data_at = start + header.len();
        let length = usize::try_from(data).ok()?;
        match kind {
            1 => {
                let (archive, _) = number(header, next)?;
                if archive & 1 != 0 {
                    into.flag(FileFlag::Volume);
                }
            }
            2 => {
                let mut member = file_5(header, next, extra)?;
                member.data = up_to(bytes, data_at, length);
                member
                    .flags
                    .add_if(member.data.len() < length, FileFlag::Truncated);
                member.flags.add_if(bits & 0x18 != 0, FileFlag::Volume);
                if !member.name.is_empty() && give(member, into).is_break() {
                    return Some(());
                }
            }
            4 => {
                into.flag(FileFlag::Encrypted);
                return Some(());
            }
            5 => return Some(()),
            _ => {}
        }
        at = data_at.checked_add(length)?;
    }
    Some(())
}

/// The header of a file; folders come without a name.
fn file_5<'b>(header: &[u8], at: usize, extra: u64) -> Option<Member<'b>> {
    let (bits, next) = number(header, at)?;
    let (size, next) = number(header, next)?;
    let (_attributes, mut next) = number(header, next)?;
    next += if bits & 2 != 0 { 4 } else { 0 };
    next += if bits & 4 != 0 { 4 } else { 0 };
    let (packing, next) = number(header, next)?;
    let (_system, next) = number(header, next)?;
    let (length, next) = number(header, next)?;
    let written = up_to(header, next, usize::try_from(length).ok()?);
    let (name, whole) = name::utf8(written);
    let mut flags = FileFlags::default();
    flags.add_if(!whole, FileFlag::NameCharset);
    let from = header.len().checked_sub(usize::try_from(extra).ok()?)?;
    let mut record = from;
    while record < header.len() {
        let (length, start) = number(header, record)?;
        let (kind, _) = number(header, start)?;
        flags.add_if(kind == 1, FileFlag::Encrypted);
        flags.add_if(kind == 5, FileFlag::Link);
        record = start.checked_add(usize::try_from(length).ok()?)?;
    }
    Some(Member {
        name: if bits & 1 != 0 { String::new() } else { name },
        size: if bits & 8 != 0 { 0 } else { size },
        stored: packing >> 7 & 7 == 0,
        data: &[],
        flags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_seven_bits_a_byte() {
        assert_eq!(number(&[0x05], 0), Some((5, 1)));
        assert_eq!(number(&[0x80, 0x01, 0x07], 0), Some((128, 2)));
        assert_eq!(number(&[0x80], 0), None);
        assert_eq!(number(&[0xff; 20], 0), None);
    }

    #[test]
    fn unicode_names_of_version_4_are_put_together() {
        // Three units in full.
        assert_eq!(
            unicode_4(
                b"???",
                &[0, 0b1010_1000, 0x42, 0x30, 0x44, 0x30, 0x46, 0x30]
            )
            .as_deref(),
            Some("\u{3042}\u{3044}\u{3046}")
        );
        // Five from the plain name.
        assert_eq!(
            unicode_4(b"a.exe", &[0, 0b1100_0000, 3]).as_deref(),
            Some("a.exe")
        );
        assert_eq!(unicode_4(b"a", &[0, 0b1100_0000, 3]), None);
    }
}
