//! Messages in files: single messages, folders of them, Maildirs, mboxes.
//!
//! In: a path. Out: an iterator over the messages there, in an order that depends on names only. A
//! message is at most [`MESSAGE_BYTES`] long; a longer one, or one that cannot be read, is an error of
//! its own and the iteration goes on. In a folder, files that are no messages (no header field at
//! their beginning, and not named `.eml`) are passed over.
//!
//! mbox quoting: both mboxo and mboxrd escape lines that begin with `From `, so one `>` is taken off
//! lines that begin with any number of `>` and then `From `.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// Longest message that is read, bytes.
pub const MESSAGE_BYTES: usize = 64 << 20;

/// How far folders may lie in folders.
const DEPTH: usize = 32;

/// One message of a corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The file that it was in.
    pub path: PathBuf,
    /// Which message of an mbox, from 1; `None` where the file is one message.
    pub number: Option<usize>,
    /// The exact bytes, without the separator line of an mbox.
    pub raw: Bytes,
}

/// A message, or a whole file or folder, that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The file or folder cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Longer than [`MESSAGE_BYTES`].
    #[error("{}: a message of more than {} MiB is left out", path.display(), MESSAGE_BYTES >> 20)]
    TooLarge {
        /// The file that holds it.
        path: PathBuf,
    },
}

/// The messages under one path.
pub struct Corpus {
    /// What is still to be read, the next one in front; with its depth, and whether it was named by the caller.
    waiting: VecDeque<(PathBuf, usize)>,
    mbox: Option<Mbox>,
}

impl Corpus {
    /// The messages of a file, a folder with all its folders, a Maildir, or an mbox. Nothing is read
    /// before the first message is asked for.
    pub fn new(path: impl Into<PathBuf>) -> Corpus {
        Corpus {
            waiting: VecDeque::from([(path.into(), 0)]),
            mbox: None,
        }
    }

    fn enter(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        if depth >= DEPTH {
            return Err(io::Error::other(format!(
                "more than {DEPTH} folders in folders"
            )));
        }
        let maildir = folder.join("cur").is_dir() && folder.join("new").is_dir();
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let kind = entry.file_type()?;
            // A link to a folder may lead back to where it is.
            if kind.is_symlink() && entry.path().is_dir() {
                continue;
            }
            let wanted = if maildir {
                // Maildir++: folders beside cur and new begin with a dot; tmp holds half messages.
                kind.is_dir() && (name == "cur" || name == "new" || name.starts_with('.'))
            } else {
                !name.starts_with('.')
            };
            if wanted {
                inside.push(entry.path());
            }
        }
        inside.sort();
        for path in inside.into_iter().rev() {
            self.waiting.push_front((path, depth + 1));
        }
        Ok(())
    }

    /// Opens a file: its one message, or nothing when it is an mbox, which is then read on, or no message.
    fn open(&mut self, path: &Path, depth: usize) -> Result<Option<Sample>, CorpusError> {
        let io = |error| CorpusError::Io {
            path: path.to_owned(),
            error,
        };
        let file = File::open(path).map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            return Ok(None);
        }
        let mut reader = BufReader::with_capacity(64 << 10, file);
        let start = reader.fill_buf().map_err(io)?;
        let eml = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("eml"));
        if start.starts_with(b"From ") && !eml {
            self.mbox = Some(Mbox {
                path: path.to_owned(),
                reader,
                number: 0,
                line: Vec::new(),
            });
            return Ok(None);
        }
        // A file that the caller named is taken as it is.
        if depth > 0 && !eml && !begins_like_a_message(start) {
            return Ok(None);
        }
        let mut raw = Vec::new();
        let limit = MESSAGE_BYTES as u64 + 1;
        reader.take(limit).read_to_end(&mut raw).map_err(io)?;
        if raw.len() > MESSAGE_BYTES {
            return Err(CorpusError::TooLarge {
                path: path.to_owned(),
            });
        }
        let mut raw = Bytes::from(raw);
        if raw.starts_with(b"From ") {
            let end = memchr::memchr(b'\n', &raw).map_or(raw.len(), |i| i + 1);
            raw = raw.slice(end..);
        }
        Ok(Some(Sample {
            path: path.to_owned(),
            number: None,
            raw,
        }))
    }
}

impl Iterator for Corpus {
    type Item = Result<Sample, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(mbox) = &mut self.mbox {
                match mbox.next_message() {
                    Some(item) => return Some(item),
                    None => self.mbox = None,
                }
            }
            let (path, depth) = self.waiting.pop_front()?;
            if path.is_dir() {
                if let Err(error) = self.enter(&path, depth) {
                    return Some(Err(CorpusError::Io { path, error }));
                }
                continue;
            }
            match self.open(&path, depth) {
                Ok(Some(sample)) => return Some(Ok(sample)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Whether the first line is a header field (RFC 5322, section 2.2).
fn begins_like_a_message(start: &[u8]) -> bool {
    let name = start
        .iter()
        .take(80)
        .take_while(|b| b.is_ascii_graphic() && **b != b':')
        .count();
    name > 0 && start.get(name) == Some(&b':')
}

struct Mbox {
    path: PathBuf,
    reader: BufReader<File>,
    number: usize,
    /// The separator line that ended the message before.
    line: Vec<u8>,
}

impl Mbox {
    fn next_message(&mut self) -> Option<Result<Sample, CorpusError>> {
        let mut raw = Vec::new();
        let mut too_large = false;
        let mut started = !self.line.is_empty();
        let mut after_empty = true;
        loop {
            self.line.clear();
            // A line without end must not fill the memory: it is read in pieces.
            let mut piece = (&mut self.reader).take(1 << 20);
            match piece.read_until(b'\n', &mut self.line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    self.line.clear();
                    // Nothing after a read error can be trusted; the file ends here.
                    if let Ok(empty) = File::open("/dev/null") {
                        self.reader = BufReader::new(empty);
                    }
                    return Some(Err(CorpusError::Io {
                        path: self.path.clone(),
                        error,
                    }));
                }
            }
            if after_empty && self.line.starts_with(b"From ") {
                if started {
                    break;
                }
                started = true;
                after_empty = false;
                continue;
            }
            after_empty = matches!(self.line.as_slice(), b"\n" | b"\r\n");
            let quotes = self.line.iter().take_while(|b| **b == b'>').count();
            let quoted = quotes > 0
                && self
                    .line
                    .get(quotes..)
                    .is_some_and(|rest| rest.starts_with(b"From "));
            if raw.len() + self.line.len() > MESSAGE_BYTES {
                too_large = true;
            } else if !too_large {
                raw.extend_from_slice(self.line.get(usize::from(quoted)..).unwrap_or_default());
            }
        }
        if !started {
            return None;
        }
        self.number += 1;
        if too_large {
            return Some(Err(CorpusError::TooLarge {
                path: self.path.clone(),
            }));
        }
        // The empty line before the next separator belongs to the mbox.
        for end in [&b"\r\n\r\n"[..], b"\n\n"] {
            if raw.ends_with(end) {
                raw.truncate(raw.len() - end.len() / 2);
                break;
            }
        }
        Some(Ok(Sample {
            path: self.path.clone(),
            number: Some(self.number),
            raw: Bytes::from(raw),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn texts(path: &Path) -> Vec<String> {
        Corpus::new(path)
            .map(|s| String::from_utf8(s.unwrap().raw.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn folders_are_read_in_the_order_of_names_and_other_files_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        for (name, text) in [
            ("b/2.eml", "no header at all"),
            ("c", "Subject: c\n\n3"),
            (
                "a.eml",
                "From x@y Sat Jan  1 00:00:00 2000\nSubject: a\n\nFrom here it is body\n",
            ),
            ("README.md", "# Read me: this is no mail"),
            (".hidden.eml", "Subject: h\n\n"),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        assert_eq!(
            texts(dir.path()),
            [
                "Subject: a\n\nFrom here it is body\n",
                "no header at all",
                "Subject: c\n\n3"
            ]
        );
    }

    #[test]
    fn a_maildir_is_its_cur_and_new_without_tmp() {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["cur", "new", "tmp", ".Sent/cur", ".Sent/new"] {
            fs::create_dir_all(dir.path().join(sub)).unwrap();
            fs::write(
                dir.path().join(sub).join("1.host:2,S"),
                format!("X: {sub}\n\n"),
            )
            .unwrap();
        }
        fs::write(dir.path().join("dovecot-uidlist"), "3: V1").unwrap();
        assert_eq!(
            texts(dir.path()),
            [
                "X: .Sent/cur\n\n",
                "X: .Sent/new\n\n",
                "X: cur\n\n",
                "X: new\n\n"
            ]
        );
    }

    #[test]
    fn an_mbox_is_split_at_its_separators_and_unquoted_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box");
        fs::write(
            &path,
            "From a Sat\nSubject: 1\n\n>From quoted\n>>From twice\nFrom in mid paragraph\n\nFrom b Sun\nSubject: 2\n\nend",
        )
        .unwrap();
        let samples: Vec<Sample> = Corpus::new(&path).map(Result::unwrap).collect();
        assert_eq!(
            samples.first().unwrap().raw.as_ref(),
            b"Subject: 1\n\nFrom quoted\n>From twice\nFrom in mid paragraph\n"
        );
        assert_eq!(samples.get(1).unwrap().raw.as_ref(), b"Subject: 2\n\nend");
        assert_eq!(
            samples.iter().map(|s| s.number).collect::<Vec<_>>(),
            [Some(1), Some(2)]
        );
    }

    #[test]
    fn what_is_not_there_is_an_error_that_names_it() {
        let error = Corpus::new("/nowhere/at/all").next().unwrap().unwrap_err();
        assert!(
            error.to_string().starts_with("/nowhere/at/all: "),
            "{error}"
        );
    }

    #[test]
    fn a_link_to_its_own_folder_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("1.eml"), "A: b\n\n").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        assert_eq!(texts(dir.path()).len(), 1);
    }
}
