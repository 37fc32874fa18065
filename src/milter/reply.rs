//! What the filter answers.
//!
//! Whatever a name, value or reason holds, a modification is one packet of whole strings and one header
//! field: Sendmail and Postfix treat what would break out of it differently, so none of it is sent.

use bytes::BytesMut;

use super::frame::Frame;
use super::text::ReplyText;

/// The final answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Go on; at end of message: accept with the modifications made.
    Continue,
    /// Take this message (at CONNECT and HELO: this session) without asking further.
    Accept,
    /// Swallow the message.
    Discard,
    /// Refuse with the MTA's own words.
    Reject,
    /// Refuse for now with the MTA's own words.
    Tempfail,
    /// Refuse with these words.
    Text(ReplyText),
    /// No more of this kind, please.
    Skip,
}

impl Reply {
    pub(super) fn encode(&self, out: &mut BytesMut) {
        let code = match self {
            Reply::Continue => b'c',
            Reply::Accept => b'a',
            Reply::Discard => b'd',
            Reply::Reject => b'r',
            Reply::Tempfail => b't',
            Reply::Skip => b's',
            Reply::Text(text) => {
                return Frame::encode(b'y', &[text.as_str().as_bytes(), b"\0"], out);
            }
        };
        Frame::encode(code, &[], out);
    }
}

/// A change to the message; legal only between end of message and its final reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modification {
    /// Insert a header field; index 0 is above all others.
    InsertHeader {
        /// Position in the whole header, from 0. Only 0 means the same to every MTA.
        index: u32,
        /// Field name.
        name: String,
        /// Value without leading space; LF and white space where folded.
        value: String,
    },
    /// Delete the n-th field of a name, n from 1. Several of one name must be deleted from the last to the
    /// first: Postfix renumbers after a deletion, Sendmail does not (CVE-2022-48521 of OpenDKIM).
    DeleteHeader {
        /// Position among the fields of that name, from 1.
        index: u32,
        /// Field name.
        name: String,
    },
    /// Take a recipient out of the envelope.
    DeleteRecipient {
        /// The path exactly as it came with RCPT.
        path: Vec<u8>,
    },
    /// Put the message on hold in the MTA's queue.
    Hold {
        /// Why, shown in the MTA's log; must not be empty.
        reason: String,
    },
}

impl Modification {
    /// `leading_space`: the white space after the colon is ours to write.
    pub(super) fn encode(&self, leading_space: bool, out: &mut BytesMut) {
        match self {
            Modification::InsertHeader { index, name, value } => {
                let space: &[u8] = if leading_space { b" " } else { b"" };
                Frame::encode(
                    b'i',
                    &[
                        &index.to_be_bytes(),
                        &field_name(name),
                        b"\0",
                        space,
                        &field_value(value),
                        b"\0",
                    ],
                    out,
                );
            }
            Modification::DeleteHeader { index, name } => {
                Frame::encode(
                    b'm',
                    &[&index.to_be_bytes(), &field_name(name), b"\0\0"],
                    out,
                );
            }
            Modification::DeleteRecipient { path } => {
                // A path of RCPT ends at the first NUL.
                let path = path.split(|b| *b == 0).next().unwrap_or_default();
                Frame::encode(b'-', &[path, b"\0"], out);
            }
            Modification::Hold { reason } => {
                let reason = match field_value(&reason.replace('\n', " ")) {
                    empty if empty.is_empty() => b"held".to_vec(),
                    reason => reason,
                };
                Frame::encode(b'q', &[&reason, b"\0"], out);
            }
        }
    }
}

/// RFC 5322, 2.2: printable ASCII without the colon.
fn field_name(name: &str) -> Vec<u8> {
    let legal = |b: &u8| b.is_ascii_graphic() && *b != b':';
    name.bytes().filter(legal).collect()
}

/// Folding stays; NUL, CR, and LF without folding behind it go.
fn field_value(value: &str) -> Vec<u8> {
    let mut bytes = value.bytes().filter(|b| !matches!(b, 0 | b'\r')).peekable();
    let mut out = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\n', Some(b' ' | b'\t')) => out.push(b'\n'),
            (b'\n', Some(_)) => out.push(b' '),
            (b'\n', None) => {}
            (byte, _) => out.push(byte),
        }
    }
    out
}
