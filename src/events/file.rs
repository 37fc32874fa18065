//! The file of JSON lines: appended to, moved away by its size, opened anew when others have moved it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::options::Rotation;

/// The file.
#[derive(Debug)]
pub(super) struct File {
    rotation: Rotation,
    open: Option<fs::File>,
    bytes: u64,
}

impl File {
    /// Opens it, or makes it, readable for its owner and group.
    pub(super) fn open(rotation: Rotation) -> io::Result<File> {
        let mut file = File {
            rotation,
            open: None,
            bytes: 0,
        };
        file.reopen().map_err(|e| {
            let path = file.rotation.path.display();
            io::Error::new(e.kind(), format!("cannot open {path} for events: {e}"))
        })?;
        Ok(file)
    }

    /// Opens what now has the name.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.open = None;
        let open = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
            .open(&self.rotation.path)?;
        self.bytes = open.metadata()?.len();
        self.open = Some(open);
        Ok(())
    }

    /// Appends whole lines. What could not be written is lost to the file; the next lines try again.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let Rotation { bytes, kept, .. } = self.rotation;
        if self.open.is_none() {
            self.reopen()?;
        }
        if kept > 0 && self.bytes > 0 && self.bytes + lines.len() as u64 > bytes {
            self.rotate()?;
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let written = open.write_all(lines);
        match &written {
            Ok(()) => self.bytes += lines.len() as u64,
            Err(_) => self.cut(),
        }
        written
    }

    /// Half a line must not stay in front of the next.
    fn cut(&mut self) {
        if let Some(open) = self.open.take() {
            let _ = open.set_len(self.bytes);
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let Rotation { path, kept, .. } = &self.rotation;
        for number in (1..*kept).rev() {
            match fs::rename(numbered(path, number), numbered(path, number + 1)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        fs::rename(path, numbered(path, 1))?;
        self.reopen()
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_moved_away_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.jsonl");
        let rotation = Rotation {
            path: path.clone(),
            bytes: 10,
            kept: 2,
        };
        let mut file = File::open(rotation.clone()).unwrap();
        for number in 0..5 {
            file.append(format!("line-{number}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(read("e.jsonl").as_deref(), Some("line-4\n"));
        assert_eq!(read("e.jsonl.1").as_deref(), Some("line-3\n"));
        assert_eq!(read("e.jsonl.2").as_deref(), Some("line-2\n"));
        assert_eq!(read("e.jsonl.3"), None);
        // What is there stays there.
        drop(file);
        let mut file = File::open(Rotation {
            bytes: 100,
            ..rotation
        })
        .unwrap();
        file.append(b"more\n").unwrap();
        assert_eq!(read("e.jsonl").as_deref(), Some("line-4\nmore\n"));
        fs::rename(&path, folder.path().join("moved")).unwrap();
        file.reopen().unwrap();
        file.append(b"new\n").unwrap();
        assert_eq!(read("e.jsonl").as_deref(), Some("new\n"));
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.jsonl");
        std::os::unix::fs::symlink(folder.path().join("target"), &path).unwrap();
        let rotation = Rotation {
            path,
            bytes: 10,
            kept: 2,
        };
        assert!(File::open(rotation).is_err());
        assert!(!folder.path().join("target").exists());
    }
}
