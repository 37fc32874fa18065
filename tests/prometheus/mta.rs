//! A milter connection, seen from the MTA.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use mailweir::milter::{Mta, MtaReply, Steps};

/// One connection.
pub(crate) struct Session {
    stream: TcpStream,
    mta: Mta,
    out: BytesMut,
    input: BytesMut,
}

impl Session {
    pub(crate) fn open(milter: SocketAddr) -> Session {
        let stream = TcpStream::connect(milter).unwrap();
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).unwrap();
        let mut session = Session {
            stream,
            mta: Mta { steps: Steps(0) },
            out: BytesMut::new(),
            input: BytesMut::new(),
        };
        Mta::offer(&mut session.out);
        let Some(MtaReply::Negotiated(_, _, steps, _)) = session.exchange(b'O') else {
            panic!("no negotiation");
        };
        session.mta.steps = steps;
        session
    }

    /// Everything up to RCPT; gives the reply to it.
    pub(crate) fn envelope(&mut self, client: &str) -> MtaReply {
        Mta::connect("client.example.net", client.parse().unwrap(), &mut self.out);
        self.exchange(b'C');
        self.command(b'H', &[b"client.example.net"]);
        self.command(b'M', &[b"<a@example.net>"]);
        self.command(b'R', &[b"<b@example.org>"]).unwrap()
    }

    /// Header, body and end of message; gives the final reply.
    pub(crate) fn message(&mut self, message: &str) -> MtaReply {
        let (header, body) = message.split_once("\r\n\r\n").unwrap();
        for line in header.split("\r\n") {
            let (name, value) = line.split_once(':').unwrap();
            self.command(b'L', &[name.as_bytes(), value.as_bytes()]);
        }
        self.command(b'N', &[]);
        Mta::body(body.as_bytes(), &mut self.out);
        self.exchange(b'B');
        Mta::command(b'E', &[], &mut self.out);
        loop {
            match self.exchange(b'E').unwrap() {
                MtaReply::InsertHeader(..)
                | MtaReply::ChangeHeader(..)
                | MtaReply::Hold(_)
                | MtaReply::Progress => {}
                reply => return reply,
            }
        }
    }

    /// Gives the message up and closes.
    pub(crate) fn give_up(mut self) {
        self.command(b'A', &[]);
        self.quit();
    }

    pub(crate) fn quit(mut self) {
        self.command(b'Q', &[]);
    }

    fn command(&mut self, code: u8, strings: &[&[u8]]) -> Option<MtaReply> {
        Mta::command(code, strings, &mut self.out);
        self.exchange(code)
    }

    /// Writes what is due and reads a reply if `code` is owed one.
    fn exchange(&mut self, code: u8) -> Option<MtaReply> {
        self.stream.write_all(&self.out.split()).unwrap();
        if !self.mta.answered(code) {
            return None;
        }
        loop {
            if let Some(reply) = Mta::decode(&mut self.input).unwrap() {
                return Some(reply);
            }
            let mut chunk = [0; 4096];
            let count = self.stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the daemon closed the connection");
            self.input.extend_from_slice(&chunk[..count]);
        }
    }
}
