//! An mbox, message by message.
//!
//! Quoting: both mboxo and mboxrd escape lines that begin with `From `, so one `>` is taken off lines that
//! begin with any number of `>` and then `From `.

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
}

impl Mbox {
    /// The mbox at `path`, whose bytes come from `reader`.
    pub(super) fn new(path: PathBuf, reader: Box<dyn BufRead + Send>) -> Mbox {
        Mbox {
            path,
            reader,
            number: 0,
            line: Vec::new(),
        }
    }

    /// The next message, or why there is none.
    pub(super) fn next_message(&mut self) -> Option<Result<Sample, CorpusError>> {
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
                    self.reader = Box::new(io::empty());
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
