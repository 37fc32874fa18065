//! Release from the quarantine against a mail server made for the purpose: the message arrives untouched,
//! its mark lets it back in, and every way to fail leaves a state from which one can go on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use mailweir::config::Seconds;
use mailweir::mail::{Address, Envelope};
use mailweir::metrics::Metrics;
use mailweir::quarantine::{Entry, Options, Quarantine, QuarantineError, Redeem, State};
use mailweir::verdict::Verdict;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use ulid::Ulid;

/// What the server does otherwise than a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Good,
    /// Offers no extensions.
    Plain,
    /// Refuses recipients that begin with `no`.
    RefusesRecipient,
    /// Refuses the message at its end.
    RefusesMessage,
    /// Takes the message and hangs up without an answer.
    HangsUp,
    /// Never says a word.
    Silent,
}

/// What one connection has brought.
#[derive(Debug, Default)]
struct Taken {
    mail: String,
    recipients: Vec<String>,
    /// Without dot-stuffing.
    data: Option<Vec<u8>>,
}

async fn line(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    // A server that takes nothing but CRLF for a line end.
    while !line.ends_with(b"\r\n") {
        if reader.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(line)
}

async fn serve(stream: TcpStream, server: Server) -> Taken {
    let mut taken = Taken::default();
    let mut stream = BufReader::new(stream);
    if server == Server::Silent {
        let _ = stream.read(&mut [0; 1]).await;
        return taken;
    }
    stream.write_all(b"220 test\r\n").await.unwrap();
    while let Some(command) = line(&mut stream).await {
        let command = String::from_utf8_lossy(&command).trim_end().to_owned();
        let verb = command.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match verb.as_str() {
            "EHLO" if server == Server::Plain => b"250 test\r\n",
            "EHLO" => b"250-test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "MAIL" => {
                taken.mail = command;
                b"250 ok\r\n"
            }
            "RCPT" if server == Server::RefusesRecipient && command.contains("<no") => {
                b"550 5.1.1 \x1b[2Jno such user\r\n"
            }
            "RCPT" => {
                taken.recipients.push(command);
                b"250 ok\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 go\r\n").await.unwrap();
                let mut data = Vec::new();
                loop {
                    let line = line(&mut stream).await.unwrap();
                    if line == b".\r\n" {
                        break;
                    }
                    data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                }
                taken.data = Some(data);
                match server {
                    Server::HangsUp => return taken,
                    Server::RefusesMessage => b"554 5.7.1 no\r\n",
                    _ => b"250 taken\r\n",
                }
            }
            "QUIT" => {
                let _ = stream.write_all(b"221 bye\r\n").await;
                return taken;
            }
            _ => b"502 what?\r\n",
        };
        stream.write_all(reply).await.unwrap();
    }
    taken
}

struct House {
    /// The daemon's handle.
    daemon: Arc<Quarantine>,
    /// The command's handle, as of another process.
    command: Quarantine,
    listener: TcpListener,
    id: String,
    raw: Bytes,
    _dir: tempfile::TempDir,
}

impl House {
    async fn new(raw: &[u8], recipients: &[&str]) -> House {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut options = Options::default();
        options.release.smtp.value = listener.local_addr().unwrap().to_string();
        options.release.timeout.value = Seconds::new(20);
        House::with(raw, recipients, options, listener).await
    }

    async fn with(raw: &[u8], to: &[&str], options: Options, listener: TcpListener) -> House {
        let dir = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let daemon = Quarantine::open(&options, dir.path(), metrics.clone()).await;
        let daemon = Arc::new(daemon.unwrap());
        let envelope = Envelope {
            sender: Some(Address::new(b"<sender@example.net>")),
            recipients: to.iter().map(|r| Address::new(r.as_bytes())).collect(),
            ..Envelope::default()
        };
        let id = Ulid::new().to_string();
        let verdict = Verdict::released();
        let entry = Entry::new(&id, Timestamp::now(), &envelope, "x", &verdict, raw.len());
        let raw = Bytes::copy_from_slice(raw);
        daemon.store(&entry, raw.clone()).await.unwrap();
        let command = Quarantine::attach(&options, dir.path(), metrics)
            .await
            .unwrap();
        House {
            daemon,
            command,
            listener,
            id,
            raw,
            _dir: dir,
        }
    }

    /// Releases while the server serves one connection.
    async fn release(&self, server: Server, again: bool) -> (Result<(), QuarantineError>, Taken) {
        let work = self.command.release(&self.id, &[], again);
        let serve = async {
            let (stream, _) = self.listener.accept().await.unwrap();
            serve(stream, server).await
        };
        let (released, taken) = tokio::join!(work, serve);
        (released.map(|_| ()), taken)
    }

    async fn state(&self) -> State {
        self.daemon.get(&self.id).await.unwrap().state
    }

    /// What the filter says when the MTA brings the message back, with a field of its own on top.
    async fn redeem(&self, data: &[u8]) -> Redeem {
        let (mark, _) = split(data);
        let raw = [b"Received: by mta\r\n", data].concat();
        self.daemon.redeem(&mark, &raw.into()).await.unwrap()
    }
}

/// The mark on top of what was sent, and the rest.
fn split(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|b| *b == b'\n').unwrap();
    let first = std::str::from_utf8(&data[..end]).unwrap().trim_end();
    let mark = first.strip_prefix("X-Mailweir-Release: ").unwrap();
    (mark.to_owned(), &data[end + 1..])
}

const RAW: &[u8] =
    b"From: a@example.net\r\nSubject: x\r\n\r\n.\r\n..two\r\n\xff 8 bit\r\nlast\r\n\r\n";

#[tokio::test]
async fn a_released_message_arrives_untouched_and_passes_the_filter() {
    let house = House::new(RAW, &["<a@example.org>", "<b@example.org>"]).await;
    let (released, taken) = house.release(Server::Good, false).await;
    released.unwrap();
    assert_eq!(taken.mail, "MAIL FROM:<sender@example.net> BODY=8BITMIME");
    assert_eq!(
        taken.recipients,
        ["RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>"]
    );
    let data = taken.data.unwrap();
    assert_eq!(split(&data).1, RAW);
    assert_eq!(house.state().await, State::Released);
    assert!(
        house
            .daemon
            .get(&house.id)
            .await
            .unwrap()
            .released
            .is_some()
    );

    let changed = [&data[..], b"more\r\n"].concat();
    assert!(matches!(house.redeem(&changed).await, Redeem::Refused(_)));
    assert_eq!(house.redeem(&data).await, Redeem::Pass);
    assert_eq!(house.redeem(&data).await, Redeem::Pass, "for a lost answer");
    assert!(matches!(house.redeem(&data).await, Redeem::Refused(_)));

    let error = house
        .command
        .release(&house.id, &[], false)
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::Released { .. }), "{error}");
    let (again, taken) = house.release(Server::Good, true).await;
    again.unwrap();
    let again = taken.data.unwrap();
    assert_ne!(split(&again).0, split(&data).0, "a mark of its own");
    assert_eq!(house.redeem(&again).await, Redeem::Pass);
    assert_eq!(house.daemon.read(&house.id).await.unwrap(), house.raw);
}

#[tokio::test]
async fn a_lone_line_end_cannot_end_the_message_early() {
    let smuggled = b"Subject: x\r\n\r\none\n.\r\nMAIL FROM:<evil@example.net>\r\n\r.\rtwo\n.\n";
    let house = House::new(smuggled, &["<a@example.org>"]).await;
    let (released, taken) = house.release(Server::Good, false).await;
    released.unwrap();
    assert_eq!(taken.mail, "MAIL FROM:<sender@example.net>");
    let data = taken.data.unwrap();
    assert_eq!(
        split(&data).1,
        b"Subject: x\r\n\r\none\r\n.\r\nMAIL FROM:<evil@example.net>\r\n\r\n.\r\ntwo\r\n.\r\n"
    );
    assert_eq!(house.redeem(&data).await, Redeem::Pass);
}

#[tokio::test]
async fn what_is_refused_is_held_as_before_and_its_mark_is_void() {
    for server in [
        Server::RefusesRecipient,
        Server::RefusesMessage,
        Server::Plain,
    ] {
        let house = House::new(RAW, &["<a@example.org>", "<no@example.org>"]).await;
        let (released, taken) = house.release(server, false).await;
        let error = released.unwrap_err();
        assert!(matches!(error, QuarantineError::NotSent(_)), "{error}");
        assert!(!error.to_string().contains('\x1b'), "{error}");
        assert_eq!(house.state().await, State::Held, "{server:?}");
        match taken.data {
            Some(data) => assert!(matches!(house.redeem(&data).await, Redeem::Refused(_))),
            None => assert_ne!(server, Server::RefusesMessage),
        }
        house.release(Server::Good, false).await.0.unwrap();
        assert_eq!(house.state().await, State::Released);
    }
}

#[tokio::test]
async fn without_an_answer_the_release_can_be_run_again_and_one_copy_passes() {
    let house = House::new(RAW, &["<a@example.org>"]).await;
    let (released, taken) = house.release(Server::HangsUp, false).await;
    let error = released.unwrap_err();
    assert!(matches!(error, QuarantineError::Unsure(_)), "{error}");
    assert_eq!(house.state().await, State::Releasing);
    let first = taken.data.unwrap();
    let (released, taken) = house.release(Server::Good, false).await;
    released.unwrap();
    assert_eq!(house.redeem(&taken.data.unwrap()).await, Redeem::Pass);
    let late = house.redeem(&first).await;
    assert!(matches!(late, Redeem::Refused(_)), "{late:?}");
}

#[tokio::test]
async fn a_silent_or_absent_server_costs_a_bounded_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options::default();
    options.release.smtp.value = listener.local_addr().unwrap().to_string();
    options.release.timeout.value = Seconds::millis(50);
    let house = House::with(RAW, &["<a@example.org>"], options, listener).await;
    let (released, _) = house.release(Server::Silent, false).await;
    let error = released.unwrap_err();
    assert!(error.to_string().contains("no answer"), "{error}");
    assert_eq!(house.state().await, State::Held);

    let House {
        daemon,
        command,
        listener,
        id,
        ..
    } = house;
    drop(listener);
    let error = command.release(&id, &[], false).await.unwrap_err();
    assert!(matches!(error, QuarantineError::NotSent(_)), "{error}");
    assert_eq!(daemon.get(&id).await.unwrap().state, State::Held);
}

#[tokio::test]
async fn addresses_that_are_commands_are_never_sent() {
    let evil = "<a@example.org>\r\nRCPT TO:<b@example.org>";
    let house = House::new(RAW, &[evil]).await;
    // No server is asked: the address is refused before a connection is made.
    let error = house
        .command
        .release(&house.id, &[], false)
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::Address { .. }), "{error}");
    assert!(!error.to_string().contains('\n'));
    assert_eq!(house.state().await, State::Held);
    let none = House::new(RAW, &[]).await;
    let error = none
        .command
        .release(&none.id, &[], false)
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::NotSent(_)), "{error}");

    let to = [Address::new(b"<postmaster@example.org>")];
    let (released, taken) = tokio::join!(house.command.release(&house.id, &to, false), async {
        let (stream, _) = house.listener.accept().await.unwrap();
        serve(stream, Server::Good).await
    });
    released.unwrap();
    assert_eq!(taken.recipients, ["RCPT TO:<postmaster@example.org>"]);
}
