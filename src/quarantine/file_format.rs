//! The file of one message: one line of preamble, one line of JSON ([`Entry`]), the exact bytes.
//!
//! ```text
//! mailweir-quarantine 1 <bytes of JSON> <bytes of message> <BLAKE3 of JSON and message, hex>
//! {"id":"01J...", ...}
//! Received: ...
//! ```
//!
//! So `tail -n +3 FILE` is the message, the index can be built from the files alone, and damage of the
//! medium is seen when a message is read.

use bytes::Bytes;

use super::Entry;

const MAGIC: &str = "mailweir-quarantine 1";
/// Longer preambles are not ours: the magic, two numbers, a hash.
const PREAMBLE_BYTES: usize = 160;

/// What stands before the message.
pub(super) fn head(entry: &Entry, raw: &[u8]) -> Vec<u8> {
    let json = serde_json::to_vec(entry).unwrap_or_default();
    let mut out = format!(
        "{MAGIC} {} {} {}\n",
        json.len(),
        raw.len(),
        seal(&json, raw).to_hex()
    )
    .into_bytes();
    out.extend_from_slice(&json);
    out.push(b'\n');
    out
}

/// Takes a file apart. `Err` says what is wrong with it.
pub(super) fn open(file: Bytes) -> Result<(Entry, Bytes), &'static str> {
    let front = file.get(..PREAMBLE_BYTES.min(file.len())).unwrap_or(&file);
    let line = memchr::memchr(b'\n', front).ok_or("no preamble")?;
    let preamble = front.get(..line).and_then(|l| std::str::from_utf8(l).ok());
    let preamble = preamble
        .and_then(|p| p.strip_prefix(MAGIC))
        .ok_or("no preamble")?;
    let mut words = preamble.split_ascii_whitespace();
    let mut number = || words.next().and_then(|w| w.parse::<usize>().ok());
    let (json_len, raw_len) = number().zip(number()).ok_or("no lengths")?;
    let sealed = words
        .next()
        .and_then(|w| blake3::Hash::from_hex(w).ok())
        .ok_or("no hash")?;

    let json_start = line + 1;
    let json_end = json_start.checked_add(json_len).ok_or("wrong lengths")?;
    let raw_start = json_end.checked_add(1).ok_or("wrong lengths")?;
    let end = raw_start.checked_add(raw_len).ok_or("wrong lengths")?;
    if end != file.len() {
        return Err("wrong size");
    }
    let json = file.get(json_start..json_end).ok_or("wrong lengths")?;
    let raw = file.slice(raw_start..end);
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
        let mut bytes = head(&entry, raw);
        bytes.extend_from_slice(raw);
        (entry, bytes)
    }

    #[test]
    fn a_file_opens_to_what_was_written() {
        for raw in [&b""[..], b"\n\n\n", b"Subject: x\r\n\r\n\0\xff\n.\r\n"] {
            let (entry, bytes) = file(raw);
            let (back, back_raw) = open(bytes.into()).unwrap();
            assert_eq!(back, entry);
            assert_eq!(back_raw, raw);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_seen() {
        let (entry, bytes) = file(b"Subject: x\r\n\r\nbody");
        for i in 0..bytes.len() {
            assert!(open(bytes[..i].to_vec().into()).is_err(), "cut at {i}");
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[i] ^= 1 << bit;
                // Hex digits and separators have several spellings; what counts is what is read.
                if let Ok((e, raw)) = open(damaged.into()) {
                    assert_eq!(
                        (e, &raw[..]),
                        (entry.clone(), &b"Subject: x\r\n\r\nbody"[..])
                    );
                }
            }
        }
    }
}
