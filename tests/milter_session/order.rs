//! The order of commands: libmilter's table, and what real MTAs make of it.

use mailweir::milter::{Event, Reply, Stage};

use super::peer::Peer;

/// Takes a talkative peer up to and with the body.
fn in_body() -> Peer {
    let mut peer = Peer::talkative();
    peer.open();
    peer.send(b'T', b"");
    peer.send(b'L', b"Subject\0x\0");
    peer.send(b'N', b"");
    peer.send(b'B', b"body\r\n");
    assert_eq!(peer.run().len(), 4);
    peer.output.clear();
    peer
}

#[test]
fn end_of_message_may_carry_the_last_chunk_and_is_answered_once() {
    let mut peer = in_body();
    assert_eq!(
        peer.say(b'E', b"last\r\n"),
        ["body last\\r\\n", "end of message"]
    );
    assert_eq!(peer.letters(), "c");
}

#[test]
fn a_message_without_a_body_is_a_message() {
    let mut peer = Peer::talkative();
    peer.open();
    peer.output.clear();
    peer.send(b'N', b"");
    peer.send(b'E', b"");
    assert_eq!(peer.run(), ["end of headers", "end of message"]);
    assert_eq!(peer.letters(), "cc");
}

#[test]
fn end_of_headers_left_out_is_made_up_and_not_answered() {
    let mut peer = Peer::talkative();
    peer.open();
    peer.output.clear();
    peer.send(b'B', b"x");
    peer.send(b'E', b"");
    assert_eq!(peer.run(), ["end of headers", "body x", "end of message"]);
    assert_eq!(peer.letters(), "cc");

    let mut peer = Peer::talkative();
    peer.open();
    peer.output.clear();
    assert_eq!(
        peer.say(b'E', b"x"),
        ["end of headers", "body x", "end of message"]
    );
    assert_eq!(peer.letters(), "c");
}

#[test]
fn abort_before_mail_is_silent() {
    let mut peer = Peer::modern();
    assert!(peer.say(b'A', b"").is_empty());
    peer.say(b'C', b"h\0U");
    assert!(peer.say(b'A', b"").is_empty());
    assert_eq!(peer.say(b'H', b"h\0"), ["helo h"]);
    peer.output.clear();
    assert!(peer.say(b'A', b"").is_empty());
    assert!(peer.output.is_empty());
}

#[test]
fn abort_after_end_of_message_aborts_nothing() {
    let mut peer = in_body();
    assert_eq!(peer.say(b'E', b""), ["end of message"]);
    peer.output.clear();
    assert!(peer.say(b'A', b"").is_empty());
    assert!(peer.say(b'A', b"").is_empty());
    assert!(peer.output.is_empty());
}

#[test]
fn abort_twice_aborts_once_and_neither_is_answered() {
    let mut peer = in_body();
    assert_eq!(peer.say(b'A', b""), ["abort"]);
    assert!(peer.say(b'A', b"").is_empty());
    assert!(peer.output.is_empty());
}

#[test]
fn abort_is_heard_at_every_point_of_a_transaction() {
    let script: [(u8, &[u8]); 6] = [
        (b'M', b"<>\0"),
        (b'R', b"<b>\0"),
        (b'T', b""),
        (b'L', b"X\0y\0"),
        (b'N', b""),
        (b'B', b"x"),
    ];
    for length in 1..=script.len() {
        let mut peer = Peer::talkative();
        peer.say(b'C', b"h\0U");
        for (code, data) in &script[..length] {
            peer.say(*code, data);
        }
        assert_eq!(peer.say(b'A', b""), ["abort"], "after {length}");
        assert_eq!(peer.say(b'M', b"<>\0"), ["mail <>"]);
    }
}

#[test]
fn mail_without_helo_is_legal() {
    let mut peer = Peer::talkative();
    peer.say(b'C', b"h\0U");
    peer.output.clear();
    assert_eq!(peer.say(b'M', b"<>\0"), ["mail <>"]);
    assert_eq!(peer.letters(), "c");
}

#[test]
fn a_second_helo_ends_the_transaction_and_is_answered() {
    let mut peer = in_body();
    assert_eq!(peer.say(b'H', b"again\0"), ["abort", "helo again"]);
    assert_eq!(peer.letters(), "c");
}

#[test]
fn a_second_mail_ends_the_transaction_and_begins_one() {
    let mut peer = in_body();
    assert_eq!(peer.say(b'M', b"<c>\0"), ["abort", "mail <c>"]);
    assert_eq!(peer.say(b'R', b"<d>\0"), ["rcpt <d>"]);
    assert_eq!(peer.letters(), "cc");
}

/// Measured: on a second EHLO Postfix sends `D H`, `H`, and only then the abort.
#[test]
fn postfix_aborts_after_the_new_helo_and_loses_nothing_by_it() {
    let mut peer = in_body();
    peer.send(b'E', b"");
    peer.send(b'A', b"");
    peer.send(b'D', b"H{tls_version}\0TLSv1.3\0");
    peer.send(b'H', b"again\0");
    peer.send(b'A', b"");
    assert_eq!(peer.run(), ["end of message", "helo again"]);
    assert_eq!(
        peer.session.macros().get("tls_version").as_deref(),
        Some("TLSv1.3")
    );
    assert_eq!(peer.say(b'M', b"<>\0"), ["mail <>"]);
    assert_eq!(peer.letters(), "ccc");
}

#[test]
fn after_quit_nc_a_new_connect_is_answered() {
    let mut peer = in_body();
    peer.send(b'K', b"");
    peer.send(b'C', b"second\0U");
    assert_eq!(
        peer.run(),
        ["abort", "new connection", "connect second without address"]
    );
    assert_eq!(peer.letters(), "c");
    assert_eq!(peer.say(b'M', b"<>\0"), ["mail <>"]);
}

#[test]
fn quit_in_a_transaction_aborts_it_and_is_not_answered() {
    let mut peer = in_body();
    assert_eq!(peer.say(b'Q', b""), ["abort", "quit"]);
    assert!(peer.output.is_empty());
}

#[test]
fn commands_before_negotiation_are_ignored() {
    let mut peer = Peer::silent();
    peer.send(b'C', b"h\0U");
    peer.send(b'H', b"h\0");
    peer.send(b'M', b"<>\0");
    peer.send(b'R', b"<b>\0");
    peer.send(b'T', b"");
    peer.send(b'L', b"X\0y\0");
    peer.send(b'N', b"");
    peer.send(b'B', b"x");
    peer.send(b'E', b"");
    peer.send(b'A', b"");
    peer.send(b'U', b"FOO\0");
    assert!(peer.run().is_empty());
    assert!(peer.output.is_empty());
}

#[test]
fn a_command_that_is_illegal_after_helo_too_is_ignored() {
    let commands: [(u8, &[u8]); 6] = [
        (b'R', b"<b>\0"),
        (b'T', b""),
        (b'L', b"X\0y\0"),
        (b'N', b""),
        (b'B', b"x"),
        (b'E', b"x"),
    ];
    for (code, data) in commands {
        let mut peer = Peer::talkative();
        peer.say(b'C', b"h\0U");
        peer.say(b'H', b"h\0");
        peer.output.clear();
        assert!(peer.say(code, data).is_empty());
        assert!(peer.output.is_empty());
        assert_eq!(peer.say(b'M', b"<>\0"), ["mail <>"], "the connection lives");
    }
}

#[test]
fn a_command_out_of_order_ends_the_transaction_and_not_the_connection() {
    for (code, data) in [
        (b'R', &b"<b>\0"[..]),
        (b'T', b""),
        (b'L', b"X\0y\0"),
        (b'N', b""),
        (b'C', b"h\0U"),
        (b'O', b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff"),
    ] {
        let mut peer = in_body();
        assert_eq!(peer.say(code, data), ["abort"], "{}", char::from(code));
        assert!(peer.say(b'E', b"").is_empty());
        assert!(peer.output.is_empty());
        assert_eq!(peer.say(b'M', b"<>\0"), ["mail <>"]);
    }
}

#[test]
fn a_second_negotiation_changes_nothing() {
    let mut peer = Peer::talkative();
    let before = *peer.session.agreement();
    assert!(peer.say(b'O', &super::peer::offer(6, 0x1, 0)).is_empty());
    assert_eq!(*peer.session.agreement(), before);
    assert!(peer.output.is_empty());
}

#[test]
fn an_unknown_smtp_command_is_answered_between_commands() {
    let mut peer = Peer::talkative();
    peer.say(b'C', b"h\0U");
    assert_eq!(peer.say(b'U', b"FOO bar\0"), ["unknown FOO bar"]);
    peer.say(b'M', b"<>\0");
    assert_eq!(peer.say(b'U', b"FOO\0"), ["unknown FOO"]);
    assert_eq!(
        peer.say(b'R', b"<b>\0"),
        ["rcpt <b>"],
        "the transaction goes on"
    );
    assert_eq!(peer.letters(), "ccccc");
}

#[test]
fn an_unknown_smtp_command_inside_of_a_message_ends_it_and_is_answered() {
    let mut peer = in_body();
    assert_eq!(peer.say(b'U', b"FOO\0"), ["abort", "unknown FOO"]);
    assert_eq!(peer.letters(), "c");
    assert!(peer.say(b'E', b"").is_empty());
}

#[test]
fn a_thousand_recipients_are_each_answered() {
    let mut peer = Peer::modern();
    peer.say(b'M', b"<a>\0");
    for n in 0..1000 {
        peer.send(b'R', format!("<r{n}@example.org>\0").as_bytes());
    }
    let events = peer.run();
    assert_eq!(events.len(), 1000);
    assert_eq!(events[999], "rcpt <r999@example.org>");
    assert_eq!(peer.letters(), "c".repeat(1000));
    assert_eq!(peer.say(b'E', b""), ["end of headers", "end of message"]);
}

#[test]
fn a_hundred_thousand_pipelined_headers_are_taken_one_by_one() {
    let mut peer = Peer::modern();
    peer.open();
    peer.output.clear();
    for n in 0..100_000 {
        peer.send(b'D', b"Li\0QUEUE1\0");
        peer.send(b'L', format!("X-{n}\0 value\0").as_bytes());
    }
    peer.send(b'E', b"");
    let mut headers = 0;
    loop {
        match peer.next().unwrap() {
            Some(Event::Header(..)) => headers += 1,
            Some(Event::EndOfMessage) => break,
            Some(Event::EndOfHeaders) => {}
            other => panic!("{other:?}"),
        }
        assert!(peer.output.is_empty(), "header fields get no reply here");
    }
    assert_eq!(headers, 100_000);
    assert_eq!(peer.session.owed(), Some(Stage::EndOfMessage));
    assert!(peer.reply(&Reply::Continue));
    assert_eq!(peer.letters(), "c");
}

#[test]
fn nothing_is_taken_while_a_reply_is_owed() {
    let mut peer = Peer::talkative();
    peer.send(b'C', b"h\0U");
    peer.send(b'H', b"h\0");
    assert!(matches!(peer.next(), Ok(Some(Event::Connect(_)))));
    assert_eq!(peer.next(), Ok(None));
    assert_eq!(peer.session.owed(), Some(Stage::Connect));
    assert!(peer.reply(&Reply::Continue));
    assert!(matches!(peer.next(), Ok(Some(Event::Helo(_)))));
}
