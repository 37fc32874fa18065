//! The journal: every lesson since the model was trained, in the order in which it was given.
//!
//! In: lessons, each with what was read of its message. Out: the same lessons, after any crash. A lesson is
//! there whole or not at all: it is one append under the file's lock, synced before the caller hears that
//! it was taken. What a crash cut off is removed by the next writer. What is damaged in other ways is put
//! aside, never read and never lost. Several processes may append; one that reads sees whole lessons only.
//!
//! Layout, little endian: magic `MWLEARN\0`, format u16, version of the features u16, id of 16 bytes; then for
//! each lesson its length u32, the first 8 bytes of the BLAKE3 digest of its bytes, and the bytes. The id
//! names this file: a model says which journal it holds and up to where, so that nothing is learned twice.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Class;
use super::durable;
use super::engine::ModelError;
use super::features::{self, Features, VIEWS};
use super::lesson::{Digest, Lesson, Origin, Teaching};

const MAGIC: &[u8; 8] = b"MWLEARN\0";
const FORMAT: u16 = 1;
/// Bytes before the first lesson.
pub(super) const HEADER: u64 = 28;
/// Bytes before each lesson: length and check.
const FRAME: usize = 12;
/// Bytes of a lesson before its features: teaching, origin, time, digest.
const FIXED: usize = 2 + 8 + 32;
/// Longest lesson: more features than any message gives are damage, not a lesson.
const LESSON: usize = 1 << 22;

/// Which journal, and how far into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The id in the journal's header; zeros for none.
    pub journal: [u8; 16],
    /// The byte behind the last lesson.
    pub offset: u64,
}

/// What was found behind a place in the journal.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The lessons, oldest first.
    pub(super) lessons: Vec<Lesson>,
    /// Behind the last whole lesson.
    pub(super) position: Position,
    /// Whether bytes follow that are not the beginning of a lesson.
    pub(super) damaged: bool,
}

/// The journal of a model: `model.mwb.journal` beside `model.mwb`.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// Up to where it was found whole the last time, so that an append need not read it all again.
    whole: Mutex<Position>,
}

impl Journal {
    /// The journal of the model at `model`. Nothing is opened yet.
    pub fn of(model: &Path) -> Journal {
        let mut path = model.as_os_str().to_owned();
        path.push(".journal");
        Journal {
            path: path.into(),
            whole: Mutex::default(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends lessons, all in one write, and returns when they are durable. The file is made where there is
    /// none. Waits for other writers.
    ///
    /// # Errors
    /// What the system says, or a file that is no journal; the lessons are then not taken.
    pub fn append(&self, lessons: &[Lesson]) -> Result<Position, ModelError> {
        let mut file = self.open_to_write()?;
        let whole = *self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = self.read(&mut file, Some(whole))?;
        let end = tail.position.offset;
        let io = |error| self.failed(error);
        if file.metadata().map_err(io)?.len() > end {
            if tail.damaged {
                self.put_aside(&mut file, end).map_err(io)?;
            }
            file.set_len(end).map_err(io)?;
        }
        let mut bytes = Vec::new();
        for lesson in lessons {
            encode(lesson, &mut bytes);
        }
        file.seek(SeekFrom::Start(end)).map_err(io)?;
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // What was not taken must not be found later: half a batch is no batch.
            let _ = file.set_len(end);
            return Err(self.failed(error));
        }
        let position = Position {
            offset: end + bytes.len() as u64,
            ..tail.position
        };
        *self.whole.lock().unwrap_or_else(PoisonError::into_inner) = position;
        Ok(position)
    }

    /// All lessons, oldest first; those that a model holds already are no longer among them.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub fn lessons(&self) -> Result<Vec<Lesson>, ModelError> {
        Ok(self.since(None)?.lessons)
    }

    /// The whole lessons behind `from`, or all when `from` is of another journal or none. No file is an empty
    /// journal. Waits for who is writing: a lesson counts when it is durable, and one that could not be made so is taken
    /// back.
    ///
    /// # Errors
    /// What the system says, or a file that is no journal of this version.
    pub(super) fn since(&self, from: Option<Position>) -> Result<Tail, ModelError> {
        match File::open(&self.path) {
            Ok(mut file) => {
                file.lock_shared().map_err(|error| self.failed(error))?;
                self.read(&mut file, from)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Tail::default()),
            Err(e) => Err(self.failed(e)),
        }
    }

    /// Takes the lessons out that a model holds: while no one else may write, `save` makes the model durable;
    /// then what lies up to `position` goes, and what was appended meanwhile stays, in a journal with a new id. Gives
    /// the place in it that comes after what the model holds. Nothing is done, and nothing given, when another
    /// process was faster or `save` declines.
    ///
    /// # Errors
    /// What the system says; the journal is then as it was.
    pub(super) fn fold(
        &self,
        position: Position,
        save: impl FnOnce() -> io::Result<bool>,
    ) -> Result<Option<Position>, ModelError> {
        let mut file = self.open_to_write()?;
        let tail = self.read(&mut file, Some(position))?;
        if tail.position.journal != position.journal || tail.damaged {
            return Ok(None);
        }
        if !save().map_err(|e| self.failed(e))? {
            return Ok(None);
        }
        // A crash here leaves the old journal with a model that says how much of it to pass over.
        let mut bytes = header();
        let journal = bytes.last_chunk().copied().unwrap_or_default();
        for lesson in &tail.lessons {
            encode(lesson, &mut bytes);
        }
        durable::replace(&self.path, &bytes).map_err(|e| self.failed(e))?;
        Ok(Some(Position {
            journal,
            offset: HEADER,
        }))
    }

    /// Does something to the model file while nobody folds the journal into it. Where there is no journal, there is
    /// nothing to fold.
    ///
    /// # Errors
    /// What the system says; nothing is done then.
    pub fn while_not_folded<T>(&self, act: impl FnOnce() -> T) -> Result<T, ModelError> {
        let held = match self.path.exists() {
            true => Some(self.open_to_write()?),
            false => None,
        };
        let done = act();
        drop(held);
        Ok(done)
    }

    fn failed(&self, error: io::Error) -> ModelError {
        ModelError::Io {
            path: self.path.clone(),
            error,
        }
    }

    fn unusable(&self, reason: &str) -> ModelError {
        ModelError::Unusable {
            path: self.path.clone(),
            reason: reason.to_owned(),
        }
    }

    /// Opens and locks the file, with a header in it.
    fn open_to_write(&self) -> Result<File, ModelError> {
        loop {
            let io = |error| self.failed(error);
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&self.path)
                .map_err(io)?;
            file.lock().map_err(io)?;
            // While this waited, another may have put a new file in its place.
            if !same(&file, &self.path).map_err(io)? {
                continue;
            }
            // Less than a header is what is left of a process that died while it made the file.
            if file.metadata().map_err(io)?.len() < HEADER {
                file.set_len(0).map_err(io)?;
                file.write_all(&header())
                    .and_then(|()| file.sync_all())
                    .and_then(|()| durable::sync_folder(&self.path))
                    .map_err(io)?;
            }
            durable::hand_over(&self.path, durable::folder(&self.path)).map_err(io)?;
            return Ok(file);
        }
    }

    fn read(&self, file: &mut File, from: Option<Position>) -> Result<Tail, ModelError> {
        let io = |error| self.failed(error);
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut head = Vec::new();
        file.take(HEADER).read_to_end(&mut head).map_err(io)?;
        let Some((magic, rest)) = head.split_first_chunk::<8>() else {
            return Ok(Tail::default());
        };
        if magic != MAGIC {
            return Err(self.unusable("this is no journal of mailweir; move it away"));
        }
        let (Some((format, rest)), true) =
            (rest.split_first_chunk::<2>(), head.len() as u64 == HEADER)
        else {
            return Ok(Tail::default());
        };
        if u16::from_le_bytes(*format) != FORMAT {
            return Err(self.unusable("the journal is of another format; update mailweir"));
        }
        let Some((version, id)) = rest.split_first_chunk::<2>() else {
            return Ok(Tail::default());
        };
        if u16::from_le_bytes(*version) != features::VERSION {
            return Err(self.unusable(
                "the journal was written by a mailweir that reads messages in another way; move it away and learn its messages again",
            ));
        }
        let journal: [u8; 16] = id.try_into().unwrap_or_default();
        let length = file.metadata().map_err(io)?.len();
        let start = from
            .filter(|p| p.journal == journal && p.offset <= length)
            .map_or(HEADER, |p| p.offset.max(HEADER));
        file.seek(SeekFrom::Start(start)).map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let mut tail = Tail {
            position: Position {
                journal,
                offset: start,
            },
            ..Tail::default()
        };
        let mut rest = bytes.as_slice();
        while let Some((lesson, after)) = decode(rest, &mut tail.damaged) {
            tail.position.offset += (rest.len() - after.len()) as u64;
            tail.lessons.push(lesson);
            rest = after;
        }
        Ok(tail)
    }

    /// Keeps what lies behind `end` under another name.
    fn put_aside(&self, file: &mut File, end: u64) -> io::Result<()> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(end))?;
        file.read_to_end(&mut bytes)?;
        let mut aside = self.path.as_os_str().to_owned();
        let name = blake3::hash(&bytes).to_hex();
        aside.push(format!(".damaged-{}", name.get(..8).unwrap_or_default()));
        durable::replace(Path::new(&aside), &bytes)
    }
}

#[cfg(unix)]
fn same(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let here = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

fn header() -> Vec<u8> {
    let mut bytes = Vec::from(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&features::VERSION.to_le_bytes());
    bytes.extend_from_slice(&ulid::Ulid::new().to_bytes());
    bytes
}

fn encode(lesson: &Lesson, out: &mut Vec<u8>) {
    let mut bytes = Vec::with_capacity(64 + lesson.features.hashes.len() * 8);
    bytes.push(match lesson.teaching {
        Teaching::Learn(Class::Ham) => 0,
        Teaching::Learn(Class::Spam) => 1,
        Teaching::Forget => 2,
    });
    bytes.push(match lesson.origin {
        Origin::Auto => 0,
        Origin::Human => 1,
    });
    bytes.extend_from_slice(&lesson.at.to_le_bytes());
    bytes.extend_from_slice(&lesson.digest);
    bytes.extend_from_slice(&(lesson.features.hashes.len() as u32).to_le_bytes());
    for hash in &lesson.features.hashes {
        bytes.extend_from_slice(&hash.to_le_bytes());
    }
    for places in &lesson.features.places {
        bytes.extend_from_slice(&(places.len() as u32).to_le_bytes());
        for place in places {
            bytes.extend_from_slice(&place.to_le_bytes());
        }
    }
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(check(&bytes).as_slice());
    out.extend_from_slice(&bytes);
}

fn check(bytes: &[u8]) -> [u8; 8] {
    blake3::hash(bytes)
        .as_bytes()
        .first_chunk()
        .copied()
        .unwrap_or_default()
}

/// The first lesson of `bytes` and what follows it. None at the end, or when the rest is cut; `damaged` is set
/// when it is not a mere beginning.
fn decode<'a>(bytes: &'a [u8], damaged: &mut bool) -> Option<(Lesson, &'a [u8])> {
    let (frame, rest) = bytes.split_first_chunk::<FRAME>()?;
    let (length, expected) = frame.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > LESSON {
        *damaged = true;
        return None;
    }
    let Some((bytes, after)) = rest.split_at_checked(length) else {
        *damaged |= !begins_lesson(rest, length);
        return None;
    };
    let lesson = (check(bytes) == expected).then(|| lesson(bytes)).flatten();
    *damaged |= lesson.is_none();
    Some((lesson?, after))
}

/// Whether `bytes` can be the beginning of a lesson of `length` bytes: its own counts, as far as they are there, come to the
/// same. Otherwise it is the length that is damaged, and whole lessons may lie in what seems to be cut off.
fn begins_lesson(bytes: &[u8], length: usize) -> bool {
    let mut end = FIXED;
    for size in std::iter::once(8).chain([4; VIEWS]) {
        let Some(count) = bytes.get(end..).and_then(<[u8]>::first_chunk) else {
            return end < length;
        };
        end += 4 + u32::from_le_bytes(*count) as usize * size;
    }
    end == length
}

fn lesson(bytes: &[u8]) -> Option<Lesson> {
    let ([teaching, origin], rest) = bytes.split_first_chunk::<2>()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (digest, rest) = rest.split_first_chunk::<32>()?;
    let (hashes, mut rest) = numbers(rest, u64::from_le_bytes)?;
    let mut places: [Vec<u32>; VIEWS] = Default::default();
    for places in &mut places {
        (*places, rest) = numbers(rest, u32::from_le_bytes)?;
    }
    if !rest.is_empty() {
        return None;
    }
    let digest: Digest = *digest;
    Some(Lesson {
        digest,
        teaching: match teaching {
            0 => Teaching::Learn(Class::Ham),
            1 => Teaching::Learn(Class::Spam),
            2 => Teaching::Forget,
            _ => return None,
        },
        origin: match origin {
            0 => Origin::Auto,
            1 => Origin::Human,
            _ => return None,
        },
        at: u64::from_le_bytes(*at),
        features: Features { hashes, places },
    })
}

/// A count and so many numbers, and what follows them.
fn numbers<const N: usize, T>(bytes: &[u8], number: fn([u8; N]) -> T) -> Option<(Vec<T>, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let length = (u32::from_le_bytes(*count) as usize).checked_mul(N)?;
    let (bytes, rest) = rest.split_at_checked(length)?;
    let (chunks, _) = bytes.as_chunks::<N>();
    Some((chunks.iter().map(|c| number(*c)).collect(), rest))
}
