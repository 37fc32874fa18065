//! Files of SQLite that are made, and put out of the way when they are damaged.

use std::io;
use std::path::{Path, PathBuf};

/// What cannot be done with a file.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path}: {error}", path = path.display())]
pub struct FileFailure {
    what: &'static str,
    path: PathBuf,
    error: io::Error,
}

/// Makes sure that the file is there.
pub(crate) fn create(path: &Path) -> Result<(), FileFailure> {
    let opened = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    opened.map(drop).map_err(|error| FileFailure {
        what: "open",
        path: path.to_path_buf(),
        error,
    })
}

/// Renames a damaged file, `NAME.sqlite`, which nobody has open any more, to `NAME.sqlite.damaged`, and gives that name.
/// There is one such file at most: the last.
pub(crate) fn set_aside(path: &Path) -> Result<PathBuf, FileFailure> {
    let aside = path.with_extension("sqlite.damaged");
    std::fs::rename(path, &aside).map_err(|error| FileFailure {
        what: "rename",
        path: path.to_path_buf(),
        error,
    })?;
    // Its log is of no use without it.
    for end in ["sqlite-wal", "sqlite-shm"] {
        let path = path.with_extension(end);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(FileFailure {
                what: "remove",
                path,
                error,
            });
        }
    }
    Ok(aside)
}
