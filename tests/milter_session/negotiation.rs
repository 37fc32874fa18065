//! Negotiation: an answer is a subset of the offer, and what was not offered is neither used nor missed.

use mailweir::milter::{Actions, Modification, Reply, Session, Steps};

use super::peer::{ALL_ACTIONS, ALL_STEPS, NO_REPLIES, Peer, offer};

/// Version, actions, steps and the rest of the `O` reply.
fn answer(data: &[u8]) -> (u32, u32, u32, Vec<u8>) {
    let mut peer = Peer::silent();
    assert_eq!(peer.say(b'O', data), ["negotiated"]);
    let frames = peer.written();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].code, b'O');
    let word = |n: usize| u32::from_be_bytes(frames[0].data[n * 4..n * 4 + 4].try_into().unwrap());
    (word(0), word(1), word(2), frames[0].data[12..].to_vec())
}

/// A session in which every command was sent once, and the replies to it, `O` left out.
fn replies_under(steps: u32) -> String {
    let mut peer = Peer::offering(6, ALL_ACTIONS, steps);
    peer.open();
    for (code, data) in [
        (b'U', &b"FOO\0"[..]),
        (b'T', b""),
        (b'L', b"X\0y\0"),
        (b'N', b""),
        (b'B', b"x"),
        (b'E', b""),
    ] {
        peer.send(code, data);
    }
    assert_eq!(peer.run().len(), 6);
    peer.letters()
}

#[test]
fn version_2_3_and_4_peers_are_served() {
    // Version 3 added unknown commands to the steps, version 4 DATA; none of them had a no-reply bit for
    // more than header fields, and that one is left out here.
    for (version, actions, steps) in [(2, 0x3f, 0x7f), (3, 0x3f, 0x17f), (4, 0x3f, 0x37f)] {
        let (v, a, s, lists) = answer(&offer(version, actions, steps));
        assert_eq!(v, version);
        assert_eq!(a & !actions, 0);
        assert_eq!(s & !steps, 0);
        assert!(lists.is_empty());

        let mut peer = Peer::offering(version, actions, steps);
        peer.open();
        peer.send(b'L', b"X\0y\0");
        peer.send(b'N', b"");
        peer.send(b'B', b"x");
        peer.send(b'E', b"");
        assert_eq!(peer.run().len(), 4);
        assert_eq!(
            peer.letters(),
            "cccccccc",
            "version {version}: all answered"
        );
    }
}

#[test]
fn a_newer_version_is_answered_with_ours() {
    assert_eq!(answer(&offer(7, ALL_ACTIONS, ALL_STEPS)).0, 6);
    assert_eq!(answer(&offer(u32::MAX, ALL_ACTIONS, ALL_STEPS)).0, 6);
}

#[test]
fn zero_masks_mean_a_peer_of_the_first_version() {
    let (version, actions, steps, lists) = answer(&offer(2, 0, 0));
    assert_eq!((version, steps), (2, 0), "no step of that time is left out");
    assert_eq!(actions & !0x0f, 0);
    assert_ne!(actions & Actions::ADD_HEADERS.0, 0);
    assert!(lists.is_empty());
}

#[test]
fn an_offer_longer_than_12_bytes_is_taken() {
    let data = [&offer(6, ALL_ACTIONS, ALL_STEPS)[..], b"of the future"].concat();
    assert_eq!(answer(&data).0, 6);
}

#[test]
fn no_event_that_the_filter_needs_is_left_out() {
    let steps = Steps(answer(&offer(6, ALL_ACTIONS, ALL_STEPS)).2);
    for needed in [
        Steps::NO_CONNECT,
        Steps::NO_HELO,
        Steps::NO_MAIL,
        Steps::NO_RCPT,
        Steps::NO_HEADERS,
        Steps::NO_EOH,
        Steps::NO_BODY,
    ] {
        assert_eq!(steps.and(needed), Steps(0), "{needed:?}");
    }
}

/// RCPT may refuse and BODY may skip, so both must stay answered; CONNECT makes Postfix send what it has.
#[test]
fn connect_rcpt_and_body_stay_answered_under_every_offer() {
    for steps in [ALL_STEPS, u32::MAX, NO_REPLIES] {
        let answered = Steps(answer(&offer(6, ALL_ACTIONS, steps)).2);
        assert_eq!(answered.0 & !steps, 0);
        assert!(!answered.has(Steps::NR_CONNECT));
        assert!(!answered.has(Steps::NR_RCPT));
        assert!(!answered.has(Steps::NR_BODY));
    }
}

#[test]
fn without_any_no_reply_bit_every_event_is_answered() {
    assert_eq!(replies_under(ALL_STEPS & !NO_REPLIES), "c".repeat(10));
}

#[test]
fn with_all_no_reply_bits_connect_rcpt_body_and_end_of_message_are_answered() {
    assert_eq!(replies_under(ALL_STEPS), "cccc");
}

/// Each NR bit decides over its own event and no other.
#[test]
fn each_no_reply_bit_that_is_lacking_makes_one_more_reply_owed() {
    for bit in [
        Steps::NR_HELO,
        Steps::NR_MAIL,
        Steps::NR_DATA,
        Steps::NR_UNKNOWN,
        Steps::NR_HEADER,
        Steps::NR_EOH,
    ] {
        assert_eq!(
            replies_under(ALL_STEPS & !bit.0),
            "ccccc",
            "{bit:?} lacking"
        );
        assert_eq!(
            replies_under(ALL_STEPS & !NO_REPLIES | bit.0),
            "c".repeat(9),
            "{bit:?} only"
        );
    }
}

#[test]
fn internal_and_unknown_bits_are_never_set_unasked() {
    let (_, actions, steps, _) = answer(&offer(6, u32::MAX, ALL_STEPS));
    assert_eq!(actions & !ALL_ACTIONS, 0);
    assert_eq!(steps & !ALL_STEPS, 0);
    let (_, _, steps, _) = answer(&offer(6, ALL_ACTIONS, u32::MAX));
    assert_eq!(
        steps & 0x7000_0000,
        Steps::PACKETS_1M.0,
        "one packet size, one that fits"
    );
    assert_eq!(steps & !0x7000_0000 & !ALL_STEPS, 0);
    let (_, _, steps, _) = answer(&offer(6, ALL_ACTIONS, ALL_STEPS | 0x1000_0000));
    assert_eq!(steps & 0x7000_0000, 0, "256K alone is not taken up");
}

/// The macro lists of an `O` reply: stage and names.
fn lists(mut data: &[u8]) -> Vec<(u32, String)> {
    let mut out = Vec::new();
    while let Some((stage, rest)) = data.split_first_chunk::<4>() {
        let nul = rest.iter().position(|b| *b == 0).expect("terminated");
        out.push((
            u32::from_be_bytes(*stage),
            String::from_utf8(rest[..nul].to_vec()).unwrap(),
        ));
        data = &rest[nul + 1..];
    }
    assert!(data.is_empty());
    out
}

/// Sendmail 8.17 chooses the list of end of message (5) by the flag of end of headers (6): with one of
/// them missing, the queue id is not sent at end of message.
#[test]
fn sendmails_end_of_message_list_bug_is_met_by_setting_both_lists_alike() {
    let lists = lists(&answer(&offer(6, ALL_ACTIONS, ALL_STEPS)).3);
    let of = |stage| {
        let found: Vec<_> = lists.iter().filter(|(s, _)| *s == stage).collect();
        assert_eq!(found.len(), 1, "stage {stage} once");
        found[0].1.clone()
    };
    assert_eq!(of(5), of(6));
    assert!(of(5).split(' ').any(|name| name == "i"));
    assert!(of(2).contains("{auth_authen}"));
    // Sendmail stops at a stage that it does not know.
    assert!(lists.iter().all(|(stage, _)| *stage <= 6));
}

#[test]
fn macro_lists_are_sent_only_where_offered() {
    let without = ALL_ACTIONS & !Actions::SET_MACROS.0;
    let (_, actions, _, lists) = answer(&offer(6, without, ALL_STEPS));
    assert_eq!(actions & Actions::SET_MACROS.0, 0);
    assert!(lists.is_empty());
}

/// A session at end of message under these masks.
fn deciding(actions: u32, steps: u32) -> Peer {
    let mut peer = Peer::offering(6, actions, steps);
    peer.open();
    peer.send(b'E', b"");
    while peer.session.owed() != Some(mailweir::milter::Stage::EndOfMessage) {
        assert!(peer.next().unwrap().is_some());
        if peer.session.owed() != Some(mailweir::milter::Stage::EndOfMessage) {
            peer.reply(&Reply::Continue);
        }
    }
    peer.output.clear();
    peer
}

fn modifications() -> [(Actions, Modification, u8); 4] {
    [
        (
            Actions::ADD_HEADERS,
            Modification::InsertHeader {
                index: 0,
                name: "X-Spam".to_owned(),
                value: "yes".to_owned(),
            },
            b'i',
        ),
        (
            Actions::CHANGE_HEADERS,
            Modification::DeleteHeader {
                index: 1,
                name: "X-Spam".to_owned(),
            },
            b'm',
        ),
        (
            Actions::DELETE_RCPT,
            Modification::DeleteRecipient {
                path: b"<user@example.org>".to_vec(),
            },
            b'-',
        ),
        (
            Actions::QUARANTINE,
            Modification::Hold {
                reason: "spam".to_owned(),
            },
            b'q',
        ),
    ]
}

#[test]
fn a_modification_that_was_not_negotiated_is_never_written() {
    for (action, modification, letter) in modifications() {
        let mut with = deciding(action.0, ALL_STEPS);
        assert!(with.session.modify(&modification, &mut with.output));
        assert_eq!(with.letters(), char::from(letter).to_string());

        let mut without = deciding(ALL_ACTIONS & !action.0, ALL_STEPS);
        assert!(!without.session.modify(&modification, &mut without.output));
        assert!(without.output.is_empty());
        assert!(!without.session.allows(action));
        assert!(without.reply(&Reply::Continue));
        assert_eq!(without.letters(), "c");
    }
}

#[test]
fn an_offer_without_skip_makes_skip_a_continue() {
    for (steps, letter) in [(ALL_STEPS, "s"), (ALL_STEPS & !Steps::SKIP.0, "c")] {
        let mut peer = Peer::offering(6, ALL_ACTIONS, steps);
        peer.open();
        peer.say(b'N', b"");
        peer.output.clear();
        peer.send(b'B', b"x");
        assert!(peer.next().unwrap().is_some());
        assert!(peer.reply(&Reply::Skip));
        assert_eq!(peer.letters(), letter);
        assert_eq!(peer.say(b'E', b""), ["end of message"], "it still comes");
    }
}

#[test]
fn leading_space_is_ours_to_write_only_where_negotiated() {
    let insert = |steps| {
        let (_, modification, _) = modifications()[0].clone();
        let mut peer = deciding(ALL_ACTIONS, steps);
        assert!(peer.session.modify(&modification, &mut peer.output));
        (
            peer.session.leading_space(),
            peer.written()[0].data.to_vec(),
        )
    };
    assert_eq!(
        insert(ALL_STEPS),
        (true, b"\0\0\0\0X-Spam\0 yes\0".to_vec())
    );
    assert_eq!(
        insert(ALL_STEPS & !Steps::LEADING_SPACE.0),
        (false, b"\0\0\0\0X-Spam\0yes\0".to_vec())
    );
}

#[test]
fn nothing_is_allowed_before_negotiation() {
    let session = Session::new();
    assert_eq!(session.agreement().actions, Actions(0));
    assert_eq!(session.agreement().steps, Steps(0));
    assert!(!session.leading_space());
}
