//! What the filter answers.

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
                let value = value.as_bytes();
                Frame::encode(
                    b'i',
                    &[
                        &index.to_be_bytes(),
                        name.as_bytes(),
                        b"\0",
                        space,
                        value,
                        b"\0",
                    ],
                    out,
                );
            }
            Modification::DeleteHeader { index, name } => {
                Frame::encode(b'm', &[&index.to_be_bytes(), name.as_bytes(), b"\0\0"], out);
            }
            Modification::Hold { reason } => {
                Frame::encode(b'q', &[reason.as_bytes(), b"\0"], out);
            }
        }
    }
}
