//! Answers: one for each owed command, only legal ones, and nothing of a message after its end.

use mailweir::milter::{Modification, Mta, MtaReply, Reply, ReplyText, Stage};

use super::peer::Peer;

/// The commands of a transaction after MAIL, in order.
const REST: [(u8, &[u8]); 6] = [
    (b'R', b"<b>\0"),
    (b'T', b""),
    (b'L', b"X\0y\0"),
    (b'N', b""),
    (b'B', b"x"),
    (b'E', b""),
];

const STAGES: [Stage; 6] = [
    Stage::Rcpt,
    Stage::Data,
    Stage::Header,
    Stage::EndOfHeaders,
    Stage::Body,
    Stage::EndOfMessage,
];

/// A peer that waits for every reply, with the n-th command of `REST` unanswered.
fn waiting(n: usize) -> Peer {
    let mut peer = Peer::talkative();
    peer.say(b'C', b"h\0U");
    peer.say(b'M', b"<a>\0");
    for (code, data) in &REST[..n] {
        peer.say(*code, data);
    }
    peer.output.clear();
    peer.send(REST[n].0, REST[n].1);
    assert!(peer.next().unwrap().is_some());
    assert_eq!(peer.session.owed(), Some(STAGES[n]));
    peer
}

fn text() -> Reply {
    Reply::Text(ReplyText::rejected("no"))
}

#[test]
fn every_owed_command_takes_exactly_one_reply() {
    for n in 0..REST.len() {
        let mut peer = waiting(n);
        assert!(peer.reply(&Reply::Continue));
        assert_eq!(peer.session.owed(), None);
        assert!(!peer.reply(&Reply::Continue), "a second one is not written");
        assert_eq!(peer.letters(), "c");
    }
}

#[test]
fn a_reply_that_nobody_waits_for_is_not_written() {
    let mut peer = Peer::modern();
    assert!(!peer.reply(&Reply::Reject));
    peer.send(b'H', b"h\0");
    peer.send(b'M', b"<a>\0");
    assert!(peer.next().unwrap().is_some());
    assert!(!peer.reply(&Reply::Reject));
    assert!(peer.next().unwrap().is_some());
    assert!(!peer.reply(&Reply::Tempfail));
    assert!(peer.output.is_empty());
    assert_eq!(peer.say(b'R', b"<b>\0"), ["rcpt <b>"]);
}

#[test]
fn an_abort_or_macros_are_never_answered() {
    let mut peer = Peer::talkative();
    peer.say(b'C', b"h\0U");
    peer.say(b'M', b"<a>\0");
    peer.output.clear();
    peer.send(b'D', b"Ri\0Q\0");
    peer.send(b'A', b"");
    assert!(peer.next().unwrap().is_some());
    assert_eq!(peer.session.owed(), None);
    assert!(!peer.reply(&Reply::Continue));
    assert!(peer.output.is_empty());
}

#[test]
fn every_reply_is_one_that_both_mtas_take() {
    for (reply, expected) in [
        (Reply::Continue, MtaReply::Continue),
        (Reply::Accept, MtaReply::Accept),
        (Reply::Discard, MtaReply::Discard),
        (Reply::Reject, MtaReply::Reject),
        (Reply::Tempfail, MtaReply::Tempfail),
        (text(), MtaReply::Text("550 5.7.1 no".to_owned())),
    ] {
        let mut peer = waiting(5);
        assert!(peer.reply(&reply));
        assert_eq!(Mta::decode(&mut peer.output), Ok(Some(expected)));
        assert!(peer.output.is_empty());
    }
}

#[test]
fn a_message_that_was_refused_has_no_further_event() {
    for n in 1..REST.len() {
        for reply in [
            Reply::Reject,
            Reply::Tempfail,
            text(),
            Reply::Accept,
            Reply::Discard,
        ] {
            let mut peer = waiting(n);
            assert!(peer.reply(&reply));
            peer.output.clear();
            // Postfix says ABORT after it; there is nothing left to abort.
            for (code, data) in &REST[n..] {
                peer.send(*code, data);
            }
            peer.send(b'A', b"");
            assert!(peer.run().is_empty(), "{reply:?} at {:?}", STAGES[n]);
            assert!(peer.output.is_empty());
            assert_eq!(peer.say(b'M', b"<c>\0"), ["mail <c>"]);
        }
    }
}

#[test]
fn a_message_refused_at_mail_has_no_further_event() {
    for reply in [
        Reply::Reject,
        Reply::Tempfail,
        text(),
        Reply::Accept,
        Reply::Discard,
    ] {
        let mut peer = Peer::talkative();
        peer.say(b'C', b"h\0U");
        peer.send(b'M', b"<a>\0");
        assert!(peer.next().unwrap().is_some());
        assert!(peer.reply(&reply));
        assert!(peer.say(b'R', b"<b>\0").is_empty());
        assert!(peer.say(b'A', b"").is_empty());
        assert_eq!(peer.say(b'M', b"<c>\0"), ["mail <c>"]);
    }
}

#[test]
fn a_refused_recipient_leaves_the_message_alive() {
    for reply in [Reply::Reject, Reply::Tempfail, text()] {
        let mut peer = waiting(0);
        assert!(peer.reply(&reply));
        assert_eq!(peer.say(b'R', b"<c>\0"), ["rcpt <c>"]);
        assert_eq!(peer.say(b'E', b""), ["end of headers", "end of message"]);
    }
}

#[test]
fn accept_or_discard_at_rcpt_ends_the_message() {
    for reply in [Reply::Accept, Reply::Discard] {
        let mut peer = waiting(0);
        assert!(peer.reply(&reply));
        assert!(peer.say(b'R', b"<c>\0").is_empty());
        assert!(peer.say(b'E', b"").is_empty());
    }
}

/// Both MTAs take SKIP for body chunks only, and DISCARD nowhere outside of a message.
#[test]
fn replies_without_meaning_at_a_stage_become_continue() {
    for n in (0..REST.len()).filter(|n| STAGES[*n] != Stage::Body) {
        let mut peer = waiting(n);
        assert!(peer.reply(&Reply::Skip));
        assert_eq!(peer.letters(), "c", "SKIP at {:?}", STAGES[n]);
    }
    for (code, data) in [(b'C', &b"h\0U"[..]), (b'H', b"h\0"), (b'U', b"FOO\0")] {
        for reply in [Reply::Skip, Reply::Discard] {
            let mut peer = Peer::talkative();
            if code == b'U' {
                peer.say(b'C', b"h\0U");
                peer.output.clear();
            }
            peer.send(code, data);
            assert!(peer.next().unwrap().is_some());
            assert!(peer.reply(&reply));
            assert_eq!(peer.letters(), "c", "{reply:?} at {}", char::from(code));
        }
    }
}

#[test]
fn a_refused_connection_is_still_served_until_it_ends() {
    let mut peer = Peer::talkative();
    peer.send(b'C', b"h\0U");
    assert!(peer.next().unwrap().is_some());
    assert!(peer.reply(&Reply::Reject));
    assert_eq!(peer.say(b'Q', b""), ["quit"]);
    assert_eq!(peer.letters(), "r");
}

/// Sendmail drops a filter that says PROGRESS anywhere else (measured: at RCPT).
#[test]
fn progress_is_written_only_while_the_final_reply_is_owed() {
    for (n, stage) in STAGES.into_iter().enumerate() {
        let mut peer = waiting(n);
        let legal = stage == Stage::EndOfMessage;
        assert_eq!(peer.session.progress(&mut peer.output), legal);
        assert_eq!(peer.letters(), if legal { "p" } else { "" });
        peer.reply(&Reply::Continue);
        peer.output.clear();
        assert!(!peer.session.progress(&mut peer.output));
        assert!(peer.output.is_empty());
    }
}

#[test]
fn modifications_are_written_only_while_the_final_reply_is_owed() {
    let hold = Modification::Hold {
        reason: "spam".to_owned(),
    };
    for (n, stage) in STAGES.into_iter().enumerate() {
        let mut peer = waiting(n);
        let legal = stage == Stage::EndOfMessage;
        assert_eq!(peer.session.modify(&hold, &mut peer.output), legal);
        peer.reply(&Reply::Continue);
        peer.output.clear();
        assert!(!peer.session.modify(&hold, &mut peer.output));
        assert!(peer.output.is_empty());
    }
}

/// What a modification looks like to the MTA.
fn modified(modification: &Modification) -> MtaReply {
    let mut peer = waiting(5);
    assert!(peer.session.modify(modification, &mut peer.output));
    let reply = Mta::decode(&mut peer.output).unwrap().unwrap();
    assert!(peer.output.is_empty());
    reply
}

#[test]
fn text_with_percent_and_line_ends_stays_one_reply() {
    let mut peer = waiting(5);
    let hostile = "RULE_100%\r\n250 2.0.0 ok\r\n%s%n\0\u{e9}";
    peer.reply(&Reply::Text(ReplyText::rejected(hostile)));
    let frames = peer.written();
    assert_eq!(frames.len(), 1);
    let (nul, line) = frames[0].data.split_last().unwrap();
    assert_eq!(*nul, 0);
    assert!(line.iter().all(|b| (b' '..=b'~').contains(b)));
    let percents = line.iter().filter(|b| **b == b'%').count();
    assert_eq!(percents, 6, "each of three is doubled");
    assert!(line.starts_with(b"550 5.7.1 RULE_100%%"));
}

/// Names of rules and evidence of a message end up in values: they must not end the field, the string or
/// the packet, whoever wrote them.
#[test]
fn a_header_value_cannot_add_a_second_field() {
    let insert = |name: &str, value: &str| {
        modified(&Modification::InsertHeader {
            index: 0,
            name: name.to_owned(),
            value: value.to_owned(),
        })
    };
    let field = |value: &str| MtaReply::InsertHeader(0, "X-Spam".to_owned(), value.to_owned());
    assert_eq!(insert("X-Spam", "yes\nX-Evil: 1"), field(" yes X-Evil: 1"));
    assert_eq!(
        insert("X-Spam", "yes\r\nX-Evil: 1"),
        field(" yes X-Evil: 1")
    );
    assert_eq!(insert("X-Spam", "yes\r\n\tmore"), field(" yes\n\tmore"));
    assert_eq!(insert("X-Spam", "yes\n"), field(" yes"));
    assert_eq!(insert("X-Spam", "a\0b\rc"), field(" abc"));
    assert_eq!(
        insert("X-Sp\0am\n:", "folded\n more"),
        field(" folded\n more")
    );
}

#[test]
fn a_reason_to_hold_is_one_line_and_never_empty() {
    let hold = |reason: &str| {
        modified(&Modification::Hold {
            reason: reason.to_owned(),
        })
    };
    assert_eq!(hold("score 12"), MtaReply::Hold("score 12".to_owned()));
    assert_eq!(hold("a\r\nb\0c"), MtaReply::Hold("a bc".to_owned()));
    assert_eq!(hold(""), MtaReply::Hold("held".to_owned()));
}

#[test]
fn a_recipient_is_dropped_by_the_path_that_came_with_rcpt() {
    let drop = |path: &[u8]| {
        modified(&Modification::DeleteRecipient {
            path: path.to_vec(),
        })
    };
    let dropped = |path: &str| MtaReply::DeleteRecipient(path.to_owned());
    assert_eq!(drop(b"<User@example.org>"), dropped("<User@example.org>"));
    assert_eq!(drop(b"user"), dropped("user"));
    assert_eq!(drop(b"<a@b>\0<c@d>"), dropped("<a@b>"));
}

#[test]
fn modifications_come_before_the_final_reply_in_the_order_given() {
    let mut peer = waiting(5);
    for index in [2, 1] {
        let delete = Modification::DeleteHeader {
            index,
            name: "X-Spam".to_owned(),
        };
        assert!(peer.session.modify(&delete, &mut peer.output));
    }
    assert!(peer.session.progress(&mut peer.output));
    assert!(peer.reply(&Reply::Continue));
    let frames = peer.written();
    assert_eq!(frames[0].data, &b"\0\0\0\x02X-Spam\0\0"[..]);
    assert_eq!(frames[1].data, &b"\0\0\0\x01X-Spam\0\0"[..]);
    assert_eq!((frames[2].code, frames[3].code), (b'p', b'c'));
}
