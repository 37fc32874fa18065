//! Bytes to packets: any slicing, every length, nothing half.

use mailweir::milter::{Event, FrameError, MAX_PACKET, Malformed, PeerIncompatible, ProtocolError};

use super::peer::{ALL_ACTIONS, ALL_STEPS, Peer, offer, packet};

/// A whole session; what it means is in `MEANING`.
fn session() -> Vec<Vec<u8>> {
    vec![
        packet(b'O', &offer(6, ALL_ACTIONS, ALL_STEPS)),
        packet(b'D', b"Cj\0mx.example\0"),
        packet(b'C', b"client.example\x006\x30\x39IPv6:2001:db8::1\0"),
        packet(b'D', b"H"),
        packet(b'H', b"helo.example\0"),
        packet(b'M', b"<a@example.org>\0SIZE=9\0"),
        packet(b'R', b"<b@example.net>\0"),
        packet(b'T', b""),
        packet(b'L', b"Subject\0 one\n\ttwo\0"),
        packet(b'N', b""),
        packet(b'B', b"half a line\r"),
        packet(b'B', b"\nand more\r\n"),
        packet(b'E', b""),
        packet(b'Q', b""),
    ]
}

const MEANING: [&str; 12] = [
    "negotiated",
    "connect client.example 2001:db8::1 port 12345",
    "helo helo.example",
    "mail <a@example.org> SIZE=9",
    "rcpt <b@example.net>",
    "data",
    "header Subject: one\\n\\ttwo",
    "end of headers",
    "body half a line\\r",
    "body \\nand more\\r\\n",
    "end of message",
    "quit",
];

#[test]
fn a_session_that_arrives_byte_by_byte_is_the_same_session() {
    let mut peer = Peer::silent();
    let mut events = Vec::new();
    for byte in session().concat() {
        peer.input.extend_from_slice(&[byte]);
        events.extend(peer.run());
    }
    assert_eq!(events, MEANING);
    assert_eq!(peer.letters(), "Occccc");
}

#[test]
fn a_session_that_arrives_in_one_write_is_the_same_session() {
    let mut peer = Peer::silent();
    peer.input.extend_from_slice(&session().concat());
    assert_eq!(peer.run(), MEANING);
    assert_eq!(peer.letters(), "Occccc");
}

#[test]
fn a_session_cut_at_any_one_place_is_the_same_session() {
    let wire = session().concat();
    for cut in 0..wire.len() {
        let mut peer = Peer::silent();
        peer.input.extend_from_slice(&wire[..cut]);
        let mut events = peer.run();
        peer.input.extend_from_slice(&wire[cut..]);
        events.extend(peer.run());
        assert_eq!(events, MEANING, "cut at {cut}");
    }
}

#[test]
fn an_end_in_the_middle_of_a_packet_gives_no_event_in_any_state() {
    let packets = session();
    for whole in 0..packets.len() {
        for kept in 0..packets[whole].len() {
            let mut peer = Peer::silent();
            peer.input.extend_from_slice(&packets[..whole].concat());
            peer.run();
            peer.output.clear();
            peer.input.extend_from_slice(&packets[whole][..kept]);
            assert_eq!(peer.next(), Ok(None), "packet {whole}, {kept} bytes of it");
            assert!(peer.output.is_empty());
        }
    }
}

fn refused(wire: &[u8]) -> ProtocolError {
    let mut peer = Peer::modern();
    peer.input.extend_from_slice(wire);
    let error = peer.next().unwrap_err();
    assert!(peer.output.is_empty(), "nothing is said to a broken peer");
    error
}

#[test]
fn length_0_ends_the_connection() {
    assert_eq!(
        refused(&[0, 0, 0, 0]),
        ProtocolError::Frame(FrameError::Empty)
    );
}

#[test]
fn length_ffffffff_ends_the_connection_before_its_data_comes() {
    assert_eq!(
        refused(&[0xff; 4]),
        ProtocolError::Frame(FrameError::TooLong(u32::MAX))
    );
}

fn body_of(length: usize) -> Result<usize, ProtocolError> {
    let mut peer = Peer::modern();
    peer.open();
    peer.send(b'N', b"");
    peer.send(b'B', &vec![b'x'; length]);
    assert_eq!(peer.next(), Ok(Some(Event::EndOfHeaders)));
    match peer.next()? {
        Some(Event::Body(chunk)) => Ok(chunk.len()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn data_of_65535_and_65536_bytes_is_taken() {
    assert_eq!(body_of(65_535), Ok(65_535));
    assert_eq!(body_of(65_536), Ok(65_536));
}

#[test]
fn data_of_the_cap_is_taken_and_one_byte_more_is_refused() {
    assert_eq!(body_of(MAX_PACKET), Ok(MAX_PACKET));
    let length = u32::try_from(MAX_PACKET).unwrap() + 2;
    assert_eq!(
        body_of(MAX_PACKET + 1),
        Err(ProtocolError::Frame(FrameError::TooLong(length)))
    );
}

#[test]
fn no_room_is_taken_for_a_length_that_is_only_announced() {
    let mut peer = Peer::modern();
    let length = u32::try_from(MAX_PACKET).unwrap() + 1;
    peer.input.extend_from_slice(&length.to_be_bytes());
    peer.input.extend_from_slice(b"B");
    assert_eq!(peer.next(), Ok(None));
    assert!(peer.input.capacity() < 4096, "{}", peer.input.capacity());
}

#[test]
fn an_unknown_letter_ends_the_connection() {
    for code in (0..=u8::MAX).filter(|c| !b"OCHMRTLNBEAQKUD".contains(c)) {
        assert_eq!(
            refused(&packet(code, b"x\0")),
            ProtocolError::Malformed(Malformed::Code(code))
        );
    }
}

#[test]
fn a_command_that_needs_data_and_has_none_ends_the_connection() {
    for code in *b"CHMRLUD" {
        assert_eq!(
            refused(&packet(code, b"")),
            ProtocolError::Malformed(Malformed::Data(char::from(code)))
        );
    }
}

#[test]
fn an_offer_that_is_too_short_or_too_old_ends_the_connection() {
    let mut peer = Peer::silent();
    peer.send(b'O', &offer(6, ALL_ACTIONS, ALL_STEPS)[..11]);
    assert_eq!(
        peer.next(),
        Err(ProtocolError::Incompatible(PeerIncompatible::Short(11)))
    );
    let mut peer = Peer::silent();
    peer.send(b'O', &offer(1, 0, 0));
    assert_eq!(
        peer.next(),
        Err(ProtocolError::Incompatible(PeerIncompatible::Version(1)))
    );
}

#[test]
fn connect_of_an_unknown_family_carries_nothing_more() {
    let mut peer = Peer::modern();
    assert_eq!(
        peer.say(b'C', b"unknown\0U"),
        ["connect unknown without address"]
    );
}

#[test]
fn connect_over_a_unix_socket_has_no_address() {
    let mut peer = Peer::modern();
    assert_eq!(
        peer.say(b'C', b"localhost\0L\0\0/run/smtp\0"),
        ["connect localhost without address"]
    );
}

#[test]
fn sendmails_ipv6_prefix_is_taken_off_in_any_case() {
    for data in [
        &b"h\x006\0\x19IPv6:2001:db8::1\0"[..],
        b"h\x006\0\x19ipV6:2001:db8::1\0",
        b"h\x006\0\x192001:db8::1\0",
    ] {
        let mut peer = Peer::modern();
        assert_eq!(peer.say(b'C', data), ["connect h 2001:db8::1 port 25"]);
    }
}

#[test]
fn an_ipv4_client_on_an_ipv6_socket_is_an_ipv4_client() {
    let mut peer = Peer::modern();
    assert_eq!(
        peer.say(b'C', b"h\x006\0\x19IPv6:::ffff:192.0.2.7\0"),
        ["connect h 192.0.2.7 port 25"]
    );
}

#[test]
fn a_link_local_client_keeps_its_address_without_the_interface() {
    let mut peer = Peer::modern();
    assert_eq!(
        peer.say(b'C', b"h\x006\0\x19fe80::1%eth0\0"),
        ["connect h fe80::1 port 25"]
    );
}

#[test]
fn odd_header_fields_keep_every_byte() {
    for (data, line) in [
        (&b"\0value\0"[..], "header :value"),
        (b"X-Empty\0\0", "header X-Empty:"),
        (b"\0\0", "header :"),
        (b"X\0a\0b\0", "header X:a\\x00b"),
        (b"X-Eight\0\xe9\xff\0", "header X-Eight:\\xe9\\xff"),
        (b"X\0 a\n\tb\n c\0", "header X: a\\n\\tb\\n c"),
        (b"X\0\tv\r\0", "header X:\\tv\\r"),
    ] {
        let mut peer = Peer::modern();
        peer.open();
        assert_eq!(peer.say(b'L', data), [line]);
    }
}

#[test]
fn a_line_end_or_boundary_split_over_two_chunks_arrives_as_it_was_cut() {
    let mut peer = Peer::modern();
    peer.open();
    peer.send(b'N', b"");
    peer.send(b'B', b"text\r");
    peer.send(b'B', b"\n--boun");
    peer.send(b'B', b"dary--\r\n=C3");
    peer.send(b'B', b"=\xc3");
    peer.send(b'B', b"\xa9\0\r\n");
    assert_eq!(
        peer.run(),
        [
            "end of headers",
            "body text\\r",
            "body \\n--boun",
            "body dary--\\r\\n=C3",
            "body =\\xc3",
            "body \\xa9\\x00\\r\\n",
        ]
    );
    assert_eq!(peer.letters().matches('c').count(), 2 + 5);
}

#[test]
fn a_chunk_without_bytes_is_a_chunk_and_is_answered() {
    let mut peer = Peer::modern();
    peer.open();
    peer.say(b'N', b"");
    peer.output.clear();
    assert_eq!(peer.say(b'B', b""), ["body "]);
    assert_eq!(peer.letters(), "c");
}
