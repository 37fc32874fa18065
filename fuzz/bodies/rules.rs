//! Rule files: any text is a set of rules or a list of problems that can be shown; a set gives the same hits each time.

use std::sync::LazyLock;

use bytes::Bytes;
use mailweir::config::Source;
use mailweir::filter::rules::RuleSet;
use mailweir::mail::{Envelope, Limits, Mail};

static MAIL: LazyLock<Mail> = LazyLock::new(|| {
    let raw = "From: \"Your Bank\" <a@example.com>\r\nTo: b@example.org\r\nSubject: Verify YOUR account\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n\
        <p>Dear customer, <a href=\"http://192.0.2.1/login\">www.example.com</a></p>\r\n--b\r\n\
        Content-Type: application/octet-stream; name=invoice.pdf.exe\r\n\r\nMZ\r\n--b--\r\n";
    Mail::parse(Bytes::from_static(raw.as_bytes()), &Limits::default())
});

/// What must hold for one input.
pub fn run(text: &str) {
    match RuleSet::from_sources(&[Source::new("fuzz.yaml", text)]) {
        Ok(set) => {
            let envelope = Envelope::default();
            let hits = set.evaluate(&envelope, &MAIL);
            assert_eq!(hits, set.evaluate(&envelope, &MAIL));
            assert!(hits.iter().all(|hit| set.rule(&hit.rule).is_some()));
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}
