//! What holds for every peer, drawn at random: well-behaved ones, mad ones, and line noise.

use bytes::BytesMut;
use mailweir::milter::{Event, Frame, Reply, ReplyText, Session, Stage, Steps};
use proptest::prelude::*;

use super::peer::{ALL_ACTIONS, ALL_STEPS, Peer, offer, packet, show};

/// Any command in any order, mostly decodable.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let data = prop::collection::vec(any::<u8>(), 0..24);
    prop_oneof![
        3 => Just(packet(b'M', b"<a@example.org>\0SIZE=1\0")),
        3 => Just(packet(b'R', b"<b@example.org>\0")),
        1 => Just(packet(b'T', b"")),
        3 => Just(packet(b'L', b"Subject\0 x\0")),
        2 => Just(packet(b'N', b"")),
        3 => data.clone().prop_map(|d| packet(b'B', &d)),
        2 => data.prop_map(|d| packet(b'E', &d)),
        1 => Just(packet(b'A', b"")),
        1 => Just(packet(b'H', b"helo\0")),
        1 => Just(packet(b'C', b"h\x004\0\x19192.0.2.1\0")),
        1 => Just(packet(b'U', b"FOO\0")),
        1 => Just(packet(b'K', b"")),
        1 => Just(packet(b'Q', b"")),
        1 => Just(packet(b'O', &offer(6, ALL_ACTIONS, ALL_STEPS))),
        2 => prop::sample::select(&b"CHMRTLNBEU"[..])
            .prop_map(|c| packet(b'D', &[&[c], &b"i\0Q\0"[..]].concat())),
    ]
}

/// A script behind a negotiation under any steps.
fn script() -> impl Strategy<Value = (u32, Vec<Vec<u8>>)> {
    (any::<u32>(), prop::collection::vec(command(), 0..60))
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        6 => Just(Reply::Continue),
        1 => Just(Reply::Accept),
        1 => Just(Reply::Discard),
        1 => Just(Reply::Reject),
        1 => Just(Reply::Tempfail),
        1 => Just(Reply::Text(ReplyText::rejected("no"))),
        1 => Just(Reply::Skip),
    ]
}

/// Feeds slices one after the other, each of `sizes` bytes in turn; gives events, owed stages and output.
fn feed(
    wire: &[u8],
    sizes: &[usize],
    replies: &[Reply],
) -> (Vec<(String, Option<Stage>)>, Vec<u8>) {
    let mut session = Session::new();
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut events = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let mut replies = replies.iter().cycle();
    let mut rest = wire;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        rest = tail;
        input.extend_from_slice(head);
        while let Some(event) = session.next(&mut input, &mut output).unwrap() {
            events.push((show(&event), session.owed()));
            if session.owed().is_some() {
                session.reply(replies.next().unwrap(), &mut output);
            }
        }
    }
    (events, output.to_vec())
}

/// The order of events that every filter may rely on. `None`: no transaction.
#[derive(Default)]
struct Grammar {
    at: Option<u8>,
}

impl Grammar {
    /// Panics where the event breaks the order.
    fn event(&mut self, event: &Event) {
        let inside = |at: Option<u8>, from: u8, until: u8| {
            let at = at.unwrap_or_else(|| panic!("{event:?} outside of a transaction"));
            assert!((from..=until).contains(&at), "{event:?} in state {at}");
        };
        match event {
            Event::Mail(..) => {
                assert_eq!(self.at, None, "MAIL inside of a transaction");
                self.at = Some(0);
            }
            Event::Rcpt(..) => {
                inside(self.at, 0, 1);
                self.at = Some(1);
            }
            Event::Data => {
                inside(self.at, 1, 1);
                self.at = Some(2);
            }
            Event::Header(..) => {
                inside(self.at, 1, 3);
                self.at = Some(3);
            }
            Event::EndOfHeaders => {
                inside(self.at, 1, 3);
                self.at = Some(4);
            }
            Event::Body(_) => inside(self.at, 4, 4),
            Event::EndOfMessage => {
                inside(self.at, 4, 4);
                self.at = None;
            }
            Event::Abort => {
                assert_ne!(self.at, None, "ABORT outside of a transaction");
                self.at = None;
            }
            Event::Connect(_) | Event::Helo(_) | Event::NewConnection | Event::Quit => {
                assert_eq!(self.at, None, "{event:?} inside of a transaction");
            }
            Event::Negotiated | Event::Unknown(_) => {}
        }
    }

    /// The reply ended the message.
    fn ended(&mut self) {
        self.at = None;
    }
}

/// Whether a reply to the stage ends the message.
fn ends(stage: Stage, reply: &Reply) -> bool {
    let refused = matches!(reply, Reply::Reject | Reply::Tempfail | Reply::Text(_));
    let taken = matches!(reply, Reply::Accept | Reply::Discard);
    match stage {
        Stage::Connect | Stage::Helo | Stage::Unknown => false,
        Stage::Rcpt => taken,
        _ => refused || taken,
    }
}

/// The stage to which an event belongs, and the bit under which it gets no reply.
fn stage(event: &Event) -> Option<(Stage, u32)> {
    Some(match event {
        Event::Connect(_) => (Stage::Connect, 0x1000),
        Event::Helo(_) => (Stage::Helo, 0x2000),
        Event::Mail(..) => (Stage::Mail, 0x4000),
        Event::Rcpt(..) => (Stage::Rcpt, 0x8000),
        Event::Data => (Stage::Data, 0x1_0000),
        Event::Unknown(_) => (Stage::Unknown, 0x2_0000),
        Event::Header(..) => (Stage::Header, 0x80),
        Event::EndOfHeaders => (Stage::EndOfHeaders, 0x4_0000),
        Event::Body(_) => (Stage::Body, 0x8_0000),
        Event::EndOfMessage => (Stage::EndOfMessage, 0),
        Event::Negotiated | Event::Abort | Event::NewConnection | Event::Quit => return None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events_and_replies_do_not_depend_on_the_slicing(
        (steps, script) in script(),
        sizes in prop::collection::vec(1usize..40, 1..20),
        replies in prop::collection::vec(reply(), 1..20),
    ) {
        let mut wire = packet(b'O', &offer(6, ALL_ACTIONS, steps));
        wire.extend(script.concat());
        let whole = feed(&wire, &[wire.len()], &replies);
        prop_assert_eq!(&whole, &feed(&wire, &sizes, &replies));
        prop_assert_eq!(&whole, &feed(&wire, &[1], &replies));
    }

    /// Also for mad peers: one packet owes one reply at most, what is owed follows the negotiated bits,
    /// each reply is written once, and the events keep an order on which filters may rely.
    #[test]
    fn every_owed_command_is_answered_once_and_events_keep_their_order(
        (steps, script) in script(),
        replies in prop::collection::vec(reply(), 1..20),
    ) {
        let mut peer = Peer::offering(6, ALL_ACTIONS, steps);
        let agreed = peer.session.agreement().steps;
        let mut replies = replies.iter().cycle();
        let mut grammar = Grammar::default();
        let mut answered = String::new();
        for packet in &script {
            peer.input.extend_from_slice(packet);
            let mut owed_by_this_packet = 0;
            while let Some(event) = peer.next().unwrap() {
                prop_assert_eq!(owed_by_this_packet, 0, "{:?} behind the owed event", event);
                grammar.event(&event);
                if let Some(owed) = peer.session.owed() {
                    owed_by_this_packet += 1;
                    let (expected, bit) = stage(&event).unwrap();
                    prop_assert_eq!(owed, expected);
                    prop_assert_eq!(agreed.0 & bit, 0, "{:?} under a no-reply bit", event);
                    let reply = replies.next().unwrap();
                    prop_assert!(peer.reply(reply));
                    prop_assert!(!peer.reply(reply));
                    if ends(owed, reply) {
                        grammar.ended();
                    }
                    answered.push('.');
                }
            }
            prop_assert!(peer.input.is_empty(), "whole packets are taken whole");
        }
        prop_assert_eq!(peer.letters().len(), answered.len());
    }

    /// A legal session under any offer: each command that the agreement does not silence gets its reply.
    #[test]
    fn a_legal_session_gets_a_reply_to_each_command_that_waits_for_one(
        steps in any::<u32>(),
        messages in prop::collection::vec((1usize..4, 0usize..4, 0usize..3, any::<bool>()), 0..4),
    ) {
        let mut peer = Peer::offering(6, ALL_ACTIONS, steps);
        let agreed = peer.session.agreement().steps;
        let mut sent = Vec::new();
        let mut send = |code: u8, data: &[u8], peer: &mut Peer| {
            sent.push(code);
            peer.send(code, data);
        };
        send(b'C', b"h\0U", &mut peer);
        send(b'H', b"h\0", &mut peer);
        for (rcpts, headers, chunks, data) in messages {
            send(b'M', b"<a>\0", &mut peer);
            (0..rcpts).for_each(|_| send(b'R', b"<b>\0", &mut peer));
            if data {
                send(b'T', b"", &mut peer);
            }
            (0..headers).for_each(|_| send(b'L', b"X\0y\0", &mut peer));
            send(b'N', b"", &mut peer);
            (0..chunks).for_each(|_| send(b'B', b"x", &mut peer));
            send(b'E', b"", &mut peer);
            send(b'A', b"", &mut peer);
        }
        send(b'Q', b"", &mut peer);
        let bit = |code: u8| match code {
            b'C' => Some(Steps::NR_CONNECT),
            b'H' => Some(Steps::NR_HELO),
            b'M' => Some(Steps::NR_MAIL),
            b'R' => Some(Steps::NR_RCPT),
            b'T' => Some(Steps::NR_DATA),
            b'L' => Some(Steps::NR_HEADER),
            b'N' => Some(Steps::NR_EOH),
            b'B' => Some(Steps::NR_BODY),
            b'E' => Some(Steps(1 << 31)),
            _ => None,
        };
        let expected = sent
            .iter()
            .filter_map(|c| bit(*c))
            .filter(|b| b.0 == 1 << 31 || !agreed.has(*b))
            .count();
        let events = peer.run();
        prop_assert_eq!(events.len(), sent.iter().filter(|c| **c != b'A').count());
        prop_assert_eq!(peer.letters(), "c".repeat(expected));
    }

    #[test]
    fn a_packet_of_any_content_never_panics(
        packets in prop::collection::vec(
            (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..30),
    ) {
        let mut peer = Peer::modern();
        for (code, data) in packets {
            // Known letters are frequent enough to get past the first packet.
            let code = b"OCHMRTLNBEAQKUD".get(usize::from(code % 32)).copied().unwrap_or(code);
            peer.send(code, &data);
            while let Ok(Some(_)) = peer.next() {
                peer.reply(&Reply::Continue);
            }
        }
    }

    #[test]
    fn line_noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut peer = Peer::silent();
        peer.input.extend_from_slice(&noise);
        while let Ok(Some(_)) = peer.next() {
            peer.reply(&Reply::Continue);
        }
    }

    /// The session keeps no part of what it read: when the events are dropped, the room is free again.
    #[test]
    fn the_session_holds_no_input((steps, script) in script()) {
        let mut peer = Peer::offering(6, ALL_ACTIONS, steps);
        for packet in &script {
            peer.input.extend_from_slice(packet);
            peer.run();
            prop_assert!(peer.output.len() <= 64 * script.len() + 512);
        }
        peer.output.clear();
        let room = peer.input.capacity() + script.iter().map(Vec::len).sum::<usize>();
        prop_assert!(room == 0 || script.is_empty() || peer.input.try_reclaim(1));
    }
}

/// A peer that sends for hours costs as much as one that just came.
#[test]
fn memory_does_not_grow_with_the_number_of_messages() {
    let mut peer = Peer::modern();
    for n in 0..200 {
        for code in *b"CHMRTNE" {
            let data = [
                &[code],
                &b"i\0Q\0"[..],
                &vec![b'x'; 4000],
                b"\0",
                &vec![b'y'; 4000],
                b"\0",
            ];
            peer.say(b'D', &data.concat());
        }
        peer.open();
        peer.send(b'B', &[b'z'; 65_535]);
        peer.say(b'E', b"");
        peer.output.clear();
        assert!(peer.input.is_empty());
        // Nothing is kept of what was read, so the buffer can be used again from its start, and with 64 KiB
        // of chunk in it that is all it ever needs.
        assert!(peer.input.try_reclaim(60_000), "message {n}");
        let capacity = peer.input.capacity();
        assert!(capacity < 300_000, "{capacity} bytes after {n} messages");
    }
}

#[test]
fn every_packet_written_is_whole() {
    let mut peer = Peer::talkative();
    peer.open();
    let mut output = peer.output.split();
    let mut letters = Vec::new();
    while let Some(Frame { code, data }) = Frame::decode(&mut output).unwrap() {
        assert!(data.is_empty(), "replies without data have none");
        letters.push(code);
    }
    assert_eq!(letters, b"cccc");
    assert!(output.is_empty());
}
