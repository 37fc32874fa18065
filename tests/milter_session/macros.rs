//! Macros: at the right stage, in force until their stage comes again, never seen by the next message.

use super::peer::Peer;

fn get(peer: &Peer, name: &str) -> Option<String> {
    peer.session.macros().get(name)
}

#[test]
fn macros_before_negotiation_do_no_harm() {
    let mut peer = Peer::silent();
    assert!(peer.say(b'D', b"Cj\0mx\0").is_empty());
    assert!(peer.output.is_empty());
    peer.send(b'O', &super::peer::offer(6, 0x1ff, 0x1f_ffff));
    assert_eq!(peer.run(), ["negotiated"]);
}

#[test]
fn a_macro_packet_with_a_letter_only_is_taken() {
    let mut peer = Peer::modern();
    for code in *b"CHMRTLNBEU" {
        assert!(peer.say(b'D', &[code]).is_empty());
    }
    assert!(peer.output.is_empty());
    assert_eq!(peer.say(b'C', b"h\0U"), ["connect h without address"]);
}

#[test]
fn a_macro_packet_with_an_odd_number_of_strings_keeps_the_pairs() {
    let mut peer = Peer::modern();
    peer.say(b'D', b"Cj\0mx.example\0alone\0");
    assert_eq!(get(&peer, "j").as_deref(), Some("mx.example"));
    assert_eq!(get(&peer, "alone"), None);
    peer.say(b'D', b"Cj\0unterminated");
    assert_eq!(get(&peer, "j").as_deref(), Some("unterminated"));
    peer.say(b'D', b"C\0\0\0\0");
    assert_eq!(get(&peer, "j"), None);
}

#[test]
fn macros_for_letters_that_have_none_change_nothing() {
    let mut peer = Peer::modern();
    peer.say(b'D', b"Mi\0Q1\0");
    for code in [b'U', b'A', b'Q', b'?', 0, 0xff] {
        assert!(
            peer.say(b'D', &[&[code], &b"i\0WRONG\0"[..]].concat())
                .is_empty()
        );
    }
    assert_eq!(get(&peer, "i").as_deref(), Some("Q1"));
}

#[test]
fn one_name_with_and_without_braces_is_one_macro() {
    let mut peer = Peer::modern();
    peer.say(b'D', b"M{i}\0Q1\0{auth_authen}\0anna\0");
    assert_eq!(get(&peer, "i").as_deref(), Some("Q1"));
    assert_eq!(get(&peer, "auth_authen").as_deref(), Some("anna"));
    peer.say(b'D', b"Mi\0Q2\0auth_authen\0bert\0");
    assert_eq!(get(&peer, "i").as_deref(), Some("Q2"));
    assert_eq!(get(&peer, "auth_authen").as_deref(), Some("bert"));
}

/// Postfix sends the queue id again ahead of each header field and each chunk.
#[test]
fn postfix_macros_before_each_header_and_chunk_are_merged() {
    let mut peer = Peer::modern();
    peer.send(b'D', b"M{auth_authen}\0anna\0");
    peer.send(b'M', b"<a>\0");
    peer.send(b'D', b"Ri\0Q1\0{rcpt_addr}\0b\0");
    peer.send(b'R', b"<b>\0");
    for (code, data) in [
        (b'L', &b"X\0y\0"[..]),
        (b'L', b"X\0z\0"),
        (b'N', b""),
        (b'B', b"x"),
    ] {
        peer.send(b'D', &[&[code], &b"i\0Q1\0"[..]].concat());
        peer.send(code, data);
    }
    assert_eq!(
        peer.run(),
        [
            "mail <a>",
            "rcpt <b>",
            "header X:y",
            "header X:z",
            "end of headers",
            "body x"
        ]
    );
    assert_eq!(get(&peer, "i").as_deref(), Some("Q1"));
    assert_eq!(get(&peer, "auth_authen").as_deref(), Some("anna"));
    assert_eq!(get(&peer, "rcpt_addr").as_deref(), Some("b"));
}

#[test]
fn a_macro_told_ahead_of_header_fields_only_is_known_from_there() {
    let mut peer = Peer::modern();
    peer.open();
    peer.say(b'L', b"X\0y\0");
    assert_eq!(get(&peer, "i"), None);
    peer.say(b'D', b"Li\0Q1\0");
    peer.say(b'L', b"X\0z\0");
    assert_eq!(get(&peer, "i").as_deref(), Some("Q1"));
}

#[test]
fn what_was_told_last_holds_and_an_empty_value_tells_nothing() {
    let mut peer = Peer::modern();
    peer.say(b'D', b"Mi\0EARLY\0{auth_authen}\0\0");
    peer.say(b'D', b"Ei\0LATE\0");
    assert_eq!(get(&peer, "i").as_deref(), Some("LATE"));
    assert_eq!(
        get(&peer, "auth_authen"),
        None,
        "empty is not authenticated"
    );
    peer.say(b'D', b"Ei\0\0");
    assert_eq!(get(&peer, "i").as_deref(), Some("EARLY"));
}

#[test]
fn macros_of_connect_and_helo_outlive_messages() {
    let mut peer = Peer::modern();
    peer.say(b'D', b"Cj\0mx.example\0");
    peer.say(b'D', b"H{tls_version}\0TLSv1.3\0");
    for _ in 0..2 {
        peer.say(b'M', b"<a>\0");
        peer.say(b'R', b"<b>\0");
        peer.say(b'E', b"");
        peer.say(b'A', b"");
        assert_eq!(get(&peer, "j").as_deref(), Some("mx.example"));
        assert_eq!(get(&peer, "tls_version").as_deref(), Some("TLSv1.3"));
    }
}

const PRIVATE: [&str; 3] = ["i", "auth_authen", "rcpt_addr"];

/// A transaction of an authenticated client, up to before its end.
fn authenticated() -> Peer {
    let mut peer = Peer::modern();
    peer.say(b'D', b"Mi\0Q1\0{auth_authen}\0anna\0");
    peer.say(b'M', b"<a>\0");
    peer.say(b'D', b"R{rcpt_addr}\0b\0");
    peer.say(b'R', b"<b>\0");
    peer.say(b'D', b"Ei\0Q1\0");
    for name in PRIVATE {
        assert!(get(&peer, name).is_some());
    }
    peer
}

/// The next message comes without any macro of its own: it must not be taken for authenticated mail.
fn assert_forgotten(peer: &mut Peer, how: &str) {
    peer.say(b'M', b"<c>\0");
    for name in PRIVATE {
        assert_eq!(get(peer, name), None, "{name} {how}");
    }
}

#[test]
fn a_finished_message_leaves_no_macro_to_the_next() {
    let mut peer = authenticated();
    assert_eq!(peer.say(b'E', b"").last().unwrap(), "end of message");
    assert_forgotten(&mut peer, "after end of message");
}

#[test]
fn an_aborted_message_leaves_no_macro_to_the_next() {
    let mut peer = authenticated();
    assert_eq!(peer.say(b'A', b""), ["abort"]);
    assert_forgotten(&mut peer, "after abort");
}

#[test]
fn a_message_cut_off_by_mail_leaves_no_macro_to_the_next() {
    let mut peer = authenticated();
    assert_forgotten(&mut peer, "after a second MAIL");
}

#[test]
fn a_message_cut_off_by_helo_leaves_no_macro_to_the_next() {
    let mut peer = authenticated();
    peer.say(b'H', b"again\0");
    assert_eq!(
        get(&peer, "i"),
        None,
        "nothing of it is seen at HELO either"
    );
    assert_forgotten(&mut peer, "after a second HELO");
}

#[test]
fn a_message_cut_off_by_a_command_out_of_order_leaves_no_macro_to_the_next() {
    let mut peer = authenticated();
    peer.say(b'B', b"x");
    assert_eq!(peer.say(b'R', b"<d>\0"), ["abort"]);
    assert_forgotten(&mut peer, "after a RCPT out of order");
}

#[test]
fn quit_nc_forgets_every_macro() {
    let mut peer = authenticated();
    peer.say(b'D', b"Cj\0mx.example\0");
    peer.say(b'K', b"");
    assert_eq!(get(&peer, "j"), None);
    peer.say(b'C', b"h\0U");
    assert_forgotten(&mut peer, "after QUIT_NC");
}

/// The macros of a MAIL come ahead of it, so a MAIL that cuts a message off must not lose its own.
#[test]
fn a_mail_that_cuts_a_message_off_keeps_its_own_macros() {
    let mut peer = authenticated();
    peer.send(b'D', b"Mi\0Q2\0{auth_authen}\0bert\0");
    peer.send(b'M', b"<c>\0");
    assert_eq!(peer.run(), ["abort", "mail <c>"]);
    assert_eq!(get(&peer, "i").as_deref(), Some("Q2"));
    assert_eq!(get(&peer, "auth_authen").as_deref(), Some("bert"));
    assert_eq!(get(&peer, "rcpt_addr"), None);
}

#[test]
fn a_flood_of_macros_is_bounded_and_holds_no_packet() {
    let mut peer = Peer::modern();
    let mut data = vec![b'C'];
    for n in 0..100_000 {
        data.extend_from_slice(format!("m{n}\0v\0").as_bytes());
    }
    peer.say(b'D', &data);
    assert_eq!(get(&peer, "m0").as_deref(), Some("v"));
    assert_eq!(get(&peer, "m99999"), None);
    let room = data.len();
    assert!(
        peer.input.try_reclaim(room),
        "the packet's memory is free again"
    );

    let long = vec![b'n'; 100_000];
    peer.say(
        b'D',
        &[&b"Hx\0"[..], &long, b"\0", &long, b"\0y\0z\0v\0"].concat(),
    );
    assert_eq!(get(&peer, "x"), None, "a value without bound is dropped");
    assert_eq!(get(&peer, &String::from_utf8(long).unwrap()), None);
    assert_eq!(get(&peer, "z").as_deref(), Some("v"), "the others are kept");
}
