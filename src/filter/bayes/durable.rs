//! Writing a file so that it is there whole or not at all, whatever happens meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

/// Replaces `path` by `bytes`: a temporary file beside it, fsync, rename, fsync of the folder. After a
/// crash the old file or the new one is there. The temporary file is removed when anything fails.
///
/// # Errors
/// What the system says; the old file is then untouched.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder(path);
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}.{:x}.tmp", std::process::id(), unique()));
    let temporary = Temporary(folder.join(temporary));

    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary.0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&temporary.0, path)?;
    sync_folder(path)
}

/// Gives a file that root made to whom `owned` belongs, the data folder say: the daemon must be able to read it.
///
/// # Errors
/// What the system says.
pub(crate) fn hand_over(made: &Path, owned: &Path) -> io::Result<()> {
    let (made_by, owner) = (std::fs::metadata(made)?, std::fs::metadata(owned)?);
    if made_by.uid() == 0 && owner.uid() != 0 {
        chown(made, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

/// Makes the entry of a new file durable.
///
/// # Errors
/// What the system says.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// The folder in which a file lies.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Two writers of one process do not share a temporary file.
fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// Removed when dropped; after the rename there is nothing left to remove.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Fails after success, when the name is gone, and then it should.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.mwb");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_no_temporary_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.mwb");
        // A folder that is not empty cannot be replaced by a file.
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("inside"), b"old").unwrap();
        assert!(replace(&path, b"new").is_err());
        assert_eq!(std::fs::read(path.join("inside")).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
