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
//!
//! When the bytes have been moved to an object store, the head is of version 3, and there is no `ID.eml`:
//!
//! ```text
//! ID       mailweir-quarantine 3 <bytes of JSON> <bytes of message> <seal> <content> <likeness>
//!          {"id":"01J...", ...}
//! ```
//!
//! `content` is the BLAKE3 of the message, by which its object is found and known to be whole. The seal is over all that is
//! said in the head, so a head is believed without the message, and the index can still be built from the files alone.

use bytes::Bytes;

use super::Entry;

const MAGIC: &str = "mailweir-quarantine ";
/// Longer preambles are not ours: the magic, two numbers, three hashes.
const PREAMBLE_BYTES: usize = 288;
/// Enough of a file to tell its version.
pub(super) const VERSION_BYTES: usize = MAGIC.len() + 2;

/// Where the message of a head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Behind the head, in the same file.
    Joined,
    /// In a file of its own.
    Apart,
    /// In an object store.
    Away,
}

impl Version {
    /// By the beginning of the head's file; `None` for what is no head of ours.
    pub(super) fn of(file: &[u8]) -> Option<Version> {
        match file.strip_prefix(MAGIC.as_bytes())?.get(..2)? {
            b"1 " => Some(Version::Joined),
            b"2 " => Some(Version::Apart),
            b"3 " => Some(Version::Away),
            _ => None,
        }
    }
}

/// The head of a message whose bytes lie beside it.
pub(super) fn head(entry: &Entry, raw: &[u8]) -> Vec<u8> {
    let json = serde_json::to_vec(entry).unwrap_or_default();
    head_of(&json, raw)
}

fn head_of(json: &[u8], raw: &[u8]) -> Vec<u8> {
    let seal = seal(json, raw).to_hex();
    written(format!("2 {} {} {seal}", json.len(), raw.len()), json)
}

fn written(preamble: String, json: &[u8]) -> Vec<u8> {
    let mut out = format!("{MAGIC}{preamble}\n").into_bytes();
    out.extend_from_slice(json);
    out.push(b'\n');
    out
}

/// What the head of a message says whose bytes are in an object store; it is whole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Away {
    pub(super) entry: Entry,
    /// The entry as it is written.
    json: Bytes,
    /// Bytes of the message.
    pub(super) size: usize,
    /// BLAKE3 of the message.
    pub(super) content: [u8; 32],
    /// See [`Entry::likeness`].
    pub(super) likeness: [u8; 32],
}

impl Away {
    /// Of a message that lies in the folder; with its bytes.
    ///
    /// # Errors
    /// What is wrong with head or message.
    pub(super) fn of(
        file: &Bytes,
        apart: Option<Bytes>,
    ) -> Result<(Away, Option<Bytes>), &'static str> {
        let (entry, raw) = open(file.clone(), apart)?;
        let away = Away {
            likeness: entry.likeness(&raw),
            entry,
            json: Parsed::of(file)?.json,
            size: raw.len(),
            content: *blake3::hash(&raw).as_bytes(),
        };
        Ok((away, Some(raw)))
    }

    /// Takes a head of version 3.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn open(file: &Bytes) -> Result<Away, &'static str> {
        let parsed = Parsed::of(file)?;
        let hashes = (parsed.version == Version::Away).then_some(parsed.hashes);
        let (content, likeness) = hashes.flatten().ok_or("no hash")?;
        if parsed.behind != file.len() {
            return Err("wrong size");
        }
        let entry = parsed.entry();
        let away = Away {
            entry: entry?,
            json: parsed.json,
            size: parsed.size,
            content,
            likeness,
        };
        match away.seal() == parsed.seal {
            true => Ok(away),
            false => Err("wrong hash"),
        }
    }

    /// The head, version 3.
    pub(super) fn head(&self) -> Vec<u8> {
        let [seal, content, likeness] =
            [self.seal(), self.content.into(), self.likeness.into()].map(|hash| hash.to_hex());
        let lengths = format!("{} {}", self.json.len(), self.size);
        written(
            format!("3 {lengths} {seal} {content} {likeness}"),
            &self.json,
        )
    }

    /// The head of the same message with its bytes beside it.
    pub(super) fn head_beside(&self, raw: &[u8]) -> Vec<u8> {
        head_of(&self.json, raw)
    }

    fn seal(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key("mailweir quarantine away 1");
        hasher.update(&(self.size as u64).to_le_bytes());
        hasher.update(&self.content);
        hasher.update(&self.likeness);
        hasher.update(&self.json);
        hasher.finalize()
    }
}

/// The head's two lines, taken apart.
struct Parsed {
    version: Version,
    json: Bytes,
    size: usize,
    seal: blake3::Hash,
    /// Content and likeness, where they stand there.
    hashes: Option<([u8; 32], [u8; 32])>,
    /// Where the head ends.
    behind: usize,
}

impl Parsed {
    fn of(file: &Bytes) -> Result<Parsed, &'static str> {
        let version = Version::of(file).ok_or("no preamble")?;
        let front = file.get(..PREAMBLE_BYTES.min(file.len())).unwrap_or(file);
        let line = memchr::memchr(b'\n', front).ok_or("no preamble")?;
        let preamble = front.get(VERSION_BYTES..line);
        let preamble = preamble.and_then(|l| std::str::from_utf8(l).ok());
        let mut words = preamble.ok_or("no preamble")?.split_ascii_whitespace();
        let mut number = || words.next().and_then(|w| w.parse::<usize>().ok());
        let (json_len, size) = number().zip(number()).ok_or("no lengths")?;
        let mut hash = || {
            let hash = words.next().and_then(|w| blake3::Hash::from_hex(w).ok());
            hash.ok_or("no hash")
        };
        let seal = hash()?;
        let hashes = match version {
            Version::Away => Some((*hash()?.as_bytes(), *hash()?.as_bytes())),
            Version::Joined | Version::Apart => None,
        };
        let json_start = line + 1;
        let json_end = json_start.checked_add(json_len).ok_or("wrong lengths")?;
        let behind = json_end.checked_add(1).ok_or("wrong lengths")?;
        if json_end > file.len() {
            return Err("wrong size");
        }
        if file.get(json_end) != Some(&b'\n') {
            return Err("wrong lengths");
        }
        Ok(Parsed {
            version,
            json: file.slice(json_start..json_end),
            size,
            seal,
            hashes,
            behind,
        })
    }

    fn entry(&self) -> Result<Entry, &'static str> {
        serde_json::from_slice(&self.json).map_err(|_| "unreadable entry")
    }
}

/// Takes a head and, where it is a file of its own, the message. `Err` says what is wrong with them.
pub(super) fn open(file: Bytes, apart: Option<Bytes>) -> Result<(Entry, Bytes), &'static str> {
    let parsed = Parsed::of(&file)?;
    let behind = parsed.behind;
    let raw = match (parsed.version, apart) {
        (Version::Joined, _) => file.slice(behind.min(file.len())..),
        (Version::Apart, Some(_)) if file.len() != behind => return Err("wrong size"),
        (Version::Apart, Some(raw)) => raw,
        (Version::Apart | Version::Away, _) => return Err("the message is missing"),
    };
    if raw.len() != parsed.size {
        return Err("wrong size");
    }
    if seal(&parsed.json, &raw) != parsed.seal {
        return Err("wrong hash");
    }
    Ok((parsed.entry()?, raw))
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

    #[test]
    fn a_head_without_its_message_is_whole_or_seen_not_to_be() {
        let raw = Bytes::from_static(b"Subject: x\r\n\r\nbody");
        let (entry, beside) = file(&raw);
        let (away, _) = Away::of(&beside.clone().into(), Some(raw.clone())).unwrap();
        assert_eq!(away.entry, entry);
        assert_eq!(away.content, *blake3::hash(&raw).as_bytes());
        assert_eq!(away.likeness, entry.likeness(&raw));
        let head = away.head();
        assert_eq!(Version::of(&head), Some(Version::Away));
        assert_eq!(Away::open(&head.clone().into()), Ok(away.clone()));
        assert_eq!(away.head_beside(&raw), beside);
        assert!(open_apart(&head, &raw).is_err());
        assert!(Away::open(&beside.into()).is_err());
        for i in 0..head.len() {
            let cut = Bytes::copy_from_slice(&head[..i]);
            assert!(Away::open(&cut).is_err(), "cut at {i}");
            for bit in 0..8 {
                let mut damaged = head.clone();
                damaged[i] ^= 1 << bit;
                // Hex digits and separators have several spellings.
                if let Ok(read) = Away::open(&damaged.into()) {
                    assert_eq!(read, away);
                }
            }
        }
    }
}
