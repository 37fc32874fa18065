//! The MTA's side of a milter connection, for what no real MTA does on demand.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};

use bytes::BytesMut;
use mailweir::milter::{Actions, Mta, MtaReply};

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
        Milter::try_open(port).unwrap()
    }

    pub(crate) fn try_open(port: u16) -> io::Result<Milter> {
        Milter::try_open_without(port, Actions(0))
    }

    /// The same, offering all but these actions.
    pub(crate) fn open_without(port: u16, actions: Actions) -> Milter {
        Milter::try_open_without(port, actions).unwrap()
    }

    fn try_open_without(port: u16, actions: Actions) -> io::Result<Milter> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut milter = Milter {
            stream,
            input: BytesMut::new(),
            mta: Mta {
                steps: Default::default(),
            },
        };
        let mut out = BytesMut::new();
        Mta::offer(&mut out);
        // The actions are the second word behind length and letter.
        let offered = u32::from_be_bytes(out[9..13].try_into().unwrap()) & !actions.0;
        out[9..13].copy_from_slice(&offered.to_be_bytes());
        milter.stream.write_all(&out)?;
        let MtaReply::Negotiated(_, _, steps, _) = milter.read()? else {
            panic!("the first reply is that to the offer");
        };
        milter.mta.steps = steps;
        Ok(milter)
    }

    fn read(&mut self) -> io::Result<MtaReply> {
        loop {
            if let Some(reply) = Mta::decode(&mut self.input).unwrap() {
                return Ok(reply);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.input.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Sends what was encoded for `code` and takes the reply, if one is owed.
    fn try_send(&mut self, code: u8, encode: impl FnOnce(&mut BytesMut)) -> io::Result<MtaReply> {
        if !self.mta.sent(code) {
            return Ok(MtaReply::Continue);
        }
        let mut out = BytesMut::new();
        encode(&mut out);
        self.stream.write_all(&out)?;
        match self.mta.answered(code) {
            true => self.read(),
            false => Ok(MtaReply::Continue),
        }
    }

    pub(crate) fn connect(&mut self, address: &str) -> MtaReply {
        self.try_connect(address).unwrap()
    }

    pub(crate) fn try_connect(&mut self, address: &str) -> io::Result<MtaReply> {
        let address: IpAddr = address.parse().unwrap();
        self.try_send(b'C', |out| {
            Mta::macros(b'C', &[("j", "mx.example.org")], out);
            Mta::connect("client.example.net", address, out);
        })
    }

    pub(crate) fn try_command(&mut self, code: u8, strings: &[&[u8]]) -> io::Result<MtaReply> {
        self.try_send(code, |out| Mta::command(code, strings, out))
    }

    /// HELO, MAIL, RCPT, DATA.
    pub(crate) fn envelope(&mut self) {
        self.try_envelope().unwrap();
    }

    pub(crate) fn try_envelope(&mut self) -> io::Result<()> {
        self.try_command(b'H', &[b"client.example.net"])?;
        self.try_command(b'M', &[b"<sender@example.net>"])?;
        self.try_command(b'R', &[b"<user@example.org>"])?;
        self.try_command(b'T', &[])?;
        Ok(())
    }

    /// HELO, and MAIL with a login or without.
    pub(crate) fn mail(&mut self, sender: &str, login: Option<&str>) -> MtaReply {
        self.try_command(b'H', &[b"client.example.net"]).unwrap();
        let sender = format!("<{sender}>");
        self.try_send(b'M', |out| {
            let login: Vec<_> = login.map(|l| ("{auth_authen}", l)).into_iter().collect();
            Mta::macros(b'M', &login, out);
            Mta::command(b'M', &[sender.as_bytes()], out);
        })
        .unwrap()
    }

    pub(crate) fn rcpt(&mut self, recipient: &str) -> MtaReply {
        let recipient = format!("<{recipient}>");
        self.try_command(b'R', &[recipient.as_bytes()]).unwrap()
    }

    /// The message is given up; the session goes on.
    pub(crate) fn abort(&mut self) {
        self.try_command(b'A', &[]).unwrap();
    }

    /// A whole message behind its envelope; everything that is answered at its end.
    pub(crate) fn message(&mut self, message: &[u8]) -> Vec<MtaReply> {
        let body = self.header(message).to_vec();
        self.body(&body);
        self.write_end();
        self.final_replies()
    }

    /// All header fields of a message with CRLF line ends, and the end of the header; gives the body.
    pub(crate) fn header<'a>(&mut self, message: &'a [u8]) -> &'a [u8] {
        self.try_header(message).unwrap()
    }

    pub(crate) fn try_header<'a>(&mut self, message: &'a [u8]) -> io::Result<&'a [u8]> {
        let end = message.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&message[..end]).unwrap();
        for field in head.split("\r\n") {
            let (name, value) = field.split_once(':').unwrap();
            self.try_command(b'L', &[name.as_bytes(), value.as_bytes()])?;
        }
        self.try_command(b'N', &[])?;
        Ok(&message[end + 4..])
    }

    pub(crate) fn body(&mut self, chunk: &[u8]) -> MtaReply {
        self.try_body(chunk).unwrap()
    }

    pub(crate) fn try_body(&mut self, chunk: &[u8]) -> io::Result<MtaReply> {
        self.try_send(b'B', |out| Mta::body(chunk, out))
    }

    /// Sends end of message.
    pub(crate) fn write_end(&mut self) {
        self.try_write_end().unwrap();
    }

    pub(crate) fn try_write_end(&mut self) -> io::Result<()> {
        let mut out = BytesMut::new();
        Mta::command(b'E', &[], &mut out);
        self.stream.write_all(&out)
    }

    /// The first of what is answered at the end of the message, signs of life left out.
    pub(crate) fn first_of_end(&mut self) -> MtaReply {
        loop {
            match self.read().unwrap() {
                MtaReply::Progress => {}
                reply => return reply,
            }
        }
    }

    /// Everything up to and with the final reply, signs of life left out.
    pub(crate) fn final_replies(&mut self) -> Vec<MtaReply> {
        self.try_final_replies().unwrap()
    }

    pub(crate) fn try_final_replies(&mut self) -> io::Result<Vec<MtaReply>> {
        let mut replies = Vec::new();
        loop {
            match self.read()? {
                MtaReply::Progress => {}
                change @ (MtaReply::InsertHeader(..)
                | MtaReply::ChangeHeader(..)
                | MtaReply::DeleteRecipient(_)
                | MtaReply::Hold(_)) => replies.push(change),
                last => {
                    replies.push(last);
                    return Ok(replies);
                }
            }
        }
    }

    /// Ends the session; gives the bytes that came although nothing was owed.
    pub(crate) fn quit(mut self) -> io::Result<Vec<u8>> {
        self.try_command(b'Q', &[])?;
        let mut stray = self.input.to_vec();
        self.stream.read_to_end(&mut stray)?;
        Ok(stray)
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
