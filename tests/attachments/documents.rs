//! Documents among the files of a message.

use std::io::{Cursor, Write};

use super::*;
use mailweir::content::document::Trait;

/// A page that leads to `http://a.example/x`, encrypted by RC4 with the password `123`.
const ENCRYPTED: &str = "\
         JVBERi0xLjcKMSAwIG9iajw8L1R5cGUvUGFnZS9BPDwvUy9VUkkvVVJJPGU4MmFlNjA2ZDU3ODdjMWJhMjk4MzhmNDAxNzhlNGNj\
         MmJiZT4+Pj4+ZW5kb2JqCjIgMCBvYmo8PC9GaWx0ZXIvU3RhbmRhcmQvViAyL1IgMy9MZW5ndGggMTI4L1AgLTQvTzwwNzA3MDcw\
         NzA3MDcwNzA3MDcwNzA3MDcwNzA3MDcwNzA3MDcwNzA3MDcwNzA3MDcwNzA3MDcwNzA3MDcwNzA3Pi9VPGJmMzU1MGE4MDA2YTdl\
         MDVkNDYyNmJmNWYwMmM3OTM3MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA+Pj5lbmRvYmoKdHJhaWxlcjw8L0VuY3J5\
         cHQgMiAwIFIvSURbPDMwMzEzMjMzMzQzNTM2MzczODM5NjE2MjYzNjQ2NTY2PjwzMDMxMzIzMzM0MzUzNjM3MzgzOTYxNjI2MzY0\
         NjU2Nj5dPj4=";

/// A Word document behind a password, as Office saves it: the package, encrypted, in a compound file.
pub(crate) fn locked_office() -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for stream in ["/EncryptionInfo", "/EncryptedPackage"] {
        let mut stream = file.create_stream(stream).unwrap();
        stream.write_all(&[7; 5000]).unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}

fn message(text: &str) -> Vec<u8> {
    format!(
        "From: a@example.com\r\nSubject: notice\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n\
         --b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{ENCRYPTED}\r\n--b--\r\n"
    )
    .into_bytes()
}

#[test]
fn a_document_is_opened_with_the_password_that_the_message_tells() {
    for (text, opens) in [
        ("Senha de acesso: 123", true),
        ("The password for the file is \"123\".", true),
        ("Your order 123 is on its way.", false),
        ("Password: 124", false),
    ] {
        let content = of_message(&message(text), &Limits::default());
        let pdf = file(&content, "a.pdf");
        assert!(pdf.traits.contains(&Trait::Encrypted), "{text}");
        assert_eq!(pdf.traits.contains(&Trait::PasswordGiven), opens, "{text}");
        let urls: &[&str] = if opens { &["http://a.example/x"] } else { &[] };
        assert_eq!(pdf.urls, urls, "{text}");
    }
}

#[test]
fn what_a_document_holds_is_a_file_of_the_message() {
    let pdf = b"%PDF-1.7\n1 0 obj<</EF<</F 2 0 R>>/F(inner.html)>>endobj\n\
        2 0 obj<</Type/EmbeddedFile>>stream\n<script>fetch('http://b.example')</script>\nendstream endobj";
    let content = opened("a.pdf", pdf);
    let inner = file(&content, "a.pdf/inner.html");
    assert!(inner.traits.contains(&Trait::HtmlRequest));
    assert_eq!(inner.urls, ["http://b.example"]);
}
