//! Letters that mailweir writes itself: a message attached for an analyst, a digest for a recipient.
//!
//! In: texts, some of them from messages. Out: the bytes of a message (RFC 5322, MIME), CRLF line ends, lines of
//! at most 76 characters but for what is attached. Text goes out as base64 and in encoded words, so that
//! nothing of it can end a line, a field or a part.

use data_encoding::{BASE64, BASE64_MIME};
use jiff::Zoned;
use ulid::Ulid;

/// Bytes of text in one encoded word: 64 characters with its frame, so that a line with the name of a field keeps to
/// 76 (RFC 2047, section 2).
const WORD_BYTES: usize = 39;

/// What stands on top of a letter.
#[derive(Clone, Debug)]
pub(super) struct Writing<'a> {
    /// `a@example.org` or `Name <a@example.org>`, as configured.
    pub(super) from: &'a str,
    /// The address of who gets it.
    pub(super) to: &'a str,
    pub(super) subject: &'a str,
    /// The own name of this host, for the Message-ID.
    pub(super) host: &'a str,
    pub(super) date: &'a Zoned,
}

impl Writing<'_> {
    /// A letter that says the same twice, in text and HTML.
    pub(super) fn both(&self, text: &str, html: &str) -> Vec<u8> {
        let boundary = boundary();
        let mut out = self.top("multipart/alternative", &boundary);
        text_part(&mut out, &boundary, "plain", text);
        text_part(&mut out, &boundary, "html", html);
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        out
    }

    /// A letter with a whole message attached, as it is.
    pub(super) fn with_message(&self, text: &str, name: &str, message: &[u8]) -> Vec<u8> {
        let boundary = boundary();
        let mut out = self.top("multipart/mixed", &boundary);
        text_part(&mut out, &boundary, "plain", text);
        // RFC 2046, section 5.2.1: a message may not be encoded.
        let encoding = if message.is_ascii() { "7bit" } else { "8bit" };
        out.extend_from_slice(
            format!(
                "--{boundary}\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\
                 Content-Disposition: attachment; filename=\"{name}.eml\"\r\n\r\n"
            )
            .as_bytes(),
        );
        out.extend_from_slice(message);
        out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        out
    }

    fn top(&self, kind: &str, boundary: &str) -> Vec<u8> {
        let date = jiff::fmt::rfc2822::to_string(self.date).unwrap_or_default();
        let (from, to) = (mailbox(self.from), one_line(self.to));
        format!(
            "From: {from}\r\nTo: <{to}>\r\nSubject: {}\r\nDate: {date}\r\nMessage-ID: <{}@{}>\r\n\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
             Content-Type: {kind};\r\n boundary=\"{boundary}\"\r\n\r\n",
            encoded(self.subject),
            Ulid::new().to_string().to_lowercase(),
            one_line(self.host),
        )
        .into_bytes()
    }
}

/// Nobody can know it before the letter is written, so nothing attached can hold it.
fn boundary() -> String {
    format!("=_{}{}", Ulid::new(), Ulid::new())
}

fn text_part(out: &mut Vec<u8>, boundary: &str, kind: &str, text: &str) {
    let mut lines = Vec::with_capacity(text.len());
    crate::mail::push_with_crlf(text.as_bytes(), &mut lines);
    out.extend_from_slice(
        format!(
            "--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}",
            BASE64_MIME.encode(&lines)
        )
        .as_bytes(),
    );
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
}

/// A display name is encoded, the address behind it stays.
fn mailbox(text: &str) -> String {
    match text.rsplit_once('<') {
        Some((name, address)) if !name.trim().is_empty() => {
            let name = encoded(name.trim().trim_matches('"'));
            format!("{name}\r\n <{}", one_line(address))
        }
        _ => one_line(text),
    }
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Unstructured text (RFC 2047), folded.
fn encoded(text: &str) -> String {
    let text = one_line(text);
    let plain = text.len() <= 60
        && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        && !text.contains(['=', '"', '(', ')', '<', '>', '@', ',', ';', ':', '\\']);
    if plain {
        return text.trim().to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if word.len() + c.len_utf8() > WORD_BYTES {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let words = words
        .iter()
        .map(|w| format!("=?utf-8?B?{}?=", BASE64.encode(w.as_bytes())));
    words.collect::<Vec<_>>().join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Limits, Mail, PartKind};

    const EVIL: &str = "a\r\nBcc: x@y\r\n\r\n--b\u{202e}\0 \u{1f4a9}=?utf-8?Q?=0d=0a?= end";

    fn written(build: impl Fn(&Writing<'_>) -> Vec<u8>) -> Mail {
        let date = Zoned::now();
        let bytes = build(&Writing {
            from: "Übersicht \"der\" Post <mailweir@example.org>",
            to: "a@example.org\r\nBcc: x@y",
            subject: &EVIL.repeat(10),
            host: "mx.example.org",
            date: &date,
        });
        for line in bytes.split(|b| *b == b'\n') {
            assert!(line.is_empty() || line.ends_with(b"\r"));
            assert!(line.len() <= 78, "{}", String::from_utf8_lossy(line));
        }
        Mail::parse(bytes.into(), &Limits::default())
    }

    #[test]
    fn a_letter_in_text_and_html_says_what_it_was_given_and_nothing_gets_out_of_place() {
        let mail = written(|w| w.both(EVIL, &format!("<p>{EVIL}</p>")));
        assert!(mail.flags().is_empty(), "{:?}", mail.flags());
        assert_eq!(mail.subject(), one_line(&EVIL.repeat(10)));
        assert_eq!(mail.headers_named("Bcc").count(), 0);
        let from = mail.mailboxes("From");
        assert_eq!(from[0].address, "mailweir@example.org");
        assert_eq!(from[0].name.as_deref(), Some("Übersicht \"der\" Post"));
        let kinds: Vec<_> = mail.parts().iter().map(|p| &p.kind).collect();
        let [
            PartKind::Multipart,
            PartKind::Text(text),
            PartKind::Html(html),
        ] = kinds[..]
        else {
            panic!("{kinds:?}");
        };
        assert!(text.contains("Bcc: x@y") && html.starts_with("<p>"));
    }

    #[test]
    fn an_attached_message_is_the_one_it_was() {
        let inner = b"Subject: inner\r\n\r\n--=_guess\r\nbody\r\n.\r\n";
        let mail = written(|w| w.with_message("see below", "01ABC", inner));
        let part = mail
            .parts()
            .iter()
            .find(|p| p.kind == PartKind::Message)
            .unwrap();
        let place = part.body.clone().unwrap();
        let attached = &mail.raw()[place];
        assert_eq!(
            attached.strip_suffix(b"\r\n").unwrap_or(attached),
            &inner[..inner.len() - 2]
        );
        assert_eq!(part.name.as_deref(), Some("01ABC.eml"));
    }
}
