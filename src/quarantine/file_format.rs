//! What lies on disk of one message: a head of two lines, and the exact bytes in a file beside it.
//!
//! ```text
//! ID       mailweir-quarantine 2 <bytes of JSON> <bytes of message> <BLAKE3 of JSON and message, hex>
//!          {"id":"01J...", ...}
//! ID.eml   Received: ...
//! ```
//!
//! So `ID.eml` is the message, two messages with the same bytes can share one file, the index can be built
//! from the files alone, and damage of the medium is seen when a message is read. Version 1 had all of it in
//! one file, the message behind the head; it is still read.

use bytes::Bytes;

use super::Entry;

const MAGIC: &str = "mailweir-quarantine ";
/// Longer preambles are not ours: the magic, two numbers, a hash.
const PREAMBLE_BYTES: usize = 160;
/// Enough of a file to tell its version.
pub(super) const VERSION_BYTES: usize = MAGIC.len() + 2;

/// Where the message of a head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Behind the head, in the same file.
    Joined,
    /// In a file of its own.
    Apart,
}

impl Version {
    /// By the beginning of the head's file; `None` for what is no head of ours.
    pub(super) fn of(file: &[u8]) -> Option<Version> {
        match file.strip_prefix(MAGIC.as_bytes())?.get(..2)? {
            b"1 " => Some(Version::Joined),
            b"2 " => Some(Version::Apart),
            _ => None,
        }
    }
}

/// The head of a message.
pub(super) fn head(entry: &Entry, raw: &[u8]) -> Vec<u8> {
    let json = serde_json::to_vec(entry).unwrap_or_default();
    let mut out = format!(
        "{MAGIC}2 {} {} {}\n",
        json.len(),
        raw.len(),
        seal(&json, raw).to_hex()
    )
    .into_bytes();
    out.extend_from_slice(&json);
    out.push(b'\n');
    out
}

/// Takes a head and, where it is a file of its own, the message. `Err` says what is wrong with them.
pub(super) fn open(file: Bytes, apart: Option<Bytes>) -> Result<(Entry, Bytes), &'static str> {
    let version = Version::of(&file).ok_or("no preamble")?;
    let front = file.get(..PREAMBLE_BYTES.min(file.len())).unwrap_or(&file);
    let line = memchr::memchr(b'\n', front).ok_or("no preamble")?;
    let preamble = front.get(VERSION_BYTES..line);
    let preamble = preamble.and_then(|l| std::str::from_utf8(l).ok());
    let mut words = preamble.ok_or("no preamble")?.split_ascii_whitespace();
    let mut number = || words.next().and_then(|w| w.parse::<usize>().ok());
    let (json_len, raw_len) = number().zip(number()).ok_or("no lengths")?;
    let sealed = words
        .next()
        .and_then(|w| blake3::Hash::from_hex(w).ok())
        .ok_or("no hash")?;

    let json_start = line + 1;
    let json_end = json_start.checked_add(json_len).ok_or("wrong lengths")?;
    let behind = json_end.checked_add(1).ok_or("wrong lengths")?;
    let json = file.get(json_start..json_end).ok_or("wrong size")?;
    if file.get(json_end) != Some(&b'\n') {
        return Err("wrong lengths");
    }
    let raw = match (version, apart) {
        (Version::Joined, _) => file.slice(behind.min(file.len())..),
        (Version::Apart, Some(_)) if file.len() != behind => return Err("wrong size"),
        (Version::Apart, Some(raw)) => raw,
        (Version::Apart, None) => return Err("the message is missing"),
    };
    if raw.len() != raw_len {
        return Err("wrong size");
    }
    if seal(json, &raw) != sealed {
        return Err("wrong hash");
    }
    let entry = serde_json::from_slice(json).map_err(|_| "unreadable entry")?;
    Ok((entry, raw))
}

fn seal(json: &[u8], raw: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(json.len() as u64).to_le_bytes());
    hasher.update(json);
    hasher.update(raw);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Envelope;
    use crate::verdict::Verdict;

    fn file(raw: &[u8]) -> (Entry, Vec<u8>) {
        let id = ulid::Ulid::new().to_string();
        let now = jiff::Timestamp::now();
        let (envelope, verdict) = (Envelope::default(), Verdict::released());
        let entry = Entry::new(&id, now, &envelope, "x", &verdict, raw.len());
        let head = head(&entry, raw);
        (entry, head)
    }

    fn open_apart(head: &[u8], raw: &[u8]) -> Result<(Entry, Bytes), &'static str> {
        let raw = Bytes::copy_from_slice(raw);
        open(Bytes::copy_from_slice(head), Some(raw))
    }

    #[test]
    fn what_was_written_opens() {
        for raw in [&b""[..], b"\n\n\n", b"Subject: x\r\n\r\n\0\xff\n.\r\n"] {
            let (entry, head) = file(raw);
            let (back, back_raw) = open_apart(&head, raw).unwrap();
            assert_eq!(back, entry);
            assert_eq!(back_raw, raw);
            assert_eq!(Version::of(&head), Some(Version::Apart));
            assert_eq!(open(head.into(), None), Err("the message is missing"));
        }
    }

    #[test]
    fn files_of_version_1_are_still_read() {
        for raw in [&b""[..], b"\n\n\n", b"Subject: x\r\n\r\n\0\xff\n.\r\n"] {
            let (entry, mut bytes) = file(raw);
            bytes[VERSION_BYTES - 2] = b'1';
            bytes.extend_from_slice(raw);
            assert_eq!(Version::of(&bytes), Some(Version::Joined));
            assert_eq!(open(bytes.clone().into(), None).unwrap().0, entry);
            assert_eq!(open(bytes.into(), None).unwrap().1, raw);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_seen() {
        let raw = b"Subject: x\r\n\r\nbody";
        let (entry, bytes) = file(raw);
        for i in 0..raw.len() {
            assert!(open_apart(&bytes, &raw[..i]).is_err(), "cut at {i}");
            let mut damaged = raw.to_vec();
            damaged[i] ^= 1;
            assert_eq!(open_apart(&bytes, &damaged), Err("wrong hash"));
        }
        for i in 0..bytes.len() {
            assert!(open_apart(&bytes[..i], raw).is_err(), "cut at {i}");
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[i] ^= 1 << bit;
                // Hex digits and separators have several spellings, and the last byte says nothing; what
                // counts is what is read.
                if let Ok((e, read)) = open_apart(&damaged, raw) {
                    assert_eq!((e, &read[..]), (entry.clone(), &raw[..]));
                }
            }
        }
    }
}
