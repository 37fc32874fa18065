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
use mailweir::config::{Seconds, Source, parse_yaml};
use mailweir::filter::{Hit, Outcome, Report};
use mailweir::mail::{Address, Envelope, Limits, Mail, PartKind};
use mailweir::metrics::Metrics;
use mailweir::quarantine::{
    Digested, Entry, LinkError, Options, Quarantine, QuarantineError, Redeem, Released, State,
};
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

fn options(yaml: &str) -> Options {
    parse_yaml(&Source::new("test.yaml", yaml)).unwrap()
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
    assert_eq!(house.redeem(&first).await, Redeem::Superseded);
    let changed = [&first[..], b"more\r\n"].concat();
    let late = house.redeem(&changed).await;
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

/// Releases to some recipients while the server serves one connection.
async fn release_to(
    house: &House,
    to: &[&str],
    server: Server,
    again: bool,
) -> (Result<Released, QuarantineError>, Taken) {
    let to: Vec<Address> = to.iter().map(|a| Address::new(a.as_bytes())).collect();
    let serve = async {
        let (stream, _) = house.listener.accept().await.unwrap();
        serve(stream, server).await
    };
    tokio::join!(house.command.release(&house.id, &to, again), serve)
}

/// Each recipient with what has become of his copy.
async fn states(house: &House) -> Vec<(String, State)> {
    let deliveries = house.daemon.deliveries(&house.id).await.unwrap();
    deliveries
        .into_iter()
        .map(|d| (d.recipient, d.state))
        .collect()
}

#[tokio::test]
async fn each_recipient_gets_it_once_and_others_on_top() {
    let house = House::new(
        RAW,
        &["<A@example.org>", "<b@example.org>", "<c@example.org>"],
    )
    .await;
    let (done, taken) = release_to(&house, &["a@example.org"], Server::Good, false).await;
    assert_eq!((done.unwrap().recipients, taken.recipients.len()), (1, 1));
    assert_eq!(house.state().await, State::Partly);

    // Who has got it is left out, whoever else is asked for.
    let all = &["a@example.org", "<b@example.org>", "x@example.net"];
    let (done, taken) = release_to(&house, all, Server::Good, false).await;
    let done = done.unwrap();
    assert_eq!((done.recipients, done.before), (2, 1));
    assert_eq!(
        taken.recipients,
        ["RCPT TO:<b@example.org>", "RCPT TO:<x@example.net>"]
    );
    let to = [Address::new(b"b@example.org")];
    let error = house
        .command
        .release(&house.id, &to, false)
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::Released { .. }), "{error}");

    let (done, taken) = house.release(Server::Good, false).await;
    done.unwrap();
    assert_eq!(taken.recipients, ["RCPT TO:<c@example.org>"]);
    assert_eq!(house.state().await, State::Released);
    let released = |r: &str| (r.to_owned(), State::Released);
    let expected = [
        "a@example.org",
        "b@example.org",
        "c@example.org",
        "x@example.net",
    ];
    assert_eq!(states(&house).await, expected.map(released));

    let (done, taken) = house.release(Server::Good, true).await;
    done.unwrap();
    assert_eq!(taken.recipients.len(), 3);
}

#[tokio::test]
async fn a_failure_leaves_each_recipient_as_he_was() {
    let house = House::new(RAW, &["<a@example.org>", "<b@example.org>"]).await;
    release_to(&house, &["a@example.org"], Server::Good, false)
        .await
        .0
        .unwrap();
    let before = states(&house).await;
    for (to, again) in [
        (&["b@example.org"][..], false),
        (&["a@example.org", "x@y"], true),
    ] {
        let (done, _) = release_to(&house, to, Server::RefusesMessage, again).await;
        assert!(matches!(done, Err(QuarantineError::NotSent(_))));
        assert_eq!(states(&house).await, before);
        assert_eq!(house.state().await, State::Partly);
    }
}

#[tokio::test]
async fn a_message_that_came_by_is_released_whatever_became_of_the_answer() {
    let house = House::new(RAW, &["<a@example.org>", "<b@example.org>"]).await;
    let (done, taken) = release_to(&house, &["a@example.org"], Server::HangsUp, false).await;
    assert!(matches!(done, Err(QuarantineError::Unsure(_))));
    assert_eq!(house.state().await, State::Releasing);
    assert_eq!(house.redeem(&taken.data.unwrap()).await, Redeem::Pass);
    assert_eq!(house.state().await, State::Partly);
    // So it does not go out a second time.
    let (done, taken) = house.release(Server::Good, false).await;
    done.unwrap();
    assert_eq!(taken.recipients, ["RCPT TO:<b@example.org>"]);
}

#[tokio::test]
async fn two_releases_at_one_time_send_it_once() {
    let house = House::new(RAW, &["<a@example.org>"]).await;
    let serve = async {
        let (stream, _) = house.listener.accept().await.unwrap();
        serve(stream, Server::Good).await
    };
    let (one, two, _) = tokio::join!(
        house.command.release(&house.id, &[], false),
        house.daemon.release(&house.id, &[], false),
        serve
    );
    let done = [one, two];
    assert_eq!(done.iter().filter(|d| d.is_ok()).count(), 1, "{done:?}");
    let released =
        |d: &&Result<_, QuarantineError>| matches!(d, Err(QuarantineError::Released { .. }));
    assert_eq!(done.iter().filter(released).count(), 1, "{done:?}");
}

#[tokio::test]
async fn an_analyst_gets_the_message_attached_and_it_passes() {
    let house = House::new(RAW, &["<a@example.org>"]).await;
    let error = house
        .command
        .forward(&house.id, None, "")
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::Unconfigured(_)), "{error}");
    let to = Address::new(b"analyst@example.com");
    let (done, taken) = tokio::join!(
        house.command.forward(&house.id, Some(&to), "look at this"),
        async {
            let (stream, _) = house.listener.accept().await.unwrap();
            serve(stream, Server::Good).await
        }
    );
    done.unwrap();
    assert_eq!(taken.mail, "MAIL FROM:<> BODY=8BITMIME");
    assert_eq!(taken.recipients, ["RCPT TO:<analyst@example.com>"]);
    let data = taken.data.unwrap();
    let mail = Mail::parse(split(&data).1.to_vec().into(), &Limits::default());
    assert!(
        mail.text()
            .starts_with("look at this\n\nThe message attached"),
        "{}",
        mail.text()
    );
    let part = mail
        .parts()
        .iter()
        .find(|p| p.kind == PartKind::Message)
        .unwrap();
    let attached = &mail.raw()[part.body.clone().unwrap()];
    assert!(RAW.starts_with(attached.trim_ascii_end()), "{attached:?}");
    assert_eq!(house.redeem(&data).await, Redeem::Pass);
    assert_eq!(
        house.state().await,
        State::Held,
        "its recipient has not got it"
    );
}

/// A house whose recipients are told, with three messages for two of them.
async fn telling() -> (House, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options =
        options("digest: { base_url: 'https://mail.example.org/mw', except: [never.example] }");
    options.release.smtp.value = listener.local_addr().unwrap().to_string();
    options.release.timeout.value = Seconds::new(20);
    let to = [
        "<Ann@example.org>",
        "<ben@example.org>",
        "<x@never.example>",
    ];
    let house = House::with(RAW, &to, options, listener).await;
    let mut ids = vec![house.id.clone()];
    for (to, virus) in [("<ann@example.org>", false), ("<ann@example.org>", true)] {
        let envelope = Envelope {
            sender: Some(Address::new(b"<\"<b>\"@example.net>")),
            recipients: vec![Address::new(to.as_bytes())],
            ..Envelope::default()
        };
        let mut verdict = Verdict::released();
        if virus {
            verdict.reports.push(Report {
                filter: "clamav",
                outcome: Outcome::Checked(vec![Hit::new("VIRUS_FOUND", 100.0, "Eicar")]),
                elapsed: std::time::Duration::ZERO,
            });
        }
        let id = Ulid::new().to_string();
        let subject = "<script>alert(1)</script>\u{202e}\r\nBcc: x@y";
        let entry = Entry::new(&id, Timestamp::now(), &envelope, subject, &verdict, 0);
        house
            .daemon
            .store(&entry, format!("{id}\r\n").into())
            .await
            .unwrap();
        ids.push(id);
    }
    (house, ids)
}

/// Sends all digests while the server serves so many connections.
async fn tell(house: &House, connections: usize, server: Server) -> (Digested, Vec<Taken>) {
    let serving = async {
        let mut taken = Vec::new();
        for _ in 0..connections {
            let (stream, _) = house.listener.accept().await.unwrap();
            taken.push(serve(stream, server).await);
        }
        taken
    };
    let (done, taken) = tokio::join!(house.command.send_digests(), serving);
    (done.unwrap(), taken)
}

/// The tokens of the links of a digest, and its text.
fn digest(taken: &Taken) -> (Vec<String>, String) {
    let data = taken.data.as_ref().unwrap();
    let mail = Mail::parse(split(data).1.to_vec().into(), &Limits::default());
    let text = mail.texts().next().unwrap().1.to_owned();
    let links = text
        .split_whitespace()
        .filter_map(|w| w.split_once("/mw/quarantine/link/"));
    (links.map(|(_, token)| token.to_owned()).collect(), text)
}

#[tokio::test]
async fn a_digest_tells_each_recipient_once_what_is_held_for_them() {
    let (house, ids) = telling().await;
    let untold = house.command.untold().await.unwrap();
    let untold: Vec<_> = untold
        .iter()
        .map(|u| (u.recipient.as_str(), u.messages))
        .collect();
    assert_eq!(untold, [("ann@example.org", 2), ("ben@example.org", 1)]);
    let (done, taken) = tell(&house, 2, Server::Good).await;
    assert_eq!((done.sent, done.waiting), (2, 0));
    assert_eq!(taken[0].mail, "MAIL FROM:<>");
    assert_eq!(taken[0].recipients, ["RCPT TO:<ann@example.org>"]);
    let (links, text) = digest(&taken[0]);
    assert_eq!(links.len(), 2, "{text}");
    assert!(
        text.contains("<script>alert(1)</script>\u{fffd}\u{fffd}\u{fffd}Bcc: x@y"),
        "{text}"
    );
    let whole = String::from_utf8_lossy(taken[0].data.as_ref().unwrap()).into_owned();
    let mail = Mail::parse(
        split(taken[0].data.as_ref().unwrap()).1.to_vec().into(),
        &Limits::default(),
    );
    let html = mail.parts().iter().find_map(|p| match &p.kind {
        PartKind::Html(html) => Some(html.clone()),
        _ => None,
    });
    let html = html.unwrap();
    assert!(
        html.contains("&lt;script&gt;alert(1)") && !html.contains("<script"),
        "{html}"
    );
    assert!(!whole.contains("\nBcc"), "{whole}");
    assert!(house.redeem(taken[0].data.as_ref().unwrap()).await == Redeem::Pass);

    // Told once; what comes later is told of alone.
    assert_eq!(tell(&house, 0, Server::Good).await.0, Digested::default());
    assert!(
        !house
            .daemon
            .untold()
            .await
            .unwrap()
            .iter()
            .any(|u| u.messages > 0)
    );
    let _ = ids;
}

#[tokio::test]
async fn a_digest_that_is_not_taken_waits_and_one_that_came_by_is_sent() {
    let (house, _) = telling().await;
    let (done, _) = tell(&house, 2, Server::RefusesMessage).await;
    assert_eq!((done.sent, done.waiting), (0, 2));
    // The answer to the first is lost, but it came by.
    let (done, taken) = tell(&house, 2, Server::HangsUp).await;
    assert_eq!((done.sent, done.waiting), (0, 2));
    let ann = taken
        .iter()
        .find(|t| t.recipients[0].contains("ann@"))
        .unwrap();
    assert_eq!(house.redeem(ann.data.as_ref().unwrap()).await, Redeem::Pass);
    let (done, taken) = tell(&house, 1, Server::Good).await;
    assert_eq!((done.sent, done.waiting), (1, 0));
    assert_eq!(taken[0].recipients, ["RCPT TO:<ben@example.org>"]);
}

#[tokio::test]
async fn a_link_releases_one_message_to_one_recipient_once() {
    let (house, ids) = telling().await;
    let (_, taken) = tell(&house, 2, Server::Good).await;
    let ann = taken
        .iter()
        .find(|t| t.recipients[0].contains("ann@"))
        .unwrap();
    let tokens = digest(ann).0;
    // The newest first.
    let token = &tokens[1];
    let offer = house.daemon.follow_link(token).await.unwrap();
    assert_eq!(
        (offer.record.entry.id.as_str(), offer.recipient.text()),
        (ids[0].as_str(), "Ann@example.org")
    );
    assert_eq!(offer.state, State::Held, "looking releases nothing");

    let (done, taken) = tokio::join!(house.daemon.release_by_link(token), async {
        let (stream, _) = house.listener.accept().await.unwrap();
        serve(stream, Server::Good).await
    });
    assert_eq!(done.unwrap().recipients, 1);
    assert_eq!(taken.recipients, ["RCPT TO:<Ann@example.org>"]);
    assert_eq!(house.state().await, State::Partly);
    let twice = house.daemon.release_by_link(token).await;
    assert!(matches!(twice, Err(LinkError::Before)), "{twice:?}");

    // One for another recipient, for another message, altered, made up: none is good.
    let ben = house
        .daemon
        .link(&ids[0], &Address::new(b"ben@example.org"))
        .await
        .unwrap()
        .unwrap();
    let ben = ben.rsplit_once('/').unwrap().1.to_owned();
    assert!(house.daemon.follow_link(&ben).await.is_ok());
    let stranger = house
        .daemon
        .link(&ids[0], &Address::new(b"eve@example.org"))
        .await
        .unwrap()
        .unwrap();
    let stranger = stranger.rsplit_once('/').unwrap().1.to_owned();
    let swap = |at: usize| {
        let other = if token.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let (before, after) = token.split_at(at);
        format!("{before}{other}{}", after.get(1..).unwrap())
    };
    let virus = house
        .daemon
        .link(&ids[2], &Address::new(b"ann@example.org"))
        .await
        .unwrap()
        .unwrap();
    let virus = virus.rsplit_once('/').unwrap().1.to_owned();
    // The id's first bytes lead to another message, which is not there.
    for (bad, gone) in [
        (stranger, false),
        (swap(40), false),
        (swap(75), false),
        (swap(5), true),
        (virus, false),
        ("x".into(), false),
        (String::new(), false),
    ] {
        let refused = house.daemon.release_by_link(&bad).await;
        let expected = match gone {
            true => matches!(refused, Err(LinkError::Gone)),
            false => matches!(refused, Err(LinkError::Invalid)),
        };
        assert!(expected, "{bad}: {refused:?}");
    }
    house.daemon.delete(&ids[0]).await.unwrap();
    let gone = house.daemon.follow_link(&ben).await;
    assert!(matches!(gone, Err(LinkError::Gone)), "{gone:?}");
}

#[tokio::test]
async fn a_link_expires() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = options("digest: { base_url: 'https://mail.example.org', link_valid: 300ms }");
    let house = House::with(RAW, &["<ann@example.org>"], options, listener).await;
    let link = house
        .daemon
        .link(&house.id, &Address::new(b"ann@example.org"))
        .await
        .unwrap()
        .unwrap();
    let token = link.rsplit_once('/').unwrap().1;
    // Valid to the end of its second.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        match house.daemon.follow_link(token).await {
            Err(LinkError::Expired) => break,
            Ok(_) if std::time::Instant::now() < until => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    }
    let refused = house.daemon.release_by_link(token).await;
    assert!(matches!(refused, Err(LinkError::Expired)), "{refused:?}");
}
