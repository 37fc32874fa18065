//! The folder of the message files. Everything here blocks and is called on the blocking pool.
//!
//! ```text
//! quarantine/            0700
//!   lock                 held by the daemon, for its life
//!   sending              locked at one byte for each message on its way out
//!   objects              where the objects of this quarantine lie in an object store, where it has some
//!   index.sqlite         and -wal, -shm
//!   tmp/                 files being written
//!   2026-11-05/ID        0600, what is known of a message; the day and the name come from our own id
//!   2026-11-05/ID.eml    0600, its exact bytes; not there when the head says that they are in the object store
//! ```
//!
//! Promise of [`Folder::put`]: on `Ok` both files and their names survive a crash of the machine (written,
//! fsync, rename, fsync of the folder); on `Err` nothing is left. Links are never followed, and nothing of
//! a message gets into a name.
//!
//! Messages with the same bytes share one file by hard links: the count of references is that of the file
//! system, so no crash can make it wrong, and removing one never takes the bytes from another.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use ulid::Ulid;

use super::disk::{
    check_folder, create_folder, entries, exchange, open, open_or_create, read, sync, write_new,
};
use super::error::QuarantineError;
use super::file_format::{VERSION_BYTES, Version};

/// Name of the index in the folder.
const INDEX: &str = "index.sqlite";
const LOCK: &str = "lock";
const SENDING: &str = "sending";
pub(super) const OBJECTS: &str = "objects";
/// What the bytes of a message are called behind its id.
const MESSAGE: &str = "eml";
const TEMPORARY: &str = "tmp";
/// A daemon that ends may hold the lock for a moment after the next one has begun.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const DAY_MS: u64 = 86_400_000;

/// The folder, checked.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// Held by the process that stores; `None` for all others.
    lock: Option<File>,
    /// Folders of days whose own names this process knows to be durable.
    durable: Mutex<HashSet<PathBuf>>,
}

/// Where the bytes of a message are.
#[derive(Debug)]
pub(super) enum Kept {
    /// Here: the head and, where it is a file of its own, the message.
    Here(Bytes, Option<Bytes>),
    /// In the object store: the head.
    Away(Bytes),
}

/// What lies in the folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Ids of messages that are whole: both files are there, or one that has or names the bytes.
    pub(super) ids: HashSet<String>,
    /// Of these, those whose bytes are in the object store, and not here too.
    pub(super) away: HashSet<String>,
    /// Of these, those with both files.
    pub(super) both: HashSet<String>,
    /// Ids of which one file is there and the other is not.
    pub(super) halves: HashSet<String>,
    /// What does not belong there.
    pub(super) foreign: Vec<PathBuf>,
}

impl Folder {
    /// Creates the folder where it is missing, and takes it for storing.
    pub(super) fn own(root: &Path) -> Result<Folder, QuarantineError> {
        create_folder(root)?;
        check_folder(root, false)?;
        if let Some(parent) = root.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync(parent)?;
        }
        let temporary = root.join(TEMPORARY);
        create_folder(&temporary)?;
        check_folder(&temporary, false)?;
        let path = root.join(LOCK);
        let lock = open_or_create(&path)?;
        take_lock(&lock, root)?;
        open_or_create(&root.join(INDEX))?;
        open_or_create(&root.join(SENDING))?;
        sync(root)?;
        Ok(Folder {
            root: root.to_path_buf(),
            lock: Some(lock),
            durable: Mutex::default(),
        })
    }

    /// Takes an existing folder for reading and removing.
    pub(super) fn visit(root: &Path) -> Result<Folder, QuarantineError> {
        if !root.join(INDEX).is_file() {
            let path = root.to_path_buf();
            return Err(QuarantineError::Absent { path });
        }
        check_folder(root, true)?;
        Ok(Folder {
            root: root.to_path_buf(),
            lock: None,
            durable: Mutex::default(),
        })
    }

    /// Whether this process may store.
    pub(super) fn owned(&self) -> bool {
        self.lock.is_some()
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn index(&self) -> PathBuf {
        self.root.join(INDEX)
    }

    fn shard(&self, id: Ulid) -> PathBuf {
        self.root.join(day(id))
    }

    /// Where what is known of a message lies.
    pub(super) fn path(&self, id: Ulid) -> PathBuf {
        self.shard(id).join(id.to_string())
    }

    /// Where the bytes of a message lie.
    fn message_path(&self, id: Ulid) -> PathBuf {
        self.path(id).with_extension(MESSAGE)
    }

    /// The file in which messages on their way out are locked, opened anew: a lock belongs to one opening.
    pub(super) fn sending(&self) -> Result<File, QuarantineError> {
        let path = self.root.join(SENDING);
        let file = open_or_create(&path)?;
        // What root makes must be open to the daemon.
        let owner =
            fs::metadata(&self.root).map_err(QuarantineError::file("look at", &self.root))?;
        let made = file
            .metadata()
            .map_err(QuarantineError::file("look at", &path))?;
        if made.uid() != owner.uid() {
            std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))
                .map_err(QuarantineError::file("chown", &path))?;
        }
        Ok(file)
    }

    /// Writes head and message durably. Files of the same id are replaced as a whole. Where the message with
    /// the id `twin` has the same bytes, its file is shared; returns whether it is.
    pub(super) fn put(
        &self,
        id: Ulid,
        head: &[u8],
        raw: &[u8],
        twin: Option<Ulid>,
    ) -> Result<bool, QuarantineError> {
        // Two stores of one id at one time must not share a temporary file.
        let name = format!("{id}.{}", Ulid::new());
        let folder = self.root.join(TEMPORARY);
        let message = folder.join(format!("{name}.{MESSAGE}"));
        let temporary = folder.join(name);
        let result = self.write(&temporary, &message, head, raw, twin);
        let result = result.and_then(|shared| {
            self.place(id, &temporary, &message)?;
            Ok(shared)
        });
        if result.is_err() {
            let _ = fs::remove_file(&temporary);
            let _ = fs::remove_file(&message);
        }
        result
    }

    fn write(
        &self,
        temporary: &Path,
        message: &Path,
        head: &[u8],
        raw: &[u8],
        twin: Option<Ulid>,
    ) -> Result<bool, QuarantineError> {
        let shared = twin.is_some_and(|twin| self.share(twin, message, raw));
        if !shared {
            write_new(message, raw)?;
        }
        write_new(temporary, head)?;
        Ok(shared)
    }

    /// Gives the file of a twin another name, if it really holds these bytes.
    fn share(&self, twin: Ulid, message: &Path, raw: &[u8]) -> bool {
        // It may be gone by now, or the file system may not have so many links to one file.
        if fs::hard_link(self.message_path(twin), message).is_err() {
            return false;
        }
        let same = read(message).is_ok_and(|read| read.is_some_and(|bytes| bytes == raw));
        if !same {
            let _ = fs::remove_file(message);
        }
        same
    }

    fn place(&self, id: Ulid, temporary: &Path, message: &Path) -> Result<(), QuarantineError> {
        let shard = self.shard(id);
        let (path, message_path) = (self.path(id), self.message_path(id));
        let durable = || self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if !durable().contains(&shard) {
            create_folder(&shard)?;
            // Also when it was there: another thread may have created it and not come to this line yet.
            sync(&self.root)?;
            let mut durable = durable();
            // Days come and go; what is forgotten is only synchronised once more.
            if durable.len() > 100 {
                durable.clear();
            }
            durable.insert(shard.clone());
        }
        let renamed = fs::rename(message, &message_path)
            .map_err(QuarantineError::file("rename to", &message_path))
            .and_then(|()| {
                fs::rename(temporary, &path).map_err(QuarantineError::file("rename to", &path))
            });
        if let Err(e) = renamed {
            durable().remove(&shard);
            let _ = fs::remove_file(&message_path);
            return Err(e);
        }
        sync(&shard).inspect_err(|_| {
            let _ = fs::remove_file(&path);
            let _ = fs::remove_file(&message_path);
        })
    }

    /// What is kept of a message here; `None` when there is no such message, or only one half of it.
    pub(super) fn get(&self, id: Ulid) -> Result<Option<Kept>, QuarantineError> {
        // The bytes may be moved between two looks, once there and once back.
        for _ in 0..3 {
            let Some(head) = read(&self.path(id))? else {
                return Ok(None);
            };
            match Version::of(&head) {
                Some(Version::Joined) => return Ok(Some(Kept::Here(head, None))),
                Some(Version::Away) => return Ok(Some(Kept::Away(head))),
                Some(Version::Apart) | None => {}
            }
            if let Some(raw) = read(&self.message_path(id))? {
                return Ok(Some(Kept::Here(head, Some(raw))));
            }
        }
        Ok(None)
    }

    /// Whether all of a message is there that must be.
    pub(super) fn has(&self, id: Ulid) -> bool {
        let there = |path: &Path| fs::symlink_metadata(path).is_ok_and(|m| m.is_file());
        let alone = || self.version(id).is_some_and(|v| v != Version::Apart);
        there(&self.path(id)) && (there(&self.message_path(id)) || alone())
    }

    /// What the head of a message says of its bytes; `None` for what is no head.
    pub(super) fn version(&self, id: Ulid) -> Option<Version> {
        let mut begin = [0; VERSION_BYTES];
        let read = open(&self.path(id)).and_then(|mut file| file.read_exact(&mut begin));
        read.ok().and_then(|()| Version::of(&begin))
    }

    /// Puts another head in the place of that of a message, durably, and nothing where there is none (any more):
    /// whoever removes a message at the same time must not find it again afterwards. Returns whether there was one.
    pub(super) fn swap_head(&self, id: Ulid, head: &[u8]) -> Result<bool, QuarantineError> {
        let temporary = self
            .root
            .join(TEMPORARY)
            .join(format!("{id}.{}", Ulid::new()));
        let path = self.path(id);
        let swapped = write_new(&temporary, head).and_then(|()| exchange(&temporary, &path));
        // By now it is the old one.
        let _ = fs::remove_file(&temporary);
        let swapped = swapped?;
        if swapped {
            sync(&self.shard(id))?;
        }
        Ok(swapped)
    }

    /// Puts bytes beside the head of a message, durably.
    pub(super) fn put_message(&self, id: Ulid, raw: &[u8]) -> Result<(), QuarantineError> {
        let name = format!("{id}.{}.{MESSAGE}", Ulid::new());
        let temporary = self.root.join(TEMPORARY).join(name);
        let path = self.message_path(id);
        let placed = write_new(&temporary, raw).and_then(|()| {
            fs::rename(&temporary, &path).map_err(QuarantineError::file("rename to", &path))
        });
        if placed.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        placed?;
        sync(&self.shard(id))
    }

    /// Removes the bytes beside a head that says that they are elsewhere. They may come back after a crash, which
    /// costs their room until the next start.
    pub(super) fn remove_message(&self, id: Ulid) -> Result<(), QuarantineError> {
        let path = self.message_path(id);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(QuarantineError::file("remove", &path)(e))
            }
            _ => Ok(()),
        }
    }

    /// The name under which the objects of this quarantine lie, which no other has; `None` when it has none. The
    /// owner may `make` one.
    pub(super) fn space(&self, make: bool) -> Result<Option<Ulid>, QuarantineError> {
        let path = self.root.join(OBJECTS);
        if make && self.owned() && fs::symlink_metadata(&path).is_err() {
            let temporary = self.root.join(TEMPORARY).join(Ulid::new().to_string());
            write_new(&temporary, format!("{}\n", Ulid::new()).as_bytes())?;
            fs::rename(&temporary, &path).map_err(QuarantineError::file("rename to", &path))?;
            sync(&self.root)?;
        }
        let Some(text) = read(&path)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&text).unwrap_or_default();
        match super::entry::checked_id(text.trim_end()) {
            Ok(space) => Ok(Some(space)),
            Err(_) => {
                let no_id = io::Error::new(io::ErrorKind::InvalidData, "it does not hold one id");
                Err(QuarantineError::file("use", &path)(no_id))
            }
        }
    }

    /// Removes files durably; a missing one counts as removed. Returns those that are gone, and the first
    /// error.
    pub(super) fn remove(&self, ids: &[Ulid]) -> (Vec<Ulid>, Option<QuarantineError>) {
        let mut gone = Vec::with_capacity(ids.len());
        let mut error = None;
        let mut shards = BTreeSet::new();
        for id in ids {
            let removed = [self.path(*id), self.message_path(*id)].map(|path| {
                let removed = fs::remove_file(&path);
                match removed {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
                    Err(e) => Err(QuarantineError::file("remove", &path)(e)),
                    Ok(()) => Ok(true),
                }
            });
            if removed.iter().any(|r| matches!(r, Ok(true))) {
                shards.insert(self.shard(*id));
            }
            match removed.into_iter().find_map(Result::err) {
                None => gone.push(*id),
                Some(e) => {
                    error.get_or_insert(e);
                }
            }
        }
        // Folders of the last days stay, because messages may be on their way into them.
        let recent = day(Ulid::from_parts(
            Ulid::new().timestamp_ms().saturating_sub(2 * DAY_MS),
            0,
        ));
        for shard in shards {
            if let Err(e) = sync(&shard) {
                // A name that may come back after a crash is not gone.
                gone.retain(|id| self.shard(*id) != shard);
                error.get_or_insert(e);
            }
            // Fails, as it should, when other messages are left in it.
            if shard < self.root.join(&recent) {
                let _ = fs::remove_dir(&shard);
            }
        }
        (gone, error)
    }

    /// Removes files whose writing was cut off. Only for the owner, before it stores.
    pub(super) fn clear_temporary(&self) -> Result<usize, QuarantineError> {
        let folder = self.root.join(TEMPORARY);
        let mut removed = 0;
        for item in entries(&folder)? {
            fs::remove_file(&item).map_err(QuarantineError::file("remove", &item))?;
            removed += 1;
        }
        sync(&folder)?;
        Ok(removed)
    }

    /// All message files.
    pub(super) fn list(&self) -> Result<Listing, QuarantineError> {
        let mut listing = Listing::default();
        for shard in entries(&self.root)? {
            let name = shard.file_name().unwrap_or_default();
            let ours = [LOCK, SENDING, OBJECTS, TEMPORARY];
            let ours = ours.iter().any(|n| name == *n);
            if ours || name.as_encoded_bytes().starts_with(b"index.") {
                continue;
            }
            // A link to a folder elsewhere is foreign too.
            if !fs::symlink_metadata(&shard).is_ok_and(|m| m.is_dir()) {
                listing.foreign.push(shard);
                continue;
            }
            self.list_shard(&shard, &mut listing)?;
        }
        Ok(listing)
    }

    fn list_shard(&self, shard: &Path, listing: &mut Listing) -> Result<(), QuarantineError> {
        let (mut heads, mut messages) = (HashSet::new(), HashSet::new());
        for file in entries(shard)? {
            let stem = file.file_stem().and_then(|n| n.to_str());
            let id = stem.and_then(|n| super::entry::checked_id(n).ok());
            let whole = fs::symlink_metadata(&file).is_ok_and(|m| m.is_file());
            match id.filter(|_| whole) {
                Some(id) if self.path(id) == file => heads.insert(id),
                Some(id) if self.message_path(id) == file => messages.insert(id),
                _ => {
                    listing.foreign.push(file);
                    continue;
                }
            };
        }
        for id in heads.union(&messages) {
            let name = id.to_string();
            let place = match (heads.contains(id), messages.contains(id)) {
                (true, true) => {
                    listing.both.insert(name.clone());
                    &mut listing.ids
                }
                (true, false) => match self.version(*id) {
                    Some(Version::Away) => {
                        listing.away.insert(name.clone());
                        &mut listing.ids
                    }
                    Some(Version::Joined) => &mut listing.ids,
                    Some(Version::Apart) | None => &mut listing.halves,
                },
                (false, _) => &mut listing.halves,
            };
            place.insert(name);
        }
        Ok(())
    }
}

/// The day of an id, UTC, as the name of a folder.
fn day(id: Ulid) -> String {
    let at = i64::try_from(id.timestamp_ms())
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or_default();
    at.strftime("%Y-%m-%d").to_string()
}

/// Waits a moment for a daemon that is about to end.
fn take_lock(lock: &File, root: &Path) -> Result<(), QuarantineError> {
    let started = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                let path = root.to_path_buf();
                return Err(QuarantineError::InUse { path });
            }
            Err(TryLockError::Error(e)) => return Err(QuarantineError::file("lock", root)(e)),
        }
    }
}
