//! Files and folders of the quarantine as the system has them: nobody else's, synchronised, links not followed.
//! Everything here blocks.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, renameat2};

use super::error::QuarantineError;

/// Writes a file that is not there yet, durably but for its name.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), QuarantineError> {
    let mut file = create_new(path).map_err(QuarantineError::file("create", path))?;
    file.write_all(bytes)
        .map_err(QuarantineError::file("write", path))?;
    file.sync_all()
        .map_err(QuarantineError::file("fsync", path))
}

/// Opens a file for reading.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

/// All of a file; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Bytes>, QuarantineError> {
    let mut file = match open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(QuarantineError::file("open", path)(e)),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(QuarantineError::file("read", path))?;
    Ok(Some(bytes.into()))
}

/// Lets two files change their names. `false` when the second is not there: then nothing is done.
pub(super) fn exchange(one: &Path, other: &Path) -> Result<bool, QuarantineError> {
    match renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(true),
        Err(nix::Error::ENOENT) => Ok(false),
        Err(e) => Err(QuarantineError::file("replace", other)(e.into())),
    }
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

/// Opens a file for reading and writing, and makes it where it is missing.
pub(super) fn open_or_create(path: &Path) -> Result<File, QuarantineError> {
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

/// Creates a folder, for its owner only; an existing one is left as it is. The caller synchronises its
/// parent.
pub(super) fn create_folder(path: &Path) -> Result<(), QuarantineError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(QuarantineError::file("create", path)(e)),
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Path) -> Result<(), QuarantineError> {
    File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(QuarantineError::file("fsync", folder))
}

/// What lies in a folder.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, QuarantineError> {
    let read = fs::read_dir(folder).map_err(QuarantineError::file("list", folder))?;
    read.map(|e| e.map(|e| e.path()))
        .collect::<io::Result<_>>()
        .map_err(QuarantineError::file("list", folder))
}

/// Refuses a folder in which somebody else can put or swap files.
pub(super) fn check_folder(path: &Path, root_may: bool) -> Result<(), QuarantineError> {
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
