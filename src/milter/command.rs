//! Commands of the MTA, decoded.

use std::net::IpAddr;

use bytes::Bytes;

use super::frame::Frame;
use super::macros::MacroStage;

/// Data of CONNECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectInfo {
    /// Host name as sent: verified name, or `[192.0.2.1]`, or `unknown`.
    pub hostname: Bytes,
    /// Client address of families `4` and `6`; IPv4-mapped addresses are unmapped.
    pub addr: Option<IpAddr>,
    /// Client port, 0 when unknown.
    pub port: u16,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `O`: option negotiation; decoded by [`Offer::parse`](super::Offer::parse).
    Negotiate(Bytes),
    /// `D`: macros for a later command.
    Macros(Option<MacroStage>, Bytes),
    /// `C`
    Connect(ConnectInfo),
    /// `H`
    Helo(Bytes),
    /// `M`: the reverse path and ESMTP arguments.
    Mail(Bytes, Vec<Bytes>),
    /// `R`: a forward path and ESMTP arguments.
    Rcpt(Bytes, Vec<Bytes>),
    /// `T`
    Data,
    /// `L`: name and value; the value has LF line ends where it is folded.
    Header(Bytes, Bytes),
    /// `N`
    EndOfHeaders,
    /// `B`
    Body(Bytes),
    /// `E`, which may carry a last chunk.
    EndOfMessage(Bytes),
    /// `A`
    Abort,
    /// `Q`
    Quit,
    /// `K`: the session is over, another follows on the same connection.
    QuitNewConnection,
    /// `U`: an SMTP command that the MTA does not know.
    Unknown(Bytes),
}

/// A packet that is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The letter is not defined.
    #[error("unknown command 0x{0:02x}")]
    Code(u8),
    /// The data of a known command cannot be decoded.
    #[error("undecodable data of command {0:?}")]
    Data(char),
}

impl Command {
    /// Decodes a packet.
    ///
    /// # Errors
    /// For an unknown letter, and for data that is missing or not of the command's form. libmilter
    /// drops the connection in these cases, and so must the caller.
    pub fn parse(frame: Frame) -> Result<Command, Malformed> {
        let Frame { code, data } = frame;
        let bad = Malformed::Data(char::from(code));
        Ok(match code {
            b'O' => Command::Negotiate(data),
            b'D' => {
                let stage = *data.first().ok_or(bad)?;
                Command::Macros(MacroStage::of_command(stage), data.slice(1..))
            }
            b'C' => Command::Connect(connect(&data).ok_or(bad)?),
            b'H' => Command::Helo(strings(&data).next().ok_or(bad)?),
            b'M' | b'R' => {
                let mut parts = strings(&data);
                let path = parts.next().ok_or(bad)?;
                let args = parts.collect();
                match code {
                    b'M' => Command::Mail(path, args),
                    _ => Command::Rcpt(path, args),
                }
            }
            b'T' => Command::Data,
            b'L' => {
                let (name, rest) = cut(&data).ok_or(bad)?;
                // The value ends at its terminator; a peer that leaves the terminator out is understood.
                let value = match rest.last() {
                    Some(0) => rest.slice(..rest.len() - 1),
                    _ => rest,
                };
                Command::Header(name, value)
            }
            b'N' => Command::EndOfHeaders,
            b'B' => Command::Body(data),
            b'E' => Command::EndOfMessage(data),
            b'A' => Command::Abort,
            b'Q' => Command::Quit,
            b'K' => Command::QuitNewConnection,
            b'U' => Command::Unknown(strings(&data).next().ok_or(bad)?),
            other => return Err(Malformed::Code(other)),
        })
    }
}

/// Splits at the first NUL.
fn cut(data: &Bytes) -> Option<(Bytes, Bytes)> {
    let nul = memchr::memchr(0, data)?;
    Some((data.slice(..nul), data.slice(nul + 1..)))
}

/// NUL-terminated strings; a last one without its terminator counts too.
pub(super) fn strings(data: &Bytes) -> impl Iterator<Item = Bytes> + use<> {
    let mut rest = data.clone();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match cut(&rest) {
            Some((head, tail)) => {
                rest = tail;
                Some(head)
            }
            None => Some(std::mem::take(&mut rest)),
        }
    })
}

fn connect(data: &Bytes) -> Option<ConnectInfo> {
    let (hostname, rest) = cut(data)?;
    let family = *rest.first()?;
    let unknown = ConnectInfo {
        hostname,
        ..ConnectInfo::default()
    };
    if family == b'U' {
        return Some(unknown);
    }
    let port = u16::from_be_bytes(*rest.get(1..)?.first_chunk::<2>()?);
    let text = strings(&rest.slice(3..)).next().unwrap_or_default();
    match family {
        b'L' => Some(unknown),
        b'4' | b'6' => Some(ConnectInfo {
            addr: Some(address(&text)?),
            port,
            ..unknown
        }),
        _ => None,
    }
}

/// Sendmail writes IPv6 addresses as `IPv6:::1`, Postfix as `::1`. A link-local one may name its interface
/// behind a `%`, which is of no use here.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = match text.split_at_checked(5) {
        Some((tag, rest)) if tag.eq_ignore_ascii_case(b"ipv6:") => rest,
        _ => text,
    };
    let text = text.split(|b| *b == b'%').next()?;
    let addr: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(addr.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(code: u8, data: &'static [u8]) -> Result<Command, Malformed> {
        Command::parse(Frame {
            code,
            data: Bytes::from_static(data),
        })
    }

    fn addr(data: &'static [u8]) -> Option<IpAddr> {
        match parse(b'C', data) {
            Ok(Command::Connect(c)) => c.addr,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn connect_in_every_family() {
        assert_eq!(addr(b"h\x004\x00\x19192.0.2.1\0"), "192.0.2.1".parse().ok());
        assert_eq!(
            addr(b"h\x006\x00\x192001:db8::1\0"),
            "2001:db8::1".parse().ok()
        );
        assert_eq!(
            addr(b"h\x006\x00\x19IPv6:2001:db8::1\0"),
            "2001:db8::1".parse().ok()
        );
        assert_eq!(
            addr(b"h\x006\x00\x19::ffff:192.0.2.1\0"),
            "192.0.2.1".parse().ok()
        );
        assert_eq!(addr(b"h\0L\x00\x00/run/sock\0"), None);
        assert_eq!(addr(b"h\0U"), None);
        for bad in [
            &b""[..],
            b"h\0",
            b"h",
            b"h\x004",
            b"h\x004\x00\x19nonsense\0",
            b"h\0X\0\0a\0",
        ] {
            assert_eq!(parse(b'C', bad), Err(Malformed::Data('C')), "{bad:?}");
        }
    }

    #[test]
    fn header_fields_keep_every_byte() {
        let header = |data| match parse(b'L', data) {
            Ok(Command::Header(n, v)) => (n, v),
            other => panic!("{other:?}"),
        };
        let is = |data, n: &'static [u8], v: &'static [u8]| {
            assert_eq!(header(data), (Bytes::from_static(n), Bytes::from_static(v)));
        };
        is(b"Subject\0 a\n\tb\0", b"Subject", b" a\n\tb");
        is(b"X\0\0", b"X", b"");
        is(b"\0v\0", b"", b"v");
        is(b"X\0a\0b\0", b"X", b"a\0b");
        is(b"X\0\xff\xfe\0", b"X", b"\xff\xfe");
        is(b"X\0no terminator", b"X", b"no terminator");
        assert_eq!(parse(b'L', b"no nul"), Err(Malformed::Data('L')));
    }

    #[test]
    fn commands_without_their_data_are_refused() {
        for code in *b"CHMRLUD" {
            assert_eq!(parse(code, b""), Err(Malformed::Data(char::from(code))));
        }
        assert_eq!(parse(b'Z', b""), Err(Malformed::Code(b'Z')));
        assert_eq!(parse(b'B', b""), Ok(Command::Body(Bytes::new())));
    }

    #[test]
    fn mail_with_arguments_and_the_null_sender() {
        assert_eq!(
            parse(b'M', b"<>\0SIZE=1\0BODY=8BITMIME\0"),
            Ok(Command::Mail(
                Bytes::from_static(b"<>"),
                vec![
                    Bytes::from_static(b"SIZE=1"),
                    Bytes::from_static(b"BODY=8BITMIME")
                ]
            ))
        );
    }
}
