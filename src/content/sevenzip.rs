//! 7z archives, listed and unpacked by the library sevenz-rust2 within a bound on its dictionaries.

use std::cell::Cell;
use std::io::{self, Cursor, Read};

use sevenz_rust2::{Archive, ArchiveReader, EntryDecision, Error, Password};

use super::archive::{Body, Container, DICTIONARY_KIB, Entry};
use super::flag::{FileFlag, FileFlags};

/// AES-256 with SHA-256, as the format names it.
const AES: &[u8] = &[0x06, 0xf1, 0x07, 0x01];
/// Names that are given out without their content, when that is encrypted.
const LISTED: usize = 100_000;

/// Opens an archive.
pub(super) fn open(bytes: &[u8], into: &mut Container<'_, '_>) {
    let mut source = Cursor::new(bytes);
    let memory = usize::try_from(DICTIONARY_KIB).unwrap_or(usize::MAX);
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
