//! An mbox, message by message.
//!
//! Quoting: both mboxo and mboxrd escape lines that begin with `From `, so one `>` is taken off lines that
//! begin with any number of `>` and then `From `. Some mail stores quote nothing and count instead (`Content-Length`), and
//! their counts are often wrong. So a line of text that begins with `From `, after an empty line, is told from a separator by
//! what follows: behind a separator a header field, or an empty line where there is no header.

use std::io::{self, BufRead, Read};
use std::path::PathBuf;

use bytes::Bytes;

use super::corpus::{CorpusError, MESSAGE_BYTES, Sample};

/// An mbox that is being read.
pub(super) struct Mbox {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    number: usize,
    /// The separator line that ended the message before.
    line: Vec<u8>,
    /// The line behind it, where that was looked at already.
    next: Option<Vec<u8>>,
}

impl Mbox {
    /// The mbox at `path`, whose bytes come from `reader`.
    pub(super) fn new(path: PathBuf, reader: Box<dyn BufRead + Send>) -> Mbox {
        Mbox {
            path,
            reader,
            number: 0,
            line: Vec::new(),
            next: None,
        }
    }

    /// Reads the next line into `line`, which is empty at the end of the file. Whether it parts two messages; only one
    /// behind an empty line does, or the first.
    fn read_line(&mut self, may_part: bool, first: bool) -> io::Result<bool> {
        match self.next.take() {
            Some(next) => self.line = next,
            None => read_piece(&mut self.reader, &mut self.line)?,
        }
        if !may_part || !self.line.starts_with(b"From ") {
            return Ok(false);
        }
        let next = self.next.insert(Vec::new());
        read_piece(&mut self.reader, next)?;
        let quotes = next.iter().take_while(|b| **b == b'>').count();
        let another = next.get(quotes..).is_some_and(|n| n.starts_with(b"From "));
        Ok(first || another || next.trim_ascii().is_empty() || is_field(next))
    }

    /// The next message, or why there is none.
    pub(super) fn next_message(&mut self) -> Option<Result<Sample, CorpusError>> {
        let mut raw = Vec::new();
        let mut too_large = false;
        let mut started = !self.line.is_empty();
        let mut after_empty = !started;
        loop {
            let parts = match self.read_line(after_empty, !started) {
                Ok(parts) => parts,
                Err(error) => {
                    self.line.clear();
                    self.next = None;
                    // Nothing after a read error can be trusted; the file ends here.
                    self.reader = Box::new(io::empty());
                    return Some(Err(CorpusError::Io {
                        path: self.path.clone(),
                        error,
                    }));
                }
            };
            if self.line.is_empty() {
                break;
            }
            if parts {
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

/// Reads a line, or a piece of one without end, which must not fill the memory; nothing at the end of the file.
fn read_piece(reader: &mut impl BufRead, into: &mut Vec<u8>) -> io::Result<()> {
    into.clear();
    reader.take(1 << 20).read_until(b'\n', into).map(drop)
}

/// Whether a line is the first of a header field (RFC 5322, sections 2.2 and 4.5: there may be space before the colon).
fn is_field(line: &[u8]) -> bool {
    let name = memchr::memchr(b':', line).and_then(|colon| line.get(..colon));
    let name = name.unwrap_or_default().trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}
