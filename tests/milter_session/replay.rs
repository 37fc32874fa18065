//! Sessions recorded from Sendmail 8.17.1.9 and Postfix 3.7.11, replayed: what the MTAs sent then goes into
//! the session machine, and it answers as the filter of the recording did. What it makes of them stands
//! beside each `NAME.log` as `NAME.events`, to be read. After a change that is meant, write them anew with
//! `MAILWEIR_WRITE_EVENTS=1 cargo test --test milter_session replay` and read the difference.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mailweir::milter::{Event, Modification, Reply, ReplyText, Session, Stage, Steps};

use crate::peer::{self, Peer, offer, packet, show};
use crate::transcript::{Said, Transcript};

fn logs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut found = Vec::new();
    for mta in ["postfix-3.7.11", "sendmail-8.17.1.9"] {
        for entry in std::fs::read_dir(root.join(mta)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "log") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert_eq!(found.len(), 47, "transcripts are missing");
    found
}

fn named(name: &str) -> Transcript {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/transcripts")
        .join(name);
    Transcript::read(&path)
}

/// How a transcript is put into the session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Packets,
    Bytes,
}

/// One event of a replay.
struct Line {
    connection: u32,
    event: String,
    owed: Option<Stage>,
    queue_id: Option<String>,
    name_of_mta: Option<String>,
    authenticated: Option<String>,
    /// Letters written up to the next event.
    written: String,
}

/// What the session says when the filter of the recording said `said`: as much as its API allows. Events
/// that the recording answers with nothing final, though a reply is owed, get CONTINUE.
fn answer(peer: &mut Peer, said: &[Said]) {
    let mut last = Reply::Continue;
    for Said { code, data } in said {
        let string = |from: usize| {
            let text = data.get(from..).unwrap_or_default();
            let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
            String::from_utf8_lossy(&text[..end]).into_owned()
        };
        let index = || u32::from_be_bytes(data[..4].try_into().unwrap());
        let modification = match code {
            b'p' => {
                peer.session.progress(&mut peer.output);
                continue;
            }
            b'-' => Modification::DeleteRecipient {
                path: string(0).into_bytes(),
            },
            b'q' => Modification::Hold { reason: string(0) },
            b'i' => Modification::InsertHeader {
                index: index(),
                value: string(5 + string(4).len()),
                name: string(4),
            },
            b'm' if data.ends_with(b"\0\0") => Modification::DeleteHeader {
                index: index(),
                name: string(4),
            },
            other => {
                last = match other {
                    b'a' => Reply::Accept,
                    b'd' => Reply::Discard,
                    b'r' => Reply::Reject,
                    b't' => Reply::Tempfail,
                    b's' => Reply::Skip,
                    b'y' if data.starts_with(b"4") => {
                        Reply::Text(ReplyText::tempfailed("recorded"))
                    }
                    b'y' => Reply::Text(ReplyText::rejected("recorded")),
                    _ => Reply::Continue,
                };
                continue;
            }
        };
        peer.session.modify(&modification, &mut peer.output);
    }
    peer.reply(&last);
}

/// Replays all connections; `steps` stands in for the steps of the MTA's offer.
fn replay(transcript: &Transcript, delivery: Delivery, steps: Option<u32>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (connection, exchanges) in &transcript.connections {
        let mut peer = Peer::silent();
        for exchange in exchanges {
            let mut wire = packet(exchange.code, &exchange.data);
            if let (b'O', Some(steps)) = (exchange.code, steps) {
                wire = packet(b'O', &offer(6, peer::ALL_ACTIONS, steps));
            }
            let size = match delivery {
                Delivery::Packets => wire.len(),
                Delivery::Bytes => 1,
            };
            for slice in wire.chunks(size) {
                peer.input.extend_from_slice(slice);
                while let Some(event) = peer.next().expect("no protocol error") {
                    let owed = peer.session.owed();
                    let macros = peer.session.macros();
                    let mut line = Line {
                        connection: *connection,
                        event: show(&event),
                        owed,
                        queue_id: macros.get("i"),
                        name_of_mta: macros.get("j"),
                        authenticated: macros.get("auth_authen"),
                        written: String::new(),
                    };
                    if event == Event::Negotiated {
                        line.event = agreed(&peer.session);
                    }
                    if owed.is_some() {
                        answer(&mut peer, &exchange.replies);
                    }
                    line.written = peer.letters();
                    lines.push(line);
                }
                assert!(
                    peer.output.is_empty(),
                    "nothing is written without an event"
                );
            }
            assert!(peer.input.is_empty(), "whole packets are taken whole");
        }
    }
    lines
}

fn agreed(session: &Session) -> String {
    let a = session.agreement();
    format!(
        "negotiated version {}, actions {:#x}, steps {:#x}",
        a.version, a.actions.0, a.steps.0
    )
}

/// The replay as text: one event a line, `i=` the queue id in force, `<` what was written to the MTA.
fn written_down(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        write!(text, "[{}] {}", line.connection, line.event).unwrap();
        if line.event.starts_with("connect ") {
            write!(text, "  j={}", line.name_of_mta.as_deref().unwrap_or("-")).unwrap();
        }
        if let Some(id) = &line.queue_id {
            write!(text, "  i={id}").unwrap();
        }
        if !line.written.is_empty() {
            write!(text, "  < {}", line.written).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn every_transcript_gives_the_events_written_beside_it() {
    let write = std::env::var_os("MAILWEIR_WRITE_EVENTS").is_some();
    for log in logs() {
        let got = written_down(&replay(&Transcript::read(&log), Delivery::Packets, None));
        let golden = log.with_extension("events");
        if write {
            std::fs::write(&golden, &got).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        for (n, (got, expected)) in got.lines().zip(expected.lines()).enumerate() {
            assert_eq!(got, expected, "{}:{}", golden.display(), n + 1);
        }
        assert_eq!(
            got.lines().count(),
            expected.lines().count(),
            "{}",
            golden.display()
        );
    }
}

#[test]
fn every_transcript_gives_the_same_events_byte_by_byte() {
    for log in logs() {
        let transcript = Transcript::read(&log);
        let packets = replay(&transcript, Delivery::Packets, None);
        let bytes = replay(&transcript, Delivery::Bytes, None);
        assert_eq!(
            written_down(&packets),
            written_down(&bytes),
            "{}",
            log.display()
        );
    }
}

/// The recorded filter is the oracle: offered just the steps that it had agreed on, the session owes a
/// reply where that filter gave one, and nowhere else.
#[test]
fn where_the_recorded_filter_answered_so_does_the_session() {
    let mut compared = 0;
    for log in logs() {
        let transcript = Transcript::read(&log);
        for (connection, exchanges) in &transcript.connections {
            let Some(steps) = transcript.agreed_steps(*connection) else {
                continue;
            };
            let mut peer = Peer::offering(6, peer::ALL_ACTIONS, steps);
            if peer.session.agreement().steps.0 & peer::NO_REPLIES != steps & peer::NO_REPLIES {
                // That filter was silent at RCPT and BODY too, which ours never is.
                continue;
            }
            if steps & Steps::NO_MAIL.0 != 0 {
                // Without MAIL there is no transaction; see the test of that transcript.
                continue;
            }
            for exchange in exchanges.iter().filter(|e| e.code != b'O') {
                peer.send(exchange.code, &exchange.data);
                let mut owed = 0;
                while peer.next().unwrap().is_some() {
                    if peer.session.owed().is_some() {
                        owed += 1;
                        answer(&mut peer, &exchange.replies);
                    }
                }
                let answered = usize::from(!exchange.replies.is_empty());
                assert_eq!(
                    owed,
                    answered,
                    "{} line {}: {}",
                    log.display(),
                    exchange.line,
                    char::from(exchange.code)
                );
                compared += owed;
            }
        }
    }
    assert!(compared > 400, "{compared} replies compared");
}

/// Each command that waits is answered by what is final, once, whatever the offer.
#[test]
fn every_owed_command_of_every_transcript_gets_one_final_reply() {
    for steps in [None, Some(0x1f_ffff & !peer::NO_REPLIES), Some(0x7f)] {
        for log in logs() {
            for line in replay(&Transcript::read(&log), Delivery::Packets, steps) {
                let last: String = line
                    .written
                    .chars()
                    .filter(|c| "cardtsy".contains(*c))
                    .collect();
                assert_eq!(
                    last.len(),
                    usize::from(line.owed.is_some()),
                    "{}: {}",
                    log.display(),
                    line.event
                );
            }
        }
    }
}

/// Reckoned from the bare packets: a queue id holds from its MACRO packet to the end of the message.
#[test]
fn the_queue_id_seen_is_that_of_the_message_at_hand() {
    let mut seen = 0;
    for log in logs() {
        let transcript = Transcript::read(&log);
        for (connection, exchanges) in &transcript.connections {
            let mut peer = Peer::silent();
            let mut expected: Option<String> = None;
            for exchange in exchanges {
                match (exchange.code, exchange.data.first()) {
                    (b'D', Some(b'C' | b'H' | b'M')) => expected = exchange.queue_id(),
                    (b'D', _) => expected = exchange.queue_id().or(expected),
                    (b'A', _) => expected = None,
                    _ => {}
                }
                peer.send(exchange.code, &exchange.data);
                while peer.next().unwrap().is_some() {
                    let id = peer.session.macros().get("i");
                    let place = format!("{} [{connection}] {}", log.display(), exchange.line);
                    if exchange.code != b'A' {
                        assert_eq!(id, expected, "{place}");
                    }
                    seen += usize::from(id.is_some());
                    peer.reply(&Reply::Continue);
                    if exchange.code == b'E' {
                        assert_eq!(peer.session.macros().get("i"), None, "{place}");
                        expected = None;
                    }
                }
            }
        }
    }
    assert!(seen > 200, "{seen}");
}

#[test]
fn nobody_is_authenticated_in_any_transcript() {
    for log in logs() {
        for line in replay(&Transcript::read(&log), Delivery::Packets, None) {
            assert_eq!(line.authenticated, None);
        }
    }
}

fn events(transcript: &Transcript) -> Vec<String> {
    replay(transcript, Delivery::Packets, None)
        .into_iter()
        .map(|l| l.event)
        .collect()
}

/// The packets are `E`, `A`, `D H`, `H`, `A`: the second abort comes behind the new HELO.
#[test]
fn postfix_second_ehlo_aborts_nothing_and_loses_nothing() {
    let basic = named("postfix-3.7.11/basic.log");
    let letters: String = basic.connections[0]
        .1
        .iter()
        .map(|e| char::from(e.code))
        .collect();
    assert!(letters.contains("DEADHADU"), "{letters}");
    let events = events(&basic);
    let at = events
        .iter()
        .position(|e| e == "helo again.example")
        .unwrap();
    assert_eq!(events[at - 1], "end of message");
    assert_eq!(events[at + 1], "unknown FOO");
    assert_eq!(events[at + 2], "mail <>");
    // The message with the null sender is reset after its RCPT, the next one is complete.
    assert_eq!(events[at + 4], "abort");
    assert_eq!(events[at + 5], "mail <e@x.example>");
}

#[test]
fn postfix_queue_id_is_known_from_the_second_recipient_on() {
    let lines = replay(&named("postfix-3.7.11/basic.log"), Delivery::Packets, None);
    let id = |event: &str| {
        let line = lines.iter().find(|l| l.event == event).unwrap();
        line.queue_id.clone()
    };
    assert_eq!(id("mail <a@x.example> SIZE=100 BODY=8BITMIME"), None);
    assert_eq!(id("rcpt <b@lab.example>"), None);
    assert_eq!(
        id("rcpt <c@lab.example> NOTIFY=NEVER").as_deref(),
        Some("EEDA29C000B")
    );
    assert_eq!(
        id("header X-Empty:").as_deref(),
        Some("EEDA29C000B"),
        "by the macros ahead of each header field"
    );
    assert_eq!(id("mail <>"), None);
}

/// With both lists set, Sendmail sends the queue id at end of headers and at end of message.
#[test]
fn sendmail_with_both_lists_tells_the_queue_id_at_end_of_message() {
    let lines = replay(
        &named("sendmail-8.17.1.9/eomlist.log"),
        Delivery::Packets,
        None,
    );
    for event in ["end of headers", "end of message"] {
        let line = lines.iter().find(|l| l.event == event).unwrap();
        assert_eq!(line.queue_id.as_deref(), Some("6AMLbcfu011250"), "{event}");
    }
    let mail = lines.iter().find(|l| l.event.starts_with("mail")).unwrap();
    assert_eq!(
        mail.queue_id, None,
        "the list of MAIL did not name it there"
    );
}

/// A filter that opts out of MAIL gets an end of message without one. Ours never does, and ignores it.
#[test]
fn an_end_of_message_without_mail_is_ignored() {
    let events = events(&named("postfix-3.7.11/nosend.log"));
    assert_eq!(events.len(), 2);
    assert_eq!(events[1], "quit");
}

#[test]
fn a_header_of_60_kb_and_chunks_of_64_kb_arrive_whole() {
    let events = events(&named("postfix-3.7.11/big.log"));
    let ends_with = |tail: &str| events.iter().filter(|e| e.ends_with(tail)).count();
    assert_eq!(
        ends_with("(59530 bytes)"),
        2,
        "the values of X-Big and X-Huge"
    );
    assert_eq!(ends_with("(65535 bytes)"), 3);
    assert_eq!(ends_with("(3395 bytes)"), 1);
}

/// Postfix says ABORT after a verdict before the end too; the message has ended by then.
#[test]
fn a_verdict_before_the_end_is_not_followed_by_an_abort() {
    for (name, last, letter) in [
        ("hdr-reject", "header Subject:t", "r"),
        ("mail-discard", "mail <a@x.example>", "d"),
        ("body-accept", "body hi\\r\\n", "a"),
    ] {
        let transcript = named(&format!("postfix-3.7.11/{name}.log"));
        let lines = replay(&transcript, Delivery::Packets, Some(0x7f));
        let [.., verdict, quit] = &lines[..] else {
            panic!("{name} is too short");
        };
        assert_eq!(
            (verdict.event.as_str(), verdict.written.as_str()),
            (last, letter)
        );
        assert_eq!(quit.event, "quit");
    }
}
