//! Clients of the soak: what they send, how they misbehave, and what they may be answered.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mailweir::milter::MtaReply;

use super::super::daemon::{HELD, REFUSED, TAGGED};
use super::super::message::message;
use super::super::milter::{Milter, inserted};
use super::super::place::PATIENCE;

/// Numbers without order that are the same in every run with the same seed (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        // Neighbouring seeds must not begin alike, and none may be 0.
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// What a message is, and so what may become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ham,
    Tagged,
    Held,
    Refused,
    TooLarge,
}

/// One message; no two are alike.
struct Letter {
    kind: Kind,
    raw: Vec<u8>,
}

impl Letter {
    fn new(dice: &mut Dice, name: &str) -> Letter {
        let (kind, word) = match dice.below(10) {
            0..3 => (Kind::Ham, "nothing"),
            3..5 => (Kind::Tagged, TAGGED),
            5..8 => (Kind::Held, HELD),
            8 => (Kind::Refused, REFUSED),
            _ => (Kind::TooLarge, "nothing"),
        };
        let lines = match kind {
            Kind::TooLarge => 1200,
            _ if dice.below(4) == 0 => 500,
            _ => dice.below(20),
        };
        let filler = "This line is sixty-four bytes long, its end of line included..\r\n";
        let filler = filler.repeat(usize::try_from(lines).unwrap());
        Letter {
            kind,
            raw: message(name, &format!("{word} {name}\r\n{filler}The end.")),
        }
    }

    /// The verdict that the answer stands for. Fails where a message of this kind may not be answered so.
    fn verdict(&self, replies: &[MtaReply]) -> &'static str {
        let kind = self.kind;
        let flag = inserted(replies, "X-Spam-Flag");
        match replies.last().unwrap() {
            MtaReply::Continue => {
                // Whatever was not scanned is not delivered.
                let virus = inserted(replies, "X-Virus-Status");
                assert_eq!(virus.as_deref(), Some("Clean"), "{kind:?}");
                match (kind, flag.as_deref()) {
                    (Kind::Ham, Some("NO")) => "deliver",
                    (Kind::Tagged, Some("YES")) => "tag",
                    other => panic!("delivered: {other:?}"),
                }
            }
            MtaReply::Discard if kind == Kind::Held => "quarantine",
            MtaReply::Text(text) => {
                assert_eq!(replies.len(), 1, "{kind:?}: {text} and changes");
                let small = kind != Kind::TooLarge;
                let virus = text.starts_with("550 5.7.1 Message refused: a virus was found (id ");
                let spam = text.starts_with("550 5.7.1 Message refused as spam (id ");
                match text.split(' ').next().unwrap() {
                    "550" if virus && small => "reject",
                    "550" if spam && kind == Kind::Refused => "reject",
                    "552" if kind == Kind::TooLarge => "reject",
                    "451" if small && kind != Kind::Refused => "tempfail",
                    "452" => "tempfail",
                    _ => panic!("{kind:?}: {text}"),
                }
            }
            other => panic!("{kind:?}: {other:?}"),
        }
    }
}

/// One message to be held, sent as clients do that behave.
pub(crate) fn hold(port: u16, name: &str) -> Tally {
    let letter = Letter {
        kind: Kind::Held,
        raw: message(name, &format!("{HELD} {name}")),
    };
    let mut milter = Milter::open(port);
    milter.connect("198.18.0.1");
    milter.envelope();
    let body = milter.header(&letter.raw);
    milter.body(body);
    milter.write_end();
    let verdict = letter.verdict(&milter.final_replies());
    let mut tally = Tally {
        begun: 1,
        ..Tally::default()
    };
    tally.answered.insert(verdict, 1);
    if verdict == "quarantine" {
        tally.held.push(letter.raw);
    }
    assert!(milter.quit().unwrap().is_empty());
    tally
}

/// What the clients know of a stretch of load.
#[derive(Default)]
pub(crate) struct Tally {
    /// Transactions begun with MAIL.
    pub(crate) begun: usize,
    /// Final replies read, by the verdict that they stand for.
    pub(crate) answered: BTreeMap<&'static str, usize>,
    /// Messages sent to their end whose answer nobody waited for.
    pub(crate) unread: usize,
    /// Messages that were answered "discard": they must be in the quarantine, once.
    pub(crate) held: Vec<Vec<u8>>,
    /// Messages that may be there, once: the connection was lost before their answer.
    pub(crate) perhaps: Vec<Vec<u8>>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.begun += other.begun;
        self.unread += other.unread;
        for (verdict, count) in other.answered {
            *self.answered.entry(verdict).or_default() += count;
        }
        self.held.extend(other.held);
        self.perhaps.extend(other.perhaps);
    }
}

/// One client that opens session after session.
pub(crate) struct Client<'a> {
    pub(crate) port: u16,
    /// Unique; becomes part of each message.
    pub(crate) name: String,
    pub(crate) dice: Dice,
    pub(crate) stop: &'a AtomicBool,
    /// Whether the daemon may be killed in this stretch, so that a lost connection is no fault.
    pub(crate) kills: bool,
}

impl Client<'_> {
    /// Until it is stopped.
    pub(crate) fn run(mut self) -> Tally {
        let mut tally = Tally::default();
        let mut stalled = Vec::new();
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let done = match self.dice.below(40) {
                0 => self.garbage(),
                _ => self.session(&mut number, &mut tally, &mut stalled),
            };
            match done {
                Ok(()) => {}
                // The daemon is away for a moment; that is the interval of trying again.
                Err(_) if self.kills => std::thread::sleep(Duration::from_millis(20)),
                Err(e) => panic!("{}: the daemon broke off: {e}", self.name),
            }
        }
        tally
    }

    /// Bytes that are no milter protocol: the daemon hangs up, or waits for the rest.
    fn garbage(&mut self) -> io::Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let bytes: Vec<u8> = (0..self.dice.below(2000))
            .map(|_| self.dice.below(256) as u8)
            .collect();
        // It may hang up while we write, and with bytes of ours unread.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        Ok(())
    }

    fn session(
        &mut self,
        number: &mut usize,
        tally: &mut Tally,
        stalled: &mut Vec<Milter>,
    ) -> io::Result<()> {
        let mut milter = Milter::try_open(self.port)?;
        let (c, d) = (self.dice.below(256), self.dice.below(256));
        let connected = milter.try_connect(&format!("198.18.{c}.{d}"))?;
        assert_eq!(connected, MtaReply::Continue);
        for _ in 0..=self.dice.below(4) {
            *number += 1;
            let letter = Letter::new(&mut self.dice, &format!("{}-{number}.", self.name));
            milter.try_envelope()?;
            tally.begun += 1;
            let fate = self.dice.below(30);
            if fate == 0 {
                return Ok(());
            }
            let body = milter.try_header(&letter.raw)?;
            for chunk in body.chunks(20_000) {
                assert_eq!(milter.try_body(chunk)?, MtaReply::Continue);
                match fate {
                    1 => return Ok(()),
                    2 => std::thread::sleep(Duration::from_millis(20)),
                    3 if stalled.len() < 2 => {
                        // Says nothing more; the daemon gives it up, or it ends with this client.
                        stalled.push(milter);
                        return Ok(());
                    }
                    _ => {}
                }
            }
            if fate == 4 {
                milter.try_command(b'A', &[])?;
                continue;
            }
            milter.try_write_end()?;
            if fate == 5 {
                tally.unread += 1;
                tally.perhaps.push(letter.raw);
                return Ok(());
            }
            match milter.try_final_replies() {
                Ok(replies) => {
                    let verdict = letter.verdict(&replies);
                    *tally.answered.entry(verdict).or_default() += 1;
                    if verdict == "quarantine" {
                        tally.held.push(letter.raw);
                    }
                }
                Err(e) => {
                    tally.perhaps.push(letter.raw);
                    return Err(e);
                }
            }
        }
        let stray = milter.quit()?;
        assert!(stray.is_empty(), "replies that nobody asked for: {stray:?}");
        Ok(())
    }
}
