//! The MTA's side of the protocol, without I/O: for `mailweir send`, for tests and for benches.

use bytes::{Buf, Bytes, BytesMut};

use super::frame::{Frame, FrameError};
use super::negotiation::{Actions, Steps};

/// A reply, as the MTA sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MtaReply {
    /// `O`: version, actions, steps, and the raw macro lists behind them.
    Negotiated(u32, Actions, Steps, Bytes),
    /// `c`
    Continue,
    /// `a`
    Accept,
    /// `d`
    Discard,
    /// `r`
    Reject,
    /// `t`
    Tempfail,
    /// `y`: the SMTP reply, without its terminator.
    Text(String),
    /// `s`
    Skip,
    /// `p`
    Progress,
    /// `i`: index, name, value.
    InsertHeader(u32, String, String),
    /// `m`: index, name, value; an empty value deletes.
    ChangeHeader(u32, String, String),
    /// `-`: the path of a recipient who is dropped.
    DeleteRecipient(String),
    /// `q`: reason.
    Hold(String),
}

/// The filter sent something that no filter may send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MtaError {
    /// Bad framing.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Unknown reply, or one with data of a wrong form.
    #[error("malformed reply {0:?}")]
    Malformed(char),
}

/// Encodes commands.
#[derive(Clone, Copy, Debug)]
pub struct Mta {
    /// Steps agreed on.
    pub steps: Steps,
}

impl Mta {
    /// The offer of Postfix 3.7 and Sendmail 8.17.
    pub fn offer(out: &mut BytesMut) {
        let words = [6u32, 0x1ff, 0x1f_ffff].map(u32::to_be_bytes).concat();
        Frame::encode(b'O', &[&words], out);
    }

    /// Whether `code` is answered under these steps.
    pub fn answered(&self, code: u8) -> bool {
        let bit = match code {
            b'C' => Steps::NR_CONNECT,
            b'H' => Steps::NR_HELO,
            b'M' => Steps::NR_MAIL,
            b'R' => Steps::NR_RCPT,
            b'T' => Steps::NR_DATA,
            b'L' => Steps::NR_HEADER,
            b'N' => Steps::NR_EOH,
            b'B' => Steps::NR_BODY,
            b'U' => Steps::NR_UNKNOWN,
            b'E' | b'O' => return true,
            _ => return false,
        };
        !self.steps.has(bit)
    }

    /// Whether `code` is to be sent under these steps.
    pub fn sent(&self, code: u8) -> bool {
        let bit = match code {
            b'C' => Steps::NO_CONNECT,
            b'H' => Steps::NO_HELO,
            b'M' => Steps::NO_MAIL,
            b'R' => Steps::NO_RCPT,
            b'T' => Steps::NO_DATA,
            b'L' => Steps::NO_HEADERS,
            b'N' => Steps::NO_EOH,
            b'B' => Steps::NO_BODY,
            b'U' => Steps::NO_UNKNOWN,
            _ => return true,
        };
        !self.steps.has(bit)
    }

    /// Appends CONNECT for a TCP client.
    pub fn connect(name: &str, addr: std::net::IpAddr, out: &mut BytesMut) {
        let family: &[u8] = if addr.is_ipv4() { b"4" } else { b"6" };
        let text = addr.to_string();
        Frame::encode(
            b'C',
            &[
                name.as_bytes(),
                b"\0",
                family,
                &40000u16.to_be_bytes(),
                text.as_bytes(),
                b"\0",
            ],
            out,
        );
    }

    /// Appends a command whose data is one or two terminated strings, or nothing.
    pub fn command(code: u8, strings: &[&[u8]], out: &mut BytesMut) {
        let mut data: Vec<&[u8]> = Vec::with_capacity(strings.len() * 2);
        for s in strings {
            data.push(s);
            data.push(b"\0");
        }
        Frame::encode(code, &data, out);
    }

    /// Appends a body chunk of at most 65535 bytes.
    pub fn body(chunk: &[u8], out: &mut BytesMut) {
        Frame::encode(b'B', &[chunk], out);
    }

    /// Appends macros for the command `code`.
    pub fn macros(code: u8, pairs: &[(&str, &str)], out: &mut BytesMut) {
        let code = [code];
        let mut data: Vec<&[u8]> = vec![&code];
        for (name, value) in pairs {
            data.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"]);
        }
        Frame::encode(b'D', &data, out);
    }

    /// Takes one reply off the front of `input`.
    ///
    /// # Errors
    /// For anything that Postfix or Sendmail would take for a protocol error.
    pub fn decode(input: &mut BytesMut) -> Result<Option<MtaReply>, MtaError> {
        let Some(Frame { code, mut data }) = Frame::decode(input)? else {
            return Ok(None);
        };
        let bad = MtaError::Malformed(char::from(code));
        let empty = data.is_empty();
        let plain = |reply| {
            if empty {
                Ok(Some(reply))
            } else {
                Err(MtaError::Malformed(char::from(code)))
            }
        };
        match code {
            b'c' => return plain(MtaReply::Continue),
            b'a' => return plain(MtaReply::Accept),
            b'd' => return plain(MtaReply::Discard),
            b'r' => return plain(MtaReply::Reject),
            b't' => return plain(MtaReply::Tempfail),
            b's' => return plain(MtaReply::Skip),
            b'p' => return plain(MtaReply::Progress),
            _ => {}
        }
        let reply = match code {
            b'O' if data.len() >= 12 => {
                let version = data.get_u32();
                let actions = Actions(data.get_u32());
                let steps = Steps(data.get_u32());
                MtaReply::Negotiated(version, actions, steps, data)
            }
            b'y' => MtaReply::Text(string(&mut data).filter(|_| data.is_empty()).ok_or(bad)?),
            b'-' => MtaReply::DeleteRecipient(
                string(&mut data)
                    .filter(|path| data.is_empty() && !path.is_empty())
                    .ok_or(bad)?,
            ),
            b'q' => MtaReply::Hold(
                string(&mut data)
                    .filter(|r| data.is_empty() && !r.is_empty())
                    .ok_or(bad)?,
            ),
            b'i' | b'm' if data.len() >= 4 => {
                let index = data.get_u32();
                let name = string(&mut data).ok_or(bad.clone())?;
                let value = string(&mut data).filter(|_| data.is_empty()).ok_or(bad)?;
                match code {
                    b'i' => MtaReply::InsertHeader(index, name, value),
                    _ => MtaReply::ChangeHeader(index, name, value),
                }
            }
            _ => return Err(bad),
        };
        Ok(Some(reply))
    }
}

/// Takes one terminated string off the front.
fn string(data: &mut Bytes) -> Option<String> {
    let nul = memchr::memchr(0, data)?;
    let text = data.split_to(nul);
    data.advance(1);
    Some(String::from_utf8_lossy(&text).into_owned())
}
