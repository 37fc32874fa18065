//! Hostile messages: bounds hold, time is linear, the stack is not needed, whatever the bytes.

use super::*;

/// A message in quoted-printable, whose `=` are escaped once a level.
fn encoded(levels: usize) -> String {
    let mut raw = "\nend\n".to_owned();
    for _ in 0..levels {
        raw = format!(
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n{}",
            raw.replace('=', "=3D")
        );
    }
    raw
}

#[test]
fn encoded_messages_are_taken_apart_to_a_bounded_level() {
    assert_eq!(parse(&encoded(3)).flags(), [Flag::EncodedMessage]);
    let deep = parse(&encoded(4));
    assert_eq!(deep.flags(), [Flag::TooDeep, Flag::EncodedMessage]);
    assert!(matches!(deep.parts()[3].kind, PartKind::Binary(_)));
}

/// `levels` containers in each other.
fn nested(levels: usize, message: bool) -> Vec<u8> {
    let mut raw = String::new();
    for level in 0..levels {
        if message {
            raw.push_str("Content-Type: message/rfc822\n\n");
        } else {
            write!(
                raw,
                "Content-Type: multipart/mixed; boundary=b{level:06}\n\n--b{level:06}\n"
            )
            .unwrap();
        }
    }
    raw.push_str("\nend\n");
    raw.into_bytes()
}

#[test]
fn hundred_thousand_nested_containers_need_no_stack() {
    for message in [true, false] {
        let raw = Bytes::from(nested(100_000, message));
        let started = Instant::now();
        let flags = std::thread::Builder::new()
            .stack_size(256 * 1024)
            .spawn(move || {
                let mail = Mail::parse(raw, &Limits::default());
                assert!(mail.parts().len() <= 52);
                mail.flags().to_vec()
            })
            .unwrap()
            .join()
            .unwrap();
        assert!(flags.contains(&Flag::TooDeep));
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn limits_that_are_opened_wide_still_need_no_stack() {
    let raw = Bytes::from(nested(20_000, true));
    let limits = Limits {
        depth: usize::MAX,
        parts: usize::MAX,
        ..Limits::default()
    };
    let parts = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(move || Mail::parse(raw, &limits).parts().len())
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(parts, 20_001);
}

#[test]
fn each_limit_holds_and_is_flagged() {
    let limits = Limits {
        fields: 3,
        depth: 2,
        parts: 4,
        text_bytes: 10,
        urls: 2,
    };
    let read = |raw: &str| Mail::parse(Bytes::copy_from_slice(raw.as_bytes()), &limits);
    let mail = read("A: 1\nB: 2\nC: 3\nD: 4\n\nx\n");
    assert_eq!(
        (mail.headers().count(), mail.flags()),
        (3, &[Flag::TooManyFields][..])
    );
    assert_eq!(mail.text(), "x\n");
    let many = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}",
        "--b\n\nx\n".repeat(9)
    );
    let mail = read(&many);
    assert_eq!(
        (mail.parts().len(), mail.flags()),
        (4, &[Flag::TooManyParts][..])
    );
    let mail = read("A: b\n\n01234567890123456789\n");
    assert_eq!(
        (mail.text(), mail.flags()),
        ("0123456789", &[Flag::TextTruncated][..])
    );
    let mail =
        read("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1234\n--b\n\n123456\n--b--\n");
    assert_eq!(
        (mail.text(), mail.flags()),
        ("1234\n12345", &[Flag::TextTruncated][..])
    );
    let mail = read(
        "Content-Type: text/html\n\n<a href=http://a.example></a><a href=http://b.example></a><a href=http://c.example></a>",
    );
    assert_eq!(
        (mail.urls().len(), mail.flags()),
        (2, &[Flag::UrlsTruncated][..])
    );
    let mail = Mail::parse(Bytes::from(nested(5, true)), &limits);
    assert_eq!(
        (mail.parts().len(), mail.flags()),
        (3, &[Flag::TooDeep][..])
    );
}

#[test]
fn hostile_messages_take_linear_time() {
    let repeat = |unit: &str, size: usize| unit.repeat(size / unit.len());
    let size = 2_000_000;
    let head = "Content-Type: multipart/mixed; boundary=b\n\n";
    let mut deep = String::new();
    for level in 0..49 {
        write!(
            deep,
            "Content-Type: multipart/mixed; boundary=-{level}\n\n---{level}\n"
        )
        .unwrap();
    }
    for (what, raw) in [
        ("fields", repeat("a:\n", size)),
        ("folds", format!("Subject: x\n{}", repeat(" x\n", size))),
        (
            "from",
            format!("From: {}\n\n", repeat("a@b.example, ", size)),
        ),
        ("empty parts", format!("{head}{}", repeat("--b\n", size))),
        (
            "containers whose boundary never occurs",
            format!(
                "{head}{}",
                repeat(
                    "--b\nContent-Type: multipart/mixed; boundary=none\n\n",
                    size
                )
            ),
        ),
        ("dashes", format!("{deep}\n{}", repeat("--\n", size))),
        (
            "near boundaries",
            format!("{deep}\n{}", repeat("---\n", size)),
        ),
        ("one line", format!("A: b\n\n{}", repeat("x", size))),
        (
            "base64 without lines",
            format!(
                "Content-Transfer-Encoding: base64\n\n{}",
                repeat("QUFB", size)
            ),
        ),
        (
            "urls",
            format!("A: b\n\n{}", repeat("http://a.example/ ", size)),
        ),
        ("different urls", {
            let mut raw = "A: b\n\n".to_owned();
            for n in 0..50_000 {
                writeln!(raw, "http://a{n}.example/").unwrap();
            }
            raw
        }),
        (
            "carriage returns",
            format!("A: b\n\n{}", repeat("\r", size)),
        ),
        (
            "digest",
            format!(
                "Content-Type: multipart/digest; boundary=b\n\n{}",
                repeat("--b\n\n", size)
            ),
        ),
    ] {
        let started = Instant::now();
        let mail = Mail::parse(Bytes::from(raw), &Limits::default());
        let took = started.elapsed();
        assert!(took < Duration::from_secs(20), "{what}: {took:?}");
        assert!(mail.parts().len() <= 1000 && mail.urls().len() <= 1000);
        println!("{what}: {took:?}");
    }
}

mod arbitrary {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that look like mail now and then.
    fn soup() -> impl Strategy<Value = Vec<u8>> {
        let token = prop_oneof![
            Just("\r\n".to_owned()),
            Just("\n\n".to_owned()),
            Just("\n--b\n".to_owned()),
            Just("\n--b--\n".to_owned()),
            Just("Content-Type: multipart/mixed; boundary=b\n".to_owned()),
            Just("Content-Type: message/rfc822\n".to_owned()),
            Just("Content-Type: text/html; charset=".to_owned()),
            Just("Content-Transfer-Encoding: base64\n".to_owned()),
            Just("Content-Disposition: attachment; filename*0*=utf-8''%".to_owned()),
            Just("Subject: =?utf-8?q?=".to_owned()),
            Just("<a href=\"http://a.example/".to_owned()),
            Just("<p style='display:none;color:#fff'>".to_owned()),
            "[ -~]{0,12}",
            "\\PC{0,8}",
        ];
        (prop::collection::vec(token, 0..40), any::<Vec<u8>>()).prop_map(|(tokens, tail)| {
            let mut raw = tokens.concat().into_bytes();
            raw.extend(tail);
            raw
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_a_message(raw in soup()) {
            let limits = Limits { fields: 5, depth: 3, parts: 6, text_bytes: 64, urls: 2 };
            let mail = Mail::parse(Bytes::from(raw.clone()), &limits);
            prop_assert!(mail.headers().count() <= 5);
            prop_assert!(mail.parts().len() <= 6 && !mail.parts().is_empty());
            // A part at the deepest level is a leaf, so nothing lies deeper than the limit.
            prop_assert!(mail.parts().iter().all(|p| p.depth <= 3));
            prop_assert!(mail.text().len() <= 64 && mail.hidden_text().len() <= 64);
            prop_assert!(mail.urls().len() <= 2);
            prop_assert!(raw.ends_with(mail.raw_body()));
            prop_assert!(mail.flags().is_sorted());
            // The same message reads the same.
            let again = Mail::parse(Bytes::from(raw), &limits);
            prop_assert_eq!(mail.parts(), again.parts());
            prop_assert_eq!(mail.text(), again.text());
        }
    }
}
