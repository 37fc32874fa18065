//! The MTA's side of a milter connection, for what no real MTA does on demand.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};

use bytes::BytesMut;
use mailweir::milter::{Mta, MtaReply};

use super::place::PATIENCE;

/// A connection past negotiation.
pub(crate) struct Milter {
    stream: TcpStream,
    input: BytesMut,
    mta: Mta,
}

impl Milter {
    /// Connects to the port and offers what Postfix 3.7 offers.
    pub(crate) fn open(port: u16) -> Milter {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut milter = Milter {
            stream,
            input: BytesMut::new(),
            mta: Mta {
                steps: Default::default(),
            },
        };
        let mut out = BytesMut::new();
        Mta::offer(&mut out);
        milter.write(&out);
        let MtaReply::Negotiated(_, _, steps, _) = milter.read() else {
            panic!("the first reply is that to the offer");
        };
        milter.mta.steps = steps;
        milter
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn read(&mut self) -> MtaReply {
        loop {
            if let Some(reply) = Mta::decode(&mut self.input).unwrap() {
                return reply;
            }
            let mut buffer = [0; 4096];
            let count = self.stream.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "the daemon closed the connection");
            self.input.extend_from_slice(&buffer[..count]);
        }
    }

    /// Sends what was encoded for `code` and takes the reply, if one is owed.
    fn send(&mut self, code: u8, encode: impl FnOnce(&mut BytesMut)) -> MtaReply {
        if !self.mta.sent(code) {
            return MtaReply::Continue;
        }
        let mut out = BytesMut::new();
        encode(&mut out);
        self.write(&out);
        match self.mta.answered(code) {
            true => self.read(),
            false => MtaReply::Continue,
        }
    }

    pub(crate) fn connect(&mut self, address: &str) -> MtaReply {
        let address: IpAddr = address.parse().unwrap();
        self.send(b'C', |out| {
            Mta::macros(b'C', &[("j", "mx.example.org")], out);
            Mta::connect("client.example.net", address, out);
        })
    }

    pub(crate) fn command(&mut self, code: u8, strings: &[&[u8]]) -> MtaReply {
        self.send(code, |out| Mta::command(code, strings, out))
    }

    /// HELO, MAIL, RCPT, DATA.
    pub(crate) fn envelope(&mut self) {
        self.command(b'H', &[b"client.example.net"]);
        self.command(b'M', &[b"<sender@example.net>"]);
        self.command(b'R', &[b"<user@example.org>"]);
        self.command(b'T', &[]);
    }

    /// All header fields of a message with CRLF line ends, and the end of the header; gives the body.
    pub(crate) fn header<'a>(&mut self, message: &'a [u8]) -> &'a [u8] {
        let end = message.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&message[..end]).unwrap();
        for field in head.split("\r\n") {
            let (name, value) = field.split_once(':').unwrap();
            self.command(b'L', &[name.as_bytes(), value.as_bytes()]);
        }
        self.command(b'N', &[]);
        &message[end + 4..]
    }

    pub(crate) fn body(&mut self, chunk: &[u8]) -> MtaReply {
        self.send(b'B', |out| Mta::body(chunk, out))
    }

    /// Sends end of message.
    pub(crate) fn write_end(&mut self) {
        let mut out = BytesMut::new();
        Mta::command(b'E', &[], &mut out);
        self.write(&out);
    }

    /// Everything up to and with the final reply, signs of life left out.
    pub(crate) fn final_replies(&mut self) -> Vec<MtaReply> {
        let mut replies = Vec::new();
        loop {
            match self.read() {
                MtaReply::Progress => {}
                change @ (MtaReply::InsertHeader(..)
                | MtaReply::ChangeHeader(..)
                | MtaReply::Hold(_)) => replies.push(change),
                last => {
                    replies.push(last);
                    return replies;
                }
            }
        }
    }
}

/// The value of a header field that the replies insert.
pub(crate) fn inserted(replies: &[MtaReply], wanted: &str) -> Option<String> {
    replies.iter().find_map(|r| match r {
        MtaReply::InsertHeader(_, name, value) if name == wanted => {
            Some(value.replace("\n\t", " ").trim().to_owned())
        }
        _ => None,
    })
}
