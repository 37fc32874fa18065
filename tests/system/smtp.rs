//! An SMTP client that does what it is told and gives back what it was answered.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::place::PATIENCE;

/// A reply: its code and its whole text, continuation lines joined by line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) text: String,
}

impl Reply {
    /// The id that every refusal of ours names.
    pub(crate) fn id(&self) -> &str {
        let at = self.text.find("(id ").expect("the reply names an id") + 4;
        self.text[at..].split(')').next().unwrap()
    }
}

/// An SMTP session.
pub(crate) struct Smtp {
    stream: BufReader<TcpStream>,
}

impl Smtp {
    /// Connects, takes the greeting and says EHLO.
    pub(crate) fn open(port: u16) -> Smtp {
        Smtp::over(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap())
    }

    /// The same over a connection that is there.
    pub(crate) fn over(stream: TcpStream) -> Smtp {
        let (mut smtp, greeting) = Smtp::greeted(stream).unwrap();
        assert_eq!(greeting.code, 220, "{greeting:?}");
        assert_eq!(smtp.command("EHLO client.example.net").code, 250);
        smtp
    }

    /// Connects and takes the greeting.
    pub(crate) fn connect(port: u16) -> std::io::Result<(Smtp, Reply)> {
        Smtp::greeted(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?)
    }

    /// Takes the greeting over a connection that is there.
    pub(crate) fn greeted(stream: TcpStream) -> std::io::Result<(Smtp, Reply)> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut smtp = Smtp {
            stream: BufReader::new(stream),
        };
        let greeting = smtp.reply()?;
        Ok((smtp, greeting))
    }

    fn reply(&mut self) -> std::io::Result<Reply> {
        let mut text = String::new();
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line)?;
            let line = String::from_utf8_lossy(&line);
            let bad = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, line.to_string());
            let code = line.get(..3).and_then(|c| c.parse().ok()).ok_or_else(bad)?;
            text.push_str(line.trim_end());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply { code, text });
            }
            text.push('\n');
        }
    }

    /// Sends a command and takes its reply.
    pub(crate) fn try_command(&mut self, command: &str) -> std::io::Result<Reply> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    pub(crate) fn command(&mut self, command: &str) -> Reply {
        self.try_command(command)
            .unwrap_or_else(|e| panic!("{command}: {e}"))
    }

    /// Claims to be another client, which the servers of the tests allow.
    pub(crate) fn xclient(&mut self, address: &str) {
        let reply = self.command(&format!("XCLIENT ADDR={address} NAME=[UNAVAILABLE]"));
        assert_eq!(reply.code, 220, "{reply:?}");
        assert_eq!(self.command("EHLO client.example.net").code, 250);
    }

    /// MAIL and RCPT with addresses that are taken.
    pub(crate) fn envelope(&mut self) {
        let mail = self.command("MAIL FROM:<sender@example.net>");
        assert_eq!(mail.code, 250, "{mail:?}");
        let rcpt = self.command("RCPT TO:<user@example.org>");
        assert_eq!(rcpt.code, 250, "{rcpt:?}");
    }

    /// DATA and the message, CRLF line ends, with what SMTP does to leading dots.
    pub(crate) fn try_data(&mut self, message: &[u8]) -> std::io::Result<Reply> {
        let go = self.try_command("DATA")?;
        if go.code != 354 {
            return Ok(go);
        }
        let mut wire = Vec::with_capacity(message.len() + 16);
        for line in message.split_inclusive(|b| *b == b'\n') {
            if line.starts_with(b".") {
                wire.push(b'.');
            }
            wire.extend_from_slice(line);
        }
        assert!(wire.ends_with(b"\r\n"), "the message ends with a line end");
        wire.extend_from_slice(b".\r\n");
        self.stream.get_mut().write_all(&wire)?;
        self.reply()
    }

    pub(crate) fn data(&mut self, message: &[u8]) -> Reply {
        self.try_data(message).unwrap()
    }

    /// One whole message.
    pub(crate) fn send(&mut self, message: &[u8]) -> Reply {
        self.envelope();
        self.data(message)
    }

    pub(crate) fn quit(mut self) {
        assert_eq!(self.command("QUIT").code, 221);
    }
}

/// One message in a session of its own; `Err` holds a lost connection.
pub(crate) fn attempt(port: u16, message: &[u8]) -> std::io::Result<Reply> {
    let (mut smtp, mut reply) = Smtp::connect(port)?;
    for command in [
        "EHLO client.example.net",
        "MAIL FROM:<sender@example.net>",
        "RCPT TO:<user@example.org>",
    ] {
        if reply.code >= 400 {
            return Ok(reply);
        }
        reply = smtp.try_command(command)?;
    }
    if reply.code >= 400 {
        return Ok(reply);
    }
    smtp.try_data(message)
}
