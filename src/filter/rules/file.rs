//! The files that a set of rules was made of: read within a bound, and known again.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::{Problem, Source};

/// One file of a set of rules: a rule file or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
    digest: [u8; 32],
}

impl RuleFile {
    /// Reads a file of at most `most` bytes.
    pub(super) fn read(path: &Path, most: u64) -> Result<(Source, RuleFile), Problem> {
        let failed =
            |why: String| Problem::without_place(format!("cannot read {}: {why}", path.display()));
        let file = fs::File::open(path).map_err(|e| failed(e.to_string()))?;
        // Of the same open file, so that a file that is replaced meanwhile is seen as changed.
        let modified = file.metadata().and_then(|m| m.modified()).ok();
        let mut text = String::new();
        file.take(most + 1)
            .read_to_string(&mut text)
            .map_err(|e| failed(e.to_string()))?;
        let bytes = text.len() as u64;
        if bytes > most {
            return Err(failed(format!("it is larger than {most} bytes")));
        }
        let known = RuleFile {
            path: path.to_path_buf(),
            bytes,
            modified,
            digest: *blake3::hash(text.as_bytes()).as_bytes(),
        };
        Ok((Source::new(path, text), known))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes when it was read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// BLAKE3 digest of its content when it was read.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether it looks changed since: it is gone, or of another length or time. Reads no content.
    pub fn has_changed(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(now) => now.len() != self.bytes || now.modified().ok() != self.modified,
            Err(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_removed_file_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "one").unwrap();
        let (source, file) = RuleFile::read(&path, 10).unwrap();
        assert_eq!((source.text(), file.bytes()), ("one", 3));
        assert!(!file.has_changed());
        fs::write(&path, "other").unwrap();
        assert!(file.has_changed());
        fs::remove_file(&path).unwrap();
        assert!(file.has_changed());
        fs::write(&path, "more than ten bytes").unwrap();
        let problem = RuleFile::read(&path, 10).unwrap_err();
        assert!(problem.message.contains("larger than 10 bytes"));
    }
}
