//! Addresses: of the envelope (RFC 5321 paths) and of header fields (RFC 5322 mailboxes).

use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, HeaderValue};

use super::encoded_word;

/// Bytes of one address field that are read.
const FIELD_BYTES: usize = 256 * 1024;
/// Mailboxes that are taken from one field.
const MAILBOXES: usize = 10_000;

/// An envelope address as the MTA gave it, `<user@example.org>` or bare, and its readable form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    raw: Vec<u8>,
    text: String,
}

impl Address {
    /// Takes the argument of MAIL or RCPT. Invalid UTF-8 is replaced in [`Address::text`] only;
    /// [`Address::raw`] keeps the exact bytes for replies that must repeat them.
    pub fn new(raw: &[u8]) -> Self {
        let bare = raw
            .strip_prefix(b"<")
            .and_then(|r| r.strip_suffix(b">"))
            .unwrap_or(raw);
        Address {
            raw: raw.to_vec(),
            text: String::from_utf8_lossy(bare).into_owned(),
        }
    }

    /// The exact bytes, with angle brackets if the MTA sent them.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Without angle brackets; empty for the null sender `<>`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the last `@`, or the whole address when there is none.
    pub fn local_part(&self) -> &str {
        self.text.rsplit_once('@').map_or(&self.text, |(l, _)| l)
    }

    /// What stands after the last `@`; `None` for the null sender and for unqualified addresses.
    pub fn domain(&self) -> Option<&str> {
        self.text
            .rsplit_once('@')
            .map(|(_, d)| d)
            .filter(|d| !d.is_empty())
    }
}

/// One mailbox of an address header: display name (decoded) and address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// Decoded display name, if there is one.
    pub name: Option<String>,
    /// `local@domain` as written; empty when the field holds a name only.
    pub address: String,
}

impl Mailbox {
    /// What stands after the last `@`, or nothing.
    pub fn domain(&self) -> Option<&str> {
        self.address
            .rsplit_once('@')
            .map(|(_, d)| d)
            .filter(|d| !d.is_empty())
    }
}

/// The mailboxes of one address field in order: groups flattened, comments left out of addresses,
/// names decoded. At most 10,000, from the first 256 KiB.
pub(super) fn mailboxes(raw: &[u8]) -> Vec<Mailbox> {
    let raw = raw.get(..FIELD_BYTES).unwrap_or(raw);
    let line = encoded_word::one_line(raw);
    let found = parse(&line);
    // The library decodes word by word, which breaks a character that is split between two words;
    // hidden from it, the words are left to our own decoder.
    if found
        .iter()
        .any(|m| m.name.as_deref().is_some_and(|n| n.contains('\u{fffd}')))
    {
        let whole = parse(&encoded_word::guard(&line));
        if whole.len() == found.len() {
            return whole;
        }
    }
    found
}

fn parse(line: &[u8]) -> Vec<Mailbox> {
    match MessageStream::new(line).parse_address() {
        HeaderValue::Address(address) => address.iter().take(MAILBOXES).map(mailbox).collect(),
        _ => Vec::new(),
    }
}

fn mailbox(addr: &Addr<'_>) -> Mailbox {
    // Words that touch other text are left by the library, but decoded by mail clients.
    let name = addr
        .name
        .as_deref()
        .map(|name| encoded_word::unguard(name).trim().to_owned());
    Mailbox {
        name: name.filter(|n| !n.is_empty()),
        address: addr
            .address
            .as_deref()
            .unwrap_or_default()
            .trim()
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Vec<(Option<String>, String)> {
        mailboxes(raw.as_bytes())
            .into_iter()
            .map(|m| (m.name, m.address))
            .collect()
    }

    #[test]
    fn mailboxes_of_every_form_are_read() {
        for (raw, expected) in [
            ("a@b.example", &[(None, "a@b.example")][..]),
            ("<a@b.example>", &[(None, "a@b.example")]),
            ("Ann <a@b.example>", &[(Some("Ann"), "a@b.example")]),
            (
                "\"B, Ann\" <a@b.example>, c@d.example",
                &[(Some("B, Ann"), "a@b.example"), (None, "c@d.example")],
            ),
            (
                "=?utf-8?q?J=C3=BCrgen?= <a@b.example>",
                &[(Some("Jürgen"), "a@b.example")],
            ),
            (
                "\"=?utf-8?q?J=C3=BCrgen?=\" <a@b.example>",
                &[(Some("Jürgen"), "a@b.example")],
            ),
            (
                "Dr.=?utf-8?q?J=C3=BC?= <a@b.example>",
                &[(Some("Dr.Jü"), "a@b.example")],
            ),
            (
                "=?utf-8?q?J=C3?= =?utf-8?q?=BC?= <a@b.example>",
                &[(Some("Jü"), "a@b.example")],
            ),
            (
                "=?utf-8?q?B,_Ann?= <a@b.example>",
                &[(Some("B, Ann"), "a@b.example")],
            ),
            ("a@b.example (Ann)", &[(Some("Ann"), "a@b.example")]),
            (
                "Staff: a@b.example, C <c@d.example>;, e@f.example",
                &[
                    (None, "a@b.example"),
                    (Some("C"), "c@d.example"),
                    (None, "e@f.example"),
                ],
            ),
            ("Ann\r\n <a@b.example>", &[(Some("Ann"), "a@b.example")]),
            ("", &[]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(n, a)| (n.map(str::to_owned), (*a).to_owned()))
                .collect();
            assert_eq!(read(raw), expected, "{raw}");
        }
    }

    #[test]
    fn an_address_in_the_name_does_not_become_the_address() {
        let found = read("\"service@paypal.example\" <x@evil.example>");
        assert_eq!(
            found,
            [(
                Some("service@paypal.example".to_owned()),
                "x@evil.example".to_owned()
            )]
        );
    }

    #[test]
    fn hostile_fields_take_bounded_time() {
        let started = std::time::Instant::now();
        for unit in [
            "a@b,", "(", "<", "\"", "=?a?q?", " =?u", ":", ";", "a:b;", "\\", "@",
        ] {
            let found = mailboxes(unit.repeat(1_000_000 / unit.len()).as_bytes());
            assert!(found.len() <= MAILBOXES);
        }
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }

    #[test]
    fn envelope_addresses_keep_their_bytes() {
        let address = Address::new(b"<Ann@Example.org>");
        assert_eq!(address.raw(), b"<Ann@Example.org>");
        assert_eq!(address.text(), "Ann@Example.org");
        assert_eq!(address.domain(), Some("Example.org"));
        assert_eq!(address.local_part(), "Ann");
        assert_eq!(Address::new(b"<>").domain(), None);
    }
}
