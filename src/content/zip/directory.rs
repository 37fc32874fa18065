//! The list of files at the end of an archive: where it stands, and what stands before the archive.

use super::super::bytes::{len16, slice, u16_at, u32_at, u64_at};
use super::description::ENTRY;

/// The record at the end, without its comment.
pub(super) const END: usize = 22;
/// How far from the end its record may stand.
const TAIL: usize = END + 0xffff;

const END_MARK: &[u8] = b"PK\x05\x06";

/// The list of files: where it stands, and what stands before the archive.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) start: usize,
    pub(super) size: usize,
    /// Bytes before the archive.
    pub(super) before: usize,
    /// Where the archive ends, its comment included.
    pub(super) end: usize,
    /// Whether it is one of several volumes.
    pub(super) volume: bool,
}

impl Directory {
    /// The last that the bytes hold.
    pub(super) fn find(bytes: &[u8]) -> Option<Directory> {
        let from = bytes.len().saturating_sub(TAIL);
        let tail = bytes.get(from..)?;
        // One whose comment ends with the file, or else the last that leads to a list.
        let mut best = None;
        for at in memchr::memmem::rfind_iter(tail, END_MARK).take(64) {
            let Some(found) = Directory::at(bytes, from + at) else {
                continue;
            };
            if found.end == bytes.len() {
                return Some(found);
            }
            best.get_or_insert(found);
        }
        best
    }

    fn at(bytes: &[u8], at: usize) -> Option<Directory> {
        let comment = len16(bytes, at + 20)?;
        let (mut size, mut place) = (
            u64::from(u32_at(bytes, at + 12)?),
            u64::from(u32_at(bytes, at + 16)?),
        );
        let mut end_of_list = at;
        if let Some((size64, place64, record)) = zip64(bytes, at) {
            (size, place, end_of_list) = (size64, place64, record);
        }
        let size = usize::try_from(size).ok()?;
        let start = end_of_list.checked_sub(size)?;
        if size > 0 && slice(bytes, start, 4)? != ENTRY {
            // A list that does not end at its record: believe the place that it gives.
            let start = usize::try_from(place).ok()?;
            return (slice(bytes, start, 4)? == ENTRY).then_some(Directory {
                start,
                size: end_of_list.saturating_sub(start),
                before: 0,
                end: (at + END + comment).min(bytes.len()),
                volume: false,
            });
        }
        let before = start.saturating_sub(usize::try_from(place).unwrap_or(start));
        Some(Directory {
            start,
            size,
            before,
            end: at + END + comment,
            volume: u16_at(bytes, at + 4)? != 0 && u16_at(bytes, at + 4)? != 0xffff,
        })
    }
}

/// The record of ZIP64 before the end: size and place of the list, and its own place.
fn zip64(bytes: &[u8], end: usize) -> Option<(u64, u64, usize)> {
    let locator = end.checked_sub(20)?;
    if slice(bytes, locator, 4)? != b"PK\x06\x07" {
        return None;
    }
    let written = usize::try_from(u64_at(bytes, locator + 8)?).ok();
    // Where something stands before the archive the place is wrong, and the record stands right here.
    let record = [written, locator.checked_sub(56)]
        .into_iter()
        .flatten()
        .find(|at| slice(bytes, *at, 4) == Some(b"PK\x06\x06"))?;
    Some((
        u64_at(bytes, record + 40)?,
        u64_at(bytes, record + 48)?,
        record,
    ))
}
