//! 7z archives, listed and unpacked by the library sevenz-rust2 within a bound on its dictionaries.

use std::cell::Cell;
use std::io::{self, Cursor, Read};

use sevenz_rust2::{Archive, ArchiveReader, EntryDecision, Error, Password};

use super::Limit;
use super::archive::{Body, Container, DICTIONARY_KIB, Entry};
use super::bytes::{slice, u32_at, u64_at};
use super::flag::{FileFlag, FileFlags};

/// AES-256 with SHA-256, as the format names it.
const AES: &[u8] = &[0x06, 0xf1, 0x07, 0x01];
/// Names that are given out without their content, when that is encrypted.
const LISTED: usize = 100_000;

/// Longest list of files that is read, KiB, unpacked. The library makes an entry of some hundred bytes for each file that the
/// list claims to have, and believes that one takes a byte; an honest one takes a hundred.
const LIST_KIB: u32 = 1 << 10;

/// Opens an archive.
pub(super) fn open(bytes: &[u8], into: &mut Container<'_, '_>) {
    let mut source = Cursor::new(bytes);
    let memory = match list_bytes(bytes) {
        Some(length) if length > u64::from(LIST_KIB) << 10 => {
            into.limit(Limit::Files);
            return;
        }
        Some(_) => DICTIONARY_KIB,
        // Where it cannot be told before, the library holds to it; it has one bound for lists and dictionaries.
        None => LIST_KIB,
    };
    let memory = usize::try_from(memory).unwrap_or(usize::MAX);
    let archive = Archive::read_with_memory_limit(&mut source, &Password::empty(), memory);
    let archive = match archive {
        Ok(archive) => archive,
        Err(error) => {
            into.flag(reason(&error, bytes));
            return;
        }
    };
    let encrypted = (0..archive.files.len()).any(|file| archive.is_file_encrypted(file));
    if encrypted {
        // Blocks are encrypted as a whole; what is not is rare beside what is, and is not unpacked.
        for (number, file) in archive.files.iter().enumerate().take(LISTED) {
            if file.is_directory() {
                continue;
            }
            let mut flags = FileFlags::default();
            flags.add_if(archive.is_file_encrypted(number), FileFlag::Encrypted);
            flags.add_if(
                !archive.is_file_encrypted(number) && file.has_stream(),
                FileFlag::Unopened,
            );
            let entry = entry(file.name(), file.size(), flags);
            if into.add(entry, Body::Unseen).is_break() {
                return;
            }
        }
        return;
    }
    // It is read once more.
    drop(archive);
    let reader =
        ArchiveReader::new_with_memory_limit(Cursor::new(bytes), Password::empty(), memory);
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => {
            into.flag(reason(&error, bytes));
            return;
        }
    };
    reader.set_thread_count(1);
    let done = reader.for_each_entries_with_decision(|file, content| {
        if file.is_directory() {
            return Ok(EntryDecision::Continue);
        }
        let entry = entry(file.name(), file.size(), FileFlags::default());
        let ended = Cell::new(!file.has_stream());
        let body = match file.has_stream() {
            true => Body::Packed(Box::new(Within(content, &ended))),
            false => Body::Stored(&[]),
        };
        Ok(match into.add(entry, body).is_break() {
            true => EntryDecision::Stop,
            // What a limit left unread would be unpacked after all to reach the next file.
            false if !ended.get() => EntryDecision::SkipBlock,
            false => EntryDecision::Continue,
        })
    });
    if let Err(error) = done {
        into.flag(reason(&error, bytes));
    }
}

fn entry(name: &str, size: u64, flags: FileFlags) -> Entry {
    Entry {
        name: name.to_owned(),
        size: Some(size),
        flags,
        ..Entry::default()
    }
}

/// How long the list of files is, unpacked; `None` where that cannot be told from the front of the archive.
fn list_bytes(bytes: &[u8]) -> Option<u64> {
    // Without this check value the list is looked for at the end.
    if u32_at(bytes, 8)? == 0 {
        return None;
    }
    let (place, length) = (u64_at(bytes, 12)?, u64_at(bytes, 20)?);
    let start = usize::try_from(place).ok()?.checked_add(FRONT)?;
    let list = slice(bytes, start, usize::try_from(length).ok()?)?;
    let (first, rest) = list.split_first()?;
    match *first {
        PACKED_LIST => Fields(rest).unpacked(),
        _ => Some(length),
    }
}

/// Bytes in front of everything else.
const FRONT: usize = 32;
/// What a list begins with that is packed like a file.
const PACKED_LIST: u8 = 0x17;

/// Fields of the description of packed streams.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    /// A number: as many bytes follow, the lowest first, as the first has bits set from its highest on; its other bits are
    /// the highest.
    fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        let more = first.leading_ones();
        let mut value = 0;
        for place in 0..more {
            value |= u64::from(self.byte()?) << (8 * place);
        }
        let high = u64::from(first) & (0x7f >> more);
        Some(value | high.checked_shl(8 * more).unwrap_or(0))
    }

    fn is(&mut self, wanted: u8) -> Option<()> {
        (self.byte()? == wanted).then_some(())
    }

    /// The most that one of the streams gives, unpacked: all of this must be as programs write it.
    fn unpacked(&mut self) -> Option<u64> {
        self.is(0x06)?;
        self.number()?;
        let streams = self.number()?;
        self.is(0x09)?;
        for _ in 0..streams {
            self.number()?;
        }
        match self.byte()? {
            0 => {}
            // Check values, of all streams.
            0x0a => {
                self.is(1)?;
                self.skip(streams.checked_mul(4)?)?;
                self.is(0)?;
            }
            _ => return None,
        }
        self.is(0x07)?;
        self.is(0x0b)?;
        // One folder, not kept elsewhere.
        self.is(1)?;
        self.is(0)?;
        let coders = self.number()?;
        for _ in 0..coders {
            let bits = self.byte()?;
            self.skip(u64::from(bits & 0x0f))?;
            // With several inputs or outputs it is no list.
            (bits & 0x10 == 0).then_some(())?;
            if bits & 0x20 != 0 {
                let length = self.number()?;
                self.skip(length)?;
            }
        }
        for _ in 1..coders {
            self.number()?;
            self.number()?;
        }
        self.is(0x0c)?;
        (0..coders)
            .map(|_| self.number())
            .try_fold(0, |most, n| Some(most.max(n?)))
    }
}

/// What an error of the library says of the archive.
fn reason(error: &Error, bytes: &[u8]) -> FileFlag {
    match error {
        Error::PasswordRequired | Error::MaybeBadPassword(_) => FileFlag::Encrypted,
        Error::UnsupportedCompressionMethod(_) | Error::Unsupported(_) => {
            // The list of files is packed itself, and the header says how.
            let end = bytes
                .get(bytes.len().saturating_sub(4096)..)
                .unwrap_or(bytes);
            match memchr::memmem::find(end, AES) {
                Some(_) => FileFlag::Encrypted,
                None => FileFlag::Unopened,
            }
        }
        Error::ExternalUnsupported | Error::MaxMemLimited { .. } => FileFlag::Unopened,
        Error::Io(error, _) if error.kind() == io::ErrorKind::UnexpectedEof => FileFlag::Truncated,
        _ => FileFlag::Damaged,
    }
}

/// A reader that is only lent, and whether it came to its end.
struct Within<'r>(&'r mut dyn Read, &'r Cell<bool>);

impl Read for Within<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(into)?;
        self.1.set(count == 0);
        Ok(count)
    }
}
