//! Messages in files: single messages, folders of them, Maildirs, mboxes, any of them packed by gzip.
//!
//! In: a path. Out: an iterator over the messages there, in an order that depends on names only. A
//! message is at most [`MESSAGE_BYTES`] long, unpacked; a longer one, or one that cannot be read, is an
//! error of its own and the iteration goes on. In a folder, files that are no messages (no header field at
//! their beginning, and not named `.eml`) are passed over. What is packed is known by its first bytes
//! (RFC 1952, section 2.3.1), not by its name. One message is in memory at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use super::mbox::Mbox;

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
    taken: Arc<AtomicU64>,
}

/// The first bytes of a file that is packed by gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Read at one time.
const BUFFER: usize = 64 << 10;

/// A file that counts what is read from it.
struct Counted {
    file: File,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Corpus {
    /// The messages of a file, a folder with all its folders, a Maildir, or an mbox. Nothing is read
    /// before the first message is asked for.
    pub fn new(path: impl Into<PathBuf>) -> Corpus {
        Corpus {
            waiting: VecDeque::from([(path.into(), 0)]),
            mbox: None,
            taken: Arc::default(),
        }
    }

    /// Bytes of files read so far, as they lie on disk.
    pub fn bytes_read(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Bytes of all files under `path`: what [`Corpus::bytes_read`] comes near to at the end. Files that are
    /// no messages are counted, what cannot be read is not.
    pub fn bytes_under(path: impl Into<PathBuf>) -> u64 {
        let mut walk = Corpus::new(path);
        let mut bytes = 0;
        while let Some((path, depth)) = walk.waiting.pop_front() {
            match std::fs::metadata(&path) {
                // What cannot be entered is named when the messages are read.
                Ok(found) if found.is_dir() => walk.enter(&path, depth).unwrap_or_default(),
                Ok(found) if found.is_file() => bytes += found.len(),
                _ => {}
            }
        }
        bytes
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
        // Before it is opened: a named pipe lets nobody in until someone writes into it.
        if !std::fs::metadata(path).map_err(io)?.is_file() {
            return match depth {
                0 => Err(io(io::Error::other(
                    "neither a file nor a folder; put what comes from a pipe into a file first",
                ))),
                _ => Ok(None),
            };
        }
        let file = File::open(path).map_err(io)?;
        let mut reader = BufReader::with_capacity(
            BUFFER,
            Counted {
                file,
                taken: self.taken.clone(),
            },
        );
        let mut reader: Box<dyn BufRead + Send> =
            match reader.fill_buf().map_err(io)?.starts_with(&GZIP) {
                true => Box::new(BufReader::with_capacity(
                    BUFFER,
                    MultiGzDecoder::new(reader),
                )),
                false => Box::new(reader),
            };
        let start = reader.fill_buf().map_err(io)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_ascii_lowercase();
        let eml = name.ends_with(".eml") || name.ends_with(".eml.gz");
        if start.starts_with(b"From ") && !eml {
            self.mbox = Some(Mbox::new(path.to_owned(), reader));
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

    /// As in stores that count instead of quoting. Break it by taking each such line for a separator.
    #[test]
    fn a_paragraph_that_begins_with_from_is_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box");
        let text = "From a Sat\nSubject: 1\nContent-Length: 99999\n\nHello,\n\nFrom my window\nI see you.\n\n\
            From b Sun\n\nno header\n\nFrom c Mon\n>From x remote from y\nSubject: 3\n\nend\n\nFrom d Tue\nSubject : 4\n\n";
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            fs::write(&path, &text).unwrap();
            let texts: Vec<String> = texts(&path)
                .into_iter()
                .map(|t| t.replace('\r', ""))
                .collect();
            assert_eq!(
                texts,
                [
                    "Subject: 1\nContent-Length: 99999\n\nHello,\n\nFrom my window\nI see you.\n",
                    "\nno header\n",
                    "From x remote from y\nSubject: 3\n\nend\n",
                    "Subject : 4\n",
                ]
            );
        }
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn packed_files_are_read_as_what_is_in_them() {
        let dir = tempfile::tempdir().unwrap();
        let plain = b"From a Sat\nSubject: 1\n\none\n\nFrom b Sun\nSubject: 2\n\ntwo\n";
        // Two members one after the other are one file (RFC 1952, section 2.2).
        let both = [packed(&plain[..30]), packed(&plain[30..])].concat();
        fs::write(dir.path().join("box.gz"), both).unwrap();
        fs::write(dir.path().join("one"), packed(b"Subject: 3\n\n")).unwrap();
        fs::write(dir.path().join("readme.gz"), packed(b"no mail")).unwrap();
        fs::write(dir.path().join("z.eml.gz"), packed(b"no header")).unwrap();
        assert_eq!(
            texts(dir.path()),
            [
                "Subject: 1\n\none\n",
                "Subject: 2\n\ntwo\n",
                "Subject: 3\n\n",
                "no header"
            ]
        );
    }

    #[test]
    fn a_packed_file_that_is_cut_or_damaged_is_an_error_and_the_rest_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let long: Vec<u8> = b"Subject: x\n\n"
            .iter()
            .copied()
            .chain((0..20_000_u32).map(|i| ((i * i) >> 7) as u8))
            .collect();
        let mut cut = packed(&long);
        cut.truncate(cut.len() / 2);
        fs::write(dir.path().join("a.eml.gz"), cut).unwrap();
        fs::write(dir.path().join("b.eml"), "Subject: b\n\n").unwrap();
        let found: Vec<_> = Corpus::new(dir.path()).collect();
        assert!(
            matches!(&found[0], Err(CorpusError::Io { path, .. }) if path.ends_with("a.eml.gz"))
        );
        assert_eq!(found[1].as_ref().unwrap().raw.as_ref(), b"Subject: b\n\n");
    }

    #[test]
    fn what_a_packed_message_may_unpack_to_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bomb.eml.gz");
        fs::write(&path, packed(&vec![b' '; MESSAGE_BYTES + 2])).unwrap();
        let error = Corpus::new(&path).next().unwrap().unwrap_err();
        assert!(matches!(error, CorpusError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn bytes_are_counted_as_they_lie_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(
            dir.path().join("sub/box"),
            "From a\nA: b\n\n1\n\nFrom b\nA: c\n\n",
        )
        .unwrap();
        fs::write(dir.path().join("m.eml"), packed(b"A: d\n\n")).unwrap();
        let total = Corpus::bytes_under(dir.path());
        let mut corpus = Corpus::new(dir.path());
        assert_eq!(corpus.by_ref().filter(Result::is_ok).count(), 3);
        assert_eq!(corpus.bytes_read(), total);
        assert!(total > 40);
    }

    #[test]
    fn what_is_not_there_is_an_error_that_names_it() {
        let error = Corpus::new("/nowhere/at/all").next().unwrap().unwrap_err();
        assert!(
            error.to_string().starts_with("/nowhere/at/all: "),
            "{error}"
        );
    }

    /// Break it by opening files before looking at what they are: then this test does not end.
    #[test]
    fn a_named_pipe_is_passed_over_and_named_where_it_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe.eml");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::write(dir.path().join("a.eml"), "A: b\n\n").unwrap();
        assert_eq!(texts(dir.path()), ["A: b\n\n"]);
        let error = Corpus::new(&pipe).next().unwrap().unwrap_err();
        assert!(error.to_string().contains("neither a file"), "{error}");
    }

    #[test]
    fn a_link_to_its_own_folder_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("1.eml"), "A: b\n\n").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        assert_eq!(texts(dir.path()).len(), 1);
    }
}
