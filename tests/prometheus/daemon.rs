//! The real daemon, and an MTA that talks to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::BytesMut;
use mailweir::milter::{Mta, MtaReply};

/// `mailweir serve` with ephemeral ports; killed when dropped.
pub(crate) struct Daemon {
    process: Child,
    milter: SocketAddr,
    /// Where `/metrics` is.
    pub(crate) metrics: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Daemon {
    pub(crate) fn start() -> Daemon {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("mailweir.yaml");
        std::fs::write(
            &config,
            "milter: { listen: [\"127.0.0.1:0\"] }\nhttp: { listen: \"127.0.0.1:0\" }\nchain: []\nlog: { level: warn }\n",
        )
        .unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_mailweir"))
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .arg("--data-dir")
            .arg(dir.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut milter, mut metrics) = (None, None);
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        while milter.is_none() || metrics.is_none() {
            let line = lines.next().expect("the daemon has ended").unwrap();
            if let Some(address) = line.strip_prefix("milter: ") {
                milter = address.parse().ok();
            }
            if let Some(url) = line.strip_prefix("metrics: http://") {
                metrics = url.strip_suffix("/metrics").unwrap().parse().ok();
            }
        }
        Daemon {
            process,
            milter: milter.unwrap(),
            metrics: metrics.unwrap(),
            _dir: dir,
        }
    }

    /// Sends a message as an MTA does; gives the final reply.
    pub(crate) fn send(&self, message: &[u8]) -> MtaReply {
        let mut session = Session::open(self.milter);
        session.envelope();
        let (header, body) = split(message);
        for line in header.split("\r\n").filter(|l| !l.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            session.command(b'L', &[name.as_bytes(), value.as_bytes()]);
        }
        session.command(b'N', &[]);
        Mta::body(body.as_bytes(), &mut session.out);
        session.exchange(b'B');
        Mta::command(b'E', &[], &mut session.out);
        let reply = loop {
            match session.exchange(b'E').unwrap() {
                MtaReply::InsertHeader(..)
                | MtaReply::ChangeHeader(..)
                | MtaReply::Hold(_)
                | MtaReply::Progress => {}
                reply => break reply,
            }
        };
        session.command(b'Q', &[]);
        reply
    }

    /// Begins a message and gives it up.
    pub(crate) fn give_up(&self) {
        let mut session = Session::open(self.milter);
        session.envelope();
        session.command(b'A', &[]);
        session.command(b'Q', &[]);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn split(message: &[u8]) -> (&str, &str) {
    std::str::from_utf8(message)
        .unwrap()
        .split_once("\r\n\r\n")
        .unwrap()
}

/// A milter connection, seen from the MTA.
struct Session {
    stream: TcpStream,
    mta: Mta,
    out: BytesMut,
    input: BytesMut,
}

impl Session {
    fn open(milter: SocketAddr) -> Session {
        let stream = TcpStream::connect(milter).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut session = Session {
            stream,
            mta: Mta {
                steps: mailweir::milter::Steps(0),
            },
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

    fn envelope(&mut self) {
        Mta::connect(
            "client.example.net",
            "192.0.2.1".parse().unwrap(),
            &mut self.out,
        );
        self.exchange(b'C');
        self.command(b'H', &[b"client.example.net"]);
        self.command(b'M', &[b"<a@example.net>"]);
        self.command(b'R', &[b"<b@example.org>"]);
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
