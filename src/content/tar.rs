//! tar (POSIX ustar and pax, GNU, and the format before them): headers of 512 bytes, each before its file.

use std::ops::ControlFlow;

use super::archive::{Body, Container, Entry};
use super::bytes::{slice, until_nul, up_to};
use super::flag::{FileFlag, FileFlags};
use super::name;

const BLOCK: usize = 512;
/// Longest name or pax record that is read, bytes.
const RECORD_BYTES: usize = 64 << 10;

/// Opens an archive.
pub(super) fn open(bytes: &[u8], into: &mut Container<'_, '_>) {
    let mut at = 0;
    let mut long: Option<String> = None;
    let mut pax_size = None;
    while let Some(header) = slice(bytes, at, BLOCK) {
        if into.goes_on().is_break() {
            return;
        }
        if header.iter().all(|b| *b == 0) {
            break;
        }
        let written = slice(header, 124, 12).and_then(number);
        let Some(size) = pax_size.take().or(written) else {
            into.flag(FileFlag::Damaged);
            return;
        };
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        let data = up_to(bytes, at + BLOCK, length);
        let kind = header.get(156).copied().unwrap_or_default();
        let whole = data.len() == length;
        let next = length
            .div_ceil(BLOCK)
            .checked_mul(BLOCK)
            .and_then(|length| (at + BLOCK).checked_add(length));
        match kind {
            // A long name for the next file (GNU).
            b'L' => long = Some(name::unlabelled(until_nul(up_to(data, 0, RECORD_BYTES)))),
            b'x' => {
                let (path, size) = pax(up_to(data, 0, RECORD_BYTES));
                long = path.or(long);
                pax_size = size;
            }
            // Folders, devices, defaults for all files, long targets of links.
            b'5' | b'3' | b'4' | b'6' | b'g' | b'K' | b'V' => long = None,
            _ => {
                let mut flags = FileFlags::default();
                flags.add_if(matches!(kind, b'1' | b'2'), FileFlag::Link);
                flags.add_if(!whole, FileFlag::Truncated);
                flags.add_if(kind == b'M', FileFlag::Volume);
                let entry = Entry {
                    name: long.take().unwrap_or_else(|| short_name(header)),
                    size: Some(size),
                    flags,
                    ..Entry::default()
                };
                if let ControlFlow::Break(()) = into.add(entry, Body::Stored(data)) {
                    return;
                }
            }
        }
        match next {
            Some(next) if whole => at = next,
            _ => {
                into.flag(FileFlag::Truncated);
                return;
            }
        }
    }
}

/// The name in the header: a beginning and an end in ustar.
fn short_name(header: &[u8]) -> String {
    let field = |at, length| name::unlabelled(until_nul(up_to(header, at, length)));
    let own = field(0, 100);
    match up_to(header, 257, 6) == b"ustar\0" {
        true if header.get(345).is_some_and(|b| *b != 0) => field(345, 155) + "/" + &own,
        _ => own,
    }
}

/// A number: octal digits, or eight bytes behind a flag (GNU).
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|b| b & 0x80 != 0) {
        let low = field.get(field.len().checked_sub(8)?..)?;
        return Some(u64::from_be_bytes(low.try_into().ok()?));
    }
    let digits = field
        .iter()
        .skip_while(|b| matches!(b, b' ' | 0))
        .take_while(|b| (b'0'..=b'7').contains(b));
    Some(digits.fold(0, |n: u64, digit| {
        n.saturating_mul(8).saturating_add(u64::from(digit - b'0'))
    }))
}

/// Path and size out of pax records, `LENGTH KEY=VALUE` and a line end each.
fn pax(records: &[u8]) -> (Option<String>, Option<u64>) {
    let (mut path, mut size) = (None, None);
    let mut rest = records;
    while let Some(space) = memchr::memchr(b' ', rest.get(..24.min(rest.len())).unwrap_or_default())
    {
        let length = std::str::from_utf8(rest.get(..space).unwrap_or_default())
            .ok()
            .and_then(|digits| digits.parse::<usize>().ok())
            .filter(|length| *length > space + 1);
        let Some(record) = length.and_then(|length| rest.get(space + 1..length)) else {
            break;
        };
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        if let Some(value) = record.strip_prefix(b"path=") {
            path = Some(name::utf8(value).0);
        } else if let Some(value) = record.strip_prefix(b"size=") {
            size = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
        }
        rest = length.and_then(|l| rest.get(l..)).unwrap_or_default();
    }
    (path, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b"00000000017\0"), Some(15));
        assert_eq!(number(b"     17 \0\0\0\0"), Some(15));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\0\0\0\x01\0"), Some(256));
        assert_eq!(number(b"77777777777777777777777777777"), Some(u64::MAX));
    }

    #[test]
    fn pax_records_are_read_and_broken_ones_end_it() {
        assert_eq!(
            pax(b"18 path=a/b/c.exe\n12 size=100\n"),
            (Some("a/b/c.exe".to_owned()), Some(100))
        );
        assert_eq!(pax(b"99 path=x\n"), (None, None));
        assert_eq!(pax(b"1 path=x\n"), (None, None));
        assert_eq!(pax(b""), (None, None));
    }
}
