//! The folder of the message files: the only place that touches the file system. Everything here blocks
//! and is called on the blocking pool.
//!
//! ```text
//! quarantine/            0700
//!   lock                 held by the daemon, for its life
//!   index.sqlite         and -wal, -shm
//!   tmp/                 files being written
//!   2026-11-05/ID        0600, one file a message; the day and the name come from our own id
//! ```
//!
//! Promise of [`Folder::put`]: on `Ok` the file and its name survive a crash of the machine (written,
//! fsync, rename, fsync of the folder); on `Err` nothing is left. Links are never followed, and nothing of
//! a message gets into a name.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use nix::fcntl::OFlag;
use ulid::Ulid;

use super::error::QuarantineError;

/// Name of the index in the folder.
const INDEX: &str = "index.sqlite";
const LOCK: &str = "lock";
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

/// What lies in the folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Ids of files that may be messages.
    pub(super) ids: HashSet<String>,
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

    /// Where the file of a message lies.
    pub(super) fn path(&self, id: Ulid) -> PathBuf {
        self.shard(id).join(id.to_string())
    }

    /// Writes a file durably. A file of the same id is replaced as a whole.
    pub(super) fn put(&self, id: Ulid, head: &[u8], raw: &[u8]) -> Result<(), QuarantineError> {
        // Two stores of one id at one time must not share a temporary file.
        let temporary = self
            .root
            .join(TEMPORARY)
            .join(format!("{id}.{}", Ulid::new()));
        let result = write_new(&temporary, head, raw).and_then(|()| self.place(id, &temporary));
        if result.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        result
    }

    fn place(&self, id: Ulid, temporary: &Path) -> Result<(), QuarantineError> {
        let shard = self.shard(id);
        let path = self.path(id);
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
        if let Err(e) = fs::rename(temporary, &path) {
            durable().remove(&shard);
            return Err(QuarantineError::file("rename to", &path)(e));
        }
        sync(&shard).inspect_err(|_| {
            let _ = fs::remove_file(&path);
        })
    }

    /// The file of a message; `None` when there is none.
    pub(super) fn get(&self, id: Ulid) -> Result<Option<Bytes>, QuarantineError> {
        let path = self.path(id);
        let mut file = match OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
        {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(QuarantineError::file("open", &path)(e)),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(QuarantineError::file("read", &path))?;
        Ok(Some(bytes.into()))
    }

    /// Whether the file of a message is there.
    pub(super) fn has(&self, id: Ulid) -> bool {
        fs::symlink_metadata(self.path(id)).is_ok_and(|m| m.is_file())
    }

    /// Removes files durably; a missing one counts as removed. Returns those that are gone, and the first
    /// error.
    pub(super) fn remove(&self, ids: &[Ulid]) -> (Vec<Ulid>, Option<QuarantineError>) {
        let mut gone = Vec::with_capacity(ids.len());
        let mut error = None;
        let mut shards = BTreeSet::new();
        for id in ids {
            let path = self.path(*id);
            match fs::remove_file(&path) {
                Ok(()) => {
                    shards.insert(self.shard(*id));
                    gone.push(*id);
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => gone.push(*id),
                Err(e) => {
                    error.get_or_insert(QuarantineError::file("remove", &path)(e));
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
            if name == LOCK || name == TEMPORARY || name.as_encoded_bytes().starts_with(b"index.") {
                continue;
            }
            // A link to a folder elsewhere is foreign too.
            if !fs::symlink_metadata(&shard).is_ok_and(|m| m.is_dir()) {
                listing.foreign.push(shard);
                continue;
            }
            for file in entries(&shard)? {
                let id = file.file_name().and_then(|n| n.to_str()).and_then(|n| {
                    let id = super::entry::checked_id(n).ok()?;
                    (self.path(id) == file && self.has(id)).then(|| n.to_owned())
                });
                match id {
                    Some(id) => listing.ids.insert(id),
                    None => {
                        listing.foreign.push(file);
                        continue;
                    }
                };
            }
        }
        Ok(listing)
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

fn write_new(path: &Path, head: &[u8], raw: &[u8]) -> Result<(), QuarantineError> {
    let mut file = create_new(path).map_err(QuarantineError::file("create", path))?;
    file.write_all(head)
        .and_then(|()| file.write_all(raw))
        .map_err(QuarantineError::file("write", path))?;
    file.sync_all()
        .map_err(QuarantineError::file("fsync", path))
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

fn open_or_create(path: &Path) -> Result<File, QuarantineError> {
    match create_new(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path),
        other => other,
    }
    .map_err(QuarantineError::file("open", path))
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

/// Creates a folder, for its owner only; an existing one is left as it is. The caller synchronises its
/// parent.
fn create_folder(path: &Path) -> Result<(), QuarantineError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(QuarantineError::file("create", path)(e)),
    }
}

fn sync(folder: &Path) -> Result<(), QuarantineError> {
    File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(QuarantineError::file("fsync", folder))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, QuarantineError> {
    let read = fs::read_dir(folder).map_err(QuarantineError::file("list", folder))?;
    read.map(|e| e.map(|e| e.path()))
        .collect::<io::Result<_>>()
        .map_err(QuarantineError::file("list", folder))
}

/// Refuses a folder in which somebody else can put or swap files.
fn check_folder(path: &Path, root_may: bool) -> Result<(), QuarantineError> {
    let meta = fs::symlink_metadata(path).map_err(QuarantineError::file("look at", path))?;
    let ours = nix::unistd::geteuid();
    let why = if !meta.is_dir() {
        "it is not a folder; links are not followed".to_owned()
    } else if meta.uid() != ours.as_raw() && !(root_may && ours.is_root()) {
        format!(
            "it belongs to user {}, we are user {ours}; run chown, or run as its owner",
            meta.uid()
        )
    } else if meta.mode() & 0o022 != 0 {
        format!(
            "others can write to it (mode {:o}); run chmod 700",
            meta.mode() & 0o7777
        )
    } else {
        return Ok(());
    };
    let path = path.to_path_buf();
    Err(QuarantineError::Unsafe { path, why })
}
