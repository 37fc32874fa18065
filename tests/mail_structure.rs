//! Structure of messages: parts in document order, damage as flags, hostile nesting.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mailweir::mail::{Flag, Limits, Mail, PartKind};

#[path = "mail_structure/limits.rs"]
mod limits;

fn parse(raw: &str) -> Mail {
    Mail::parse(Bytes::copy_from_slice(raw.as_bytes()), &Limits::default())
}

/// One line a part: depth, type, name, content.
fn outline(mail: &Mail) -> String {
    let mut out = String::new();
    for part in mail.parts() {
        let content = match &part.kind {
            PartKind::Text(text) => format!("text {text:?}"),
            PartKind::Html(text) => format!("html {text:?}"),
            PartKind::Binary(bytes) => format!("binary {:?}", String::from_utf8_lossy(bytes)),
            PartKind::Message => "message".to_owned(),
            PartKind::Multipart => "multipart".to_owned(),
        };
        let name = part
            .name
            .as_deref()
            .map(|n| format!(" [{n}]"))
            .unwrap_or_default();
        writeln!(out, "{} {}{name} {content}", part.depth, part.content_type).unwrap();
    }
    out
}

#[test]
fn parts_come_flat_in_document_order() {
    let mail = parse(
        "Content-Type: multipart/mixed; boundary=outer\n\npreamble\n--outer\n\
         Content-Type: multipart/alternative; boundary=inner\n\n--inner\n\nplain\n--inner\n\
         Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n\
         <b>r=C3=BCh</b>\n--inner--\nepilogue\n--outer\n\
         Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\
         Content-Disposition: attachment\n\naGVs\nbG8=\n--outer\n\
         Content-Type: message/rfc822\n\nSubject: inside\n\nforwarded\n--outer--\n",
    );
    assert_eq!(
        outline(&mail),
        "0 multipart/mixed multipart\n\
         1 multipart/alternative multipart\n\
         2 text/plain text \"plain\"\n\
         2 text/html html \"<b>rüh</b>\"\n\
         1 application/pdf [a.pdf] binary \"hello\"\n\
         1 message/rfc822 message\n\
         2 text/plain text \"forwarded\"\n"
    );
    assert_eq!(mail.text(), "plain\nrüh\nforwarded");
    assert_eq!(mail.flags(), []);
    let pdf = mail.attachments().next().unwrap();
    assert_eq!((pdf.size, pdf.attachment), (5, true));
    assert_eq!(&mail.raw()[pdf.body.clone().unwrap()], b"aGVs\nbG8=");
    let message = &mail.parts()[5];
    assert_eq!(
        &mail.raw()[message.body.clone().unwrap()],
        b"Subject: inside\n\nforwarded"
    );
}

#[test]
fn a_message_without_mime_is_one_text() {
    let mail = parse("Subject: hi\n\nbody\nhttp://a.example/\n");
    assert_eq!(
        outline(&mail),
        "0 text/plain text \"body\\nhttp://a.example/\\n\"\n"
    );
    assert_eq!(
        (mail.subject().as_str(), mail.raw_body()),
        ("hi", &b"body\nhttp://a.example/\n"[..])
    );
    assert_eq!(mail.urls()[0].host, "a.example");
    assert_eq!(mail.flags(), []);
}

#[test]
fn an_empty_message_is_no_problem() {
    for raw in ["", "\n", "\r\n", "x", "\n\n\n"] {
        let mail = parse(raw);
        assert_eq!(mail.flags(), [Flag::NoHeader], "{raw:?}");
        assert!(mail.headers().next().is_none());
        assert_eq!(mail.parts().len(), 1);
    }
}

#[test]
fn attached_text_is_a_part_but_not_text() {
    let mail = parse(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nshown\n--b\n\
         Content-Type: text/plain\nContent-Disposition: attachment; filename=notes.txt\n\n\
         attached http://t.example\n--b\nContent-Type: text/html; name=login.html\n\
         Content-Disposition: attachment\n\n<a href=http://phish.example>x</a>hid\n--b--\n",
    );
    assert_eq!(mail.text(), "shown");
    assert_eq!(mail.attachments().count(), 2);
    let hosts: Vec<_> = mail.urls().iter().map(|u| u.host.as_str()).collect();
    assert_eq!(hosts, ["phish.example"]);
}

#[test]
fn each_kind_of_damage_has_its_flag() {
    let m = "Content-Type: multipart/mixed; boundary=b\n";
    let t = "--b\n\nx\n";
    for (raw, flag) in [
        (format!("{m}\n{t}"), Flag::NoFinalBoundary),
        (format!("{m}\nno boundary here\n"), Flag::BoundaryNeverOccurs),
        (format!("{m}\n{t}--b--\n{t}--b--\n"), Flag::PartAfterEnd),
        (format!("{m}\n{t}--bc\n\nx\n--b--\n"), Flag::LooseBoundary),
        (format!("{m}Content-Type: text/plain\n\n{t}--b--\n"), Flag::SeveralContentTypes),
        (format!("{m}Content-Transfer-Encoding: base64\n\n{t}--b--\n"), Flag::EncodedMultipart),
        (format!("{m}\n--b\nno field\n\nx\n--b--\n"), Flag::BrokenPartHeader),
        ("Content-Type: multipart/mixed\n\nx\n".into(), Flag::NoBoundary),
        ("Content-Type: ;;;\n\nx\n".into(), Flag::BadContentType),
        ("Content-Type: message/partial; id=1\n\nx\n".into(), Flag::PartialMessage),
        ("Content-Type: message/external-body\n\nx\n".into(), Flag::ExternalBody),
        (
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKeQ==\n".into(),
            Flag::EncodedMessage,
        ),
        ("Content-Transfer-Encoding: base64\n\na$b$\n".into(), Flag::DamagedBase64),
        ("Content-Transfer-Encoding: quoted-printable\n\n=XY\n".into(), Flag::DamagedQuotedPrintable),
        ("Content-Transfer-Encoding: x-uuencode\n\nx\n".into(), Flag::DamagedUuencode),
        ("Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: 8bit\n\nx\n".into(), Flag::SeveralTransferEncodings),
        ("Content-Disposition: inline\nContent-Disposition: inline\n\nx\n".into(), Flag::SeveralDispositions),
        ("Content-Transfer-Encoding: rot13\n\nx\n".into(), Flag::UnknownTransferEncoding),
        ("Content-Type: text/plain; charset=klingon\n\nx\n".into(), Flag::UnknownCharset),
        ("A: b\n\na\0b\n".into(), Flag::Nul),
        ("A: b\n\na\rb\n".into(), Flag::BareCr),
        ("A: b\r\n\r\na\nb\r\n".into(), Flag::BareLf),
        ("A: b\nno field\n\nx\n".into(), Flag::BrokenHeaderLine),
        ("A : b\n\nx\n".into(), Flag::SpaceBeforeColon),
        ("A: \u{e4}\n\nx\n".into(), Flag::EightBitHeader),
        ("A: =?utf-8?q?=XX?=\n\nx\n".into(), Flag::DamagedEncodedWord),
        ("A: =?klingon?q?x?=\n\nx\n".into(), Flag::UnknownHeaderCharset),
        ("From: a@b\nFrom: c@d\n\nx\n".into(), Flag::SeveralFrom),
        ("From: a@b, c@d\n\nx\n".into(), Flag::SeveralFromAddresses),
        ("Sender: a\nSender: b\n\nx\n".into(), Flag::SeveralSender),
        ("Reply-To: a\nReply-To: b\n\nx\n".into(), Flag::SeveralReplyTo),
        ("To: a\nto: b\n\nx\n".into(), Flag::SeveralTo),
        ("Cc: a\nCc: b\n\nx\n".into(), Flag::SeveralCc),
        ("Subject: a\nSUBJECT: b\n\nx\n".into(), Flag::SeveralSubject),
        ("Date: a\nDate: b\n\nx\n".into(), Flag::SeveralDate),
        ("Message-ID: a\nMessage-Id: b\n\nx\n".into(), Flag::SeveralMessageId),
    ] {
        assert_eq!(parse(&raw).flags(), [flag], "{raw:?}");
    }
    assert_eq!(
        parse("A: a\0b\n\nx").flags(),
        [Flag::NulInHeader, Flag::Nul]
    );
    assert_eq!(
        parse("A: a\rb\n\nx").flags(),
        [Flag::BareCrInHeader, Flag::BareCr]
    );
}

#[test]
fn damage_hides_no_content() {
    for (raw, content) in [
        (
            "Content-Type: multipart/mixed; boundary=b\n\nhttp://a.example\n",
            "http://a.example\n",
        ),
        (
            "Content-Type: multipart/mixed\n\nhttp://a.example\n",
            "http://a.example\n",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhttp://a.example\n",
            "http://a.example\n",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b--\n--b\n\nhttp://a.example\n",
            "http://a.example\n",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nhttp//a.example is here\n",
            "http//a.example is here\n",
        ),
        (
            "Content-Transfer-Encoding: base64\n\naHR0c*DovL2EuZXhhbXBsZQ==\n",
            "http://a.example",
        ),
    ] {
        assert_eq!(parse(raw).text(), content, "{raw:?}");
    }
}

#[test]
fn with_two_boundaries_the_parts_of_both_readings_are_found() {
    let mail = parse(
        "Content-Type: multipart/mixed; boundary=one; boundary=two\n\n\
         --one\n\nfirst reading\n--one--\n--two\nContent-Type: application/x-dosexec; name=a.exe\n\n\
         MZ\n--two--\n",
    );
    assert!(mail.flags().contains(&Flag::SeveralBoundaries));
    let contents: Vec<_> = mail.parts().iter().skip(1).map(|p| p.content()).collect();
    assert_eq!(contents, [&b"first reading"[..], b"MZ"]);
}

#[test]
fn boundaries_are_lines_of_the_right_container() {
    let mail = parse(
        "Content-Type: multipart/mixed; boundary=\"a\"\n\n--a\n\
         Content-Type: multipart/mixed; boundary=\"ab\"\n\n--ab  \n\ninner --a\n x--ab\n--ab--\n\
         --a\n\nouter\n--a--\nignored\n",
    );
    assert_eq!(
        outline(&mail),
        "0 multipart/mixed multipart\n1 multipart/mixed multipart\n\
         2 text/plain text \"inner --a\\n x--ab\"\n1 text/plain text \"outer\"\n"
    );
    assert_eq!(mail.flags(), []);
}

#[test]
fn of_two_boundaries_that_begin_alike_the_longer_one_is_meant() {
    let mail = parse(
        "Content-Type: multipart/mixed; boundary=ab\n\n--ab\n\
         Content-Type: multipart/mixed; boundary=a\n\n--a\n\ninner\n--ab\n\nouter\n--ab--\n",
    );
    let depths: Vec<_> = mail.parts().iter().map(|p| p.depth).collect();
    assert_eq!(depths, [0, 1, 2, 1]);
}

#[test]
fn the_line_end_before_a_boundary_belongs_to_the_boundary() {
    for end in ["\n", "\r\n"] {
        let raw = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n\n--b\n\
                   Content-Type: a/b\n\nbytes\n--b--\n";
        let mail = parse(&raw.replace('\n', end));
        assert_eq!(mail.parts()[1].kind, PartKind::Text("text\n".to_owned()));
        assert_eq!(mail.parts()[2].content(), b"bytes");
    }
}

#[test]
fn an_outer_boundary_ends_inner_containers() {
    let mail = parse(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\n\
         Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n\
         Subject: x\n--a\n\nafter\n--a--\n",
    );
    assert_eq!(
        outline(&mail),
        "0 multipart/mixed multipart\n1 multipart/mixed multipart\n2 message/rfc822 message\n\
         3 text/plain text \"\"\n1 text/plain text \"after\"\n"
    );
    assert_eq!(mail.flags(), [Flag::NoFinalBoundary]);
}

#[test]
fn children_of_a_digest_are_messages() {
    let mail = parse(
        "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: x\n\none\n--a\n\n\
         Subject: y\n\ntwo\n--a--\n",
    );
    assert_eq!(
        outline(&mail),
        "0 multipart/digest multipart\n1 message/rfc822 message\n2 text/plain text \"one\"\n\
         1 message/rfc822 message\n2 text/plain text \"two\"\n"
    );
}

#[test]
fn an_encoded_message_is_taken_apart_too() {
    let mail = parse(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\
         Content-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKaGVsbG8K\n--a\n\nafter\n--a--\n",
    );
    assert_eq!(
        outline(&mail),
        "0 multipart/mixed multipart\n1 message/rfc822 message\n2 text/plain text \"hello\\n\"\n\
         1 text/plain text \"after\"\n"
    );
    assert_eq!(mail.parts()[2].body, None);
}

#[test]
fn a_boundary_that_an_inner_container_shares_belongs_to_the_one_still_open() {
    let mail = parse(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\
         Content-Type: multipart/mixed; boundary=b\n\n--b\n\ninner\n--b--\n--b\n\nouter\n--b--\n",
    );
    let depths: Vec<_> = mail.parts().iter().map(|p| p.depth).collect();
    assert_eq!(depths, [0, 1, 2, 1]);
    assert_eq!(mail.flags(), []);
}

#[test]
fn header_access_is_by_name_in_order_and_decoded() {
    let mail = parse(
        "Received: one\nSubject: =?utf-8?q?a?=\n =?utf-8?q?b?=\nReceived: two\n\
         To: Ann <a@b.example>, Staff: c@d.example;\nto: e@f.example\n\nx",
    );
    assert_eq!(mail.subject(), "ab");
    let received: Vec<_> = mail
        .headers_named("RECEIVED")
        .map(|h| h.decoded())
        .collect();
    assert_eq!(received, ["one", "two"]);
    let to: Vec<_> = mail
        .mailboxes("To")
        .into_iter()
        .map(|m| m.address)
        .collect();
    assert_eq!(to, ["a@b.example", "c@d.example", "e@f.example"]);
    assert_eq!(mail.header("None"), None);
}

#[test]
fn a_digest_of_content_tells_contents_apart() {
    let mail = parse("Content-Type: a/b\n\nx");
    let other = parse("Content-Type: a/b\n\ny");
    let again = parse("Content-Type: c/d\nContent-Transfer-Encoding: base64\n\neA==\n");
    assert_ne!(mail.parts()[0].digest(), other.parts()[0].digest());
    assert_eq!(mail.parts()[0].digest(), again.parts()[0].digest());
}
