//! The MTA of the tests: it sends whatever it is told to, legal or not, and writes down what the session
//! made of it as lines that a person can read.

use bytes::BytesMut;
use mailweir::milter::{Event, Frame, ProtocolError, Reply, Session};

/// Steps offered by Postfix 3.7 and Sendmail 8.17.
pub(crate) const ALL_STEPS: u32 = 0x1f_ffff;
/// Actions offered by both.
pub(crate) const ALL_ACTIONS: u32 = 0x1ff;
/// All "no reply" bits: CONNECT, HELO, MAIL, RCPT, DATA, UNKNOWN, EOH, BODY and the header's.
pub(crate) const NO_REPLIES: u32 = 0xf_f080;

pub(crate) struct Peer {
    pub(crate) session: Session,
    pub(crate) input: BytesMut,
    pub(crate) output: BytesMut,
}

/// A packet as it goes over the wire.
pub(crate) fn packet(code: u8, data: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(data.len() + 1)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    out.push(code);
    out.extend_from_slice(data);
    out
}

/// The data of an `O` packet.
pub(crate) fn offer(version: u32, actions: u32, steps: u32) -> Vec<u8> {
    [version, actions, steps].map(u32::to_be_bytes).concat()
}

impl Peer {
    /// Nothing was said yet.
    pub(crate) fn silent() -> Peer {
        Peer {
            session: Session::new(),
            input: BytesMut::new(),
            output: BytesMut::new(),
        }
    }

    /// Negotiated under this offer.
    pub(crate) fn offering(version: u32, actions: u32, steps: u32) -> Peer {
        let mut peer = Peer::silent();
        peer.send(b'O', &offer(version, actions, steps));
        assert_eq!(peer.run(), ["negotiated"]);
        peer.output.clear();
        peer
    }

    /// Negotiated under everything that today's MTAs offer.
    pub(crate) fn modern() -> Peer {
        Peer::offering(6, ALL_ACTIONS, ALL_STEPS)
    }

    /// Negotiated with a peer that waits for a reply to every command.
    pub(crate) fn talkative() -> Peer {
        Peer::offering(6, ALL_ACTIONS, ALL_STEPS & !NO_REPLIES)
    }

    /// Appends a packet to what the session will read.
    pub(crate) fn send(&mut self, code: u8, data: &[u8]) {
        self.input.extend_from_slice(&packet(code, data));
    }

    /// Appends a packet and takes all that comes of it.
    pub(crate) fn say(&mut self, code: u8, data: &[u8]) -> Vec<String> {
        self.send(code, data);
        self.run()
    }

    /// The next event, unanswered.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, ProtocolError> {
        self.session.next(&mut self.input, &mut self.output)
    }

    /// Answers what is owed.
    pub(crate) fn reply(&mut self, reply: &Reply) -> bool {
        self.session.reply(reply, &mut self.output)
    }

    /// All events, answered CONTINUE.
    pub(crate) fn run(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(event) = self.next().unwrap() {
            lines.push(show(&event));
            self.reply(&Reply::Continue);
        }
        lines
    }

    /// Takes the letters of all packets written to the MTA.
    pub(crate) fn letters(&mut self) -> String {
        self.written().iter().map(|f| char::from(f.code)).collect()
    }

    /// Takes all packets written to the MTA.
    pub(crate) fn written(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = Frame::decode(&mut self.output).unwrap() {
            frames.push(frame);
        }
        assert!(self.output.is_empty(), "half a packet was written");
        frames
    }

    /// CONNECT, HELO, MAIL and one RCPT.
    pub(crate) fn open(&mut self) -> Vec<String> {
        self.send(b'C', b"mx.example\x004\x30\x39192.0.2.1\0");
        self.send(b'H', b"helo.example\0");
        self.send(b'M', b"<a@example.org>\0");
        self.send(b'R', b"<b@example.net>\0");
        self.run()
    }
}

/// One line for an event; bytes that are not printable ASCII are escaped, long bodies are cut.
pub(crate) fn show(event: &Event) -> String {
    let text = |bytes: &[u8]| {
        let shown = bytes.get(..100).unwrap_or(bytes).escape_ascii().to_string();
        match bytes.len() {
            0..=100 => shown,
            more => format!("{shown}... ({more} bytes)"),
        }
    };
    let words = |verb: &str, path: &[u8], args: &[bytes::Bytes]| {
        let mut line = format!("{verb} {}", text(path));
        for arg in args {
            line = format!("{line} {}", text(arg));
        }
        line
    };
    match event {
        Event::Negotiated => "negotiated".to_owned(),
        Event::Connect(info) => match info.addr {
            Some(addr) => format!("connect {} {addr} port {}", text(&info.hostname), info.port),
            None => format!("connect {} without address", text(&info.hostname)),
        },
        Event::Helo(name) => format!("helo {}", text(name)),
        Event::Mail(path, args) => words("mail", path, args),
        Event::Rcpt(path, args) => words("rcpt", path, args),
        Event::Data => "data".to_owned(),
        Event::Header(name, value) => format!("header {}:{}", text(name), text(value)),
        Event::EndOfHeaders => "end of headers".to_owned(),
        Event::Body(chunk) => format!("body {}", text(chunk)),
        Event::EndOfMessage => "end of message".to_owned(),
        Event::Abort => "abort".to_owned(),
        Event::Unknown(line) => format!("unknown {}", text(line)),
        Event::NewConnection => "new connection".to_owned(),
        Event::Quit => "quit".to_owned(),
    }
}
