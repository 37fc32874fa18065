//! What the readers of containers give out: entries with their bytes, one after the other, until they are told to stop.

use std::io::ErrorKind::{Interrupted, TimedOut};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::flag::{FileFlag, FileFlags};
use super::limits::Time;
use super::walk::Walk;
use super::{File, Limit, name};

/// How much is unpacked between two looks at the limits, bytes.
pub(super) const STEP: usize = 64 << 10;
/// Memory that the dictionary of a decoder may take, KiB.
pub(super) const DICTIONARY_KIB: u32 = 64 << 10;

/// What a container says of a file in it.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The name as written, charset undone.
    pub(super) name: String,
    /// What it is called elsewhere in the container.
    pub(super) other_name: Option<String>,
    /// Its size, unpacked.
    pub(super) size: Option<u64>,
    /// What is odd about it.
    pub(super) flags: FileFlags,
}

/// Where the bytes of a file come from.
pub(super) enum Body<'b> {
    /// They stand in the container as they are.
    Stored(&'b [u8]),
    /// They were put together already.
    Owned(Vec<u8>),
    /// The same, and they count against the limits already.
    Counted(Vec<u8>),
    /// They are unpacked by reading.
    Packed(Box<dyn Read + 'b>),
    /// They cannot be had; the flags of the entry say why.
    Unseen,
}

/// A container that is being opened: takes its entries.
pub(super) struct Container<'w, 'm> {
    walk: &'w mut Walk<'m>,
    /// Number of its own file.
    file: usize,
    /// Its own size.
    packed: usize,
    /// What it has given out.
    given: usize,
}

impl<'w, 'm> Container<'w, 'm> {
    /// The container that is the file of that number, of so many bytes.
    pub(super) fn new(walk: &'w mut Walk<'m>, file: usize, packed: usize) -> Container<'w, 'm> {
        Container {
            walk,
            file,
            packed,
            given: 0,
        }
    }

    /// Something odd about the container itself.
    pub(super) fn flag(&mut self, flag: FileFlag) {
        if let Some(file) = self.walk.content.files.get_mut(self.file) {
            file.flags.add(flag);
        }
    }

    /// The same where `found`.
    pub(super) fn flag_if(&mut self, found: bool, flag: FileFlag) {
        if found {
            self.flag(flag);
        }
    }

    /// Its own file.
    pub(super) fn own(&mut self) -> Option<&mut File> {
        self.walk.content.files.get_mut(self.file)
    }

    /// A limit ends the opening.
    pub(super) fn limit(&mut self, limit: Limit) {
        self.flag(limit.flag());
        self.walk.content.limits.insert(limit);
    }

    /// Until when it may take.
    pub(super) fn time(&self) -> Time<'m> {
        self.walk.budget.time
    }

    /// Whether there is time for more; for readers whose work does not show in entries.
    pub(super) fn goes_on(&mut self) -> ControlFlow<()> {
        match self.walk.budget.check_time() {
            Ok(()) => ControlFlow::Continue(()),
            Err(limit) => {
                self.limit(limit);
                ControlFlow::Break(())
            }
        }
    }

    /// Takes an entry with its bytes. After `Break` no more are taken.
    pub(super) fn add(&mut self, entry: Entry, body: Body<'_>) -> ControlFlow<()> {
        self.goes_on()?;
        if self.walk.content.files.len() >= self.walk.budget.limits.files {
            self.limit(Limit::Files);
            return ControlFlow::Break(());
        }
        let mut flags = entry.flags;
        let (bytes, seen, stop) = self.take(body, &mut flags);
        let (name, folders, tricks) = name::read(&entry.name);
        flags.merge(tricks);
        let other_name = entry.other_name.map(|other| {
            let (other, _, tricks) = name::read(&other);
            flags.merge(tricks);
            other
        });
        let size = match bytes.is_some() {
            true if seen.whole => seen.counted,
            _ => entry.size.unwrap_or_default().max(seen.counted),
        };
        let mismatch = seen.whole && entry.size.is_some_and(|size| size != seen.counted);
        flags.add_if(mismatch, FileFlag::SizeConflict);
        let parent = self.walk.content.files.get(self.file);
        let (above, depth) = parent.map_or((String::new(), 0), |p| (p.path.clone(), p.depth));
        let mut path = above;
        for piece in [&folders, &name] {
            if !piece.is_empty() {
                path.push('/');
                path.push_str(piece);
            }
        }
        let file = File {
            name,
            other_name,
            path,
            size,
            declared_size: entry.size,
            flags,
            depth: depth + 1,
            parent: Some(self.file),
            ..File::default()
        };
        self.walk
            .take(file, bytes.unwrap_or_default().into(), seen.whole);
        match stop {
            Some(limit) => {
                self.limit(limit);
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// The bytes of an entry, as many as the limits allow.
    fn take(
        &mut self,
        body: Body<'_>,
        flags: &mut FileFlags,
    ) -> (Option<Vec<u8>>, Seen, Option<Limit>) {
        let most = self.walk.budget.limits.file_bytes;
        match body {
            Body::Unseen => (None, Seen::default(), None),
            Body::Stored(bytes) => {
                let kept = bytes.get(..most).unwrap_or(bytes);
                self.counted(kept.to_vec(), kept.len() == bytes.len(), flags)
            }
            Body::Owned(mut bytes) => {
                let whole = bytes.len() <= most;
                bytes.truncate(most);
                self.counted(bytes, whole, flags)
            }
            Body::Counted(mut bytes) => {
                let whole = bytes.len() <= most;
                bytes.truncate(most);
                if !whole {
                    self.too_large(flags);
                }
                let seen = Seen {
                    whole,
                    counted: bytes.len() as u64,
                };
                (Some(bytes), seen, None)
            }
            Body::Packed(mut reader) => self.unpack(reader.as_mut(), flags),
        }
    }

    fn counted(
        &mut self,
        bytes: Vec<u8>,
        whole: bool,
        flags: &mut FileFlags,
    ) -> (Option<Vec<u8>>, Seen, Option<Limit>) {
        if !whole {
            self.too_large(flags);
        }
        let stop = self.count(bytes.len()).err();
        let damaged = flags.has(FileFlag::Truncated) || flags.has(FileFlag::Damaged);
        let seen = Seen {
            whole: whole && !damaged,
            counted: bytes.len() as u64,
        };
        (Some(bytes), seen, stop)
    }

    fn count(&mut self, bytes: usize) -> Result<(), Limit> {
        let counted = self.walk.budget.unpack(bytes, self.packed, self.given);
        self.given = self.given.saturating_add(bytes);
        counted
    }

    fn too_large(&mut self, flags: &mut FileFlags) {
        flags.add(FileFlag::LimitFileBytes);
        self.walk.content.limits.insert(Limit::FileBytes);
    }

    fn unpack(
        &mut self,
        reader: &mut dyn Read,
        flags: &mut FileFlags,
    ) -> (Option<Vec<u8>>, Seen, Option<Limit>) {
        let most = self.walk.budget.limits.file_bytes;
        let mut chunk = std::mem::take(&mut self.walk.chunk);
        chunk.resize(STEP, 0);
        let mut bytes = Vec::new();
        let (mut whole, mut stop) = (false, None);
        loop {
            // The decoders are other people's: a panic in one costs the file and not the message.
            let read = catch_unwind(AssertUnwindSafe(|| reader.read(&mut chunk)))
                .unwrap_or_else(|_| Err(io::ErrorKind::InvalidData.into()));
            match read {
                Ok(0) => {
                    whole = true;
                    break;
                }
                Ok(count) => {
                    bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
                    if let Err(limit) = self.count(count) {
                        flags.add(limit.flag());
                        stop = Some(limit);
                        break;
                    }
                    if bytes.len() > most {
                        bytes.truncate(most);
                        self.too_large(flags);
                        break;
                    }
                }
                Err(error) if [Interrupted, TimedOut].contains(&error.kind()) => {
                    if let Err(limit) = self.walk.budget.check_time() {
                        flags.add(limit.flag());
                        stop = Some(limit);
                        break;
                    }
                }
                Err(error) => {
                    flags.add(match error.kind() {
                        io::ErrorKind::UnexpectedEof => FileFlag::Truncated,
                        io::ErrorKind::OutOfMemory | io::ErrorKind::Unsupported => {
                            FileFlag::Unopened
                        }
                        _ => FileFlag::Damaged,
                    });
                    break;
                }
            }
        }
        self.walk.chunk = chunk;
        let seen = Seen {
            whole,
            counted: bytes.len() as u64,
        };
        (Some(bytes), seen, stop)
    }
}

/// How much of a file was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    whole: bool,
    counted: u64,
}
