//! One `Received` field (RFC 5321, section 4.4): what a relay wrote down about the hop to it.
//!
//! In: the raw value. Out: [`Hop`]. The forms of Postfix, Sendmail, Exim, qmail and Exchange are read; what
//! is not found is absent. Nothing in it is true because it is written: only fields that one's own servers
//! added can be believed.

use std::net::IpAddr;

use jiff::Timestamp;
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use super::encoded_word;

/// Bytes of one field that are read.
const FIELD_BYTES: usize = 4 << 10;
/// Most words and comments of one field that are read.
const TOKENS: usize = 200;

/// One hop of the way of a message, as its receiver described it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// What the client called itself (HELO or EHLO).
    pub helo: Option<String>,
    /// The name that the receiver found for the client's address, lower case.
    pub name: Option<String>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The receiver, lower case.
    pub by: Option<String>,
    /// The protocol: `ESMTPS`, `LMTP`, `HTTP`, ...
    pub with: Option<String>,
    /// The receiver's id of the message.
    pub id: Option<String>,
    /// The recipient that the field names, without angle brackets.
    pub recipient: Option<String>,
    /// When the receiver took it, by its own clock.
    pub at: Option<Timestamp>,
}

/// A word or the inside of a comment.
enum Token<'a> {
    Word(&'a str),
    Comment(&'a str),
}

impl Hop {
    /// Reads the value of a field. Never fails: what it does not say is absent.
    pub fn parse(raw: &[u8]) -> Hop {
        let text = encoded_word::text(raw.get(..FIELD_BYTES).unwrap_or(raw));
        let mut hop = Hop {
            at: date(&text),
            ..Hop::default()
        };
        let mut clause = "";
        for token in tokens(&text) {
            match token {
                Token::Word(word) => {
                    if let Some(known) = CLAUSES.iter().find(|c| c.eq_ignore_ascii_case(word)) {
                        clause = known;
                    } else {
                        hop.word(clause, word);
                        // A clause has one word; Exchange writes several behind `with`.
                        if clause != "with" {
                            clause = match clause {
                                "from" => "from comment",
                                _ => "",
                            };
                        }
                    }
                }
                Token::Comment(comment) if clause == "from comment" || clause == "from" => {
                    hop.client(comment);
                }
                Token::Comment(_) => {}
            }
        }
        hop
    }

    fn word(&mut self, clause: &str, word: &str) {
        let place = match clause {
            "from" => {
                if let Some(address) = address(word) {
                    self.address = Some(address);
                }
                &mut self.helo
            }
            "by" => {
                self.by.get_or_insert_with(|| word.to_ascii_lowercase());
                return;
            }
            "with" => match &mut self.with {
                Some(with) => {
                    with.push(' ');
                    with.push_str(word);
                    return;
                }
                None => &mut self.with,
            },
            "id" => &mut self.id,
            "for" => {
                let bare = word.trim_start_matches('<').trim_end_matches('>');
                self.recipient.get_or_insert_with(|| bare.to_owned());
                return;
            }
            _ => return,
        };
        place.get_or_insert_with(|| word.to_owned());
    }

    /// The comment behind `from`: `name [address]`, `[address] helo=name`, `HELO name`, `address`.
    fn client(&mut self, comment: &str) {
        let mut helo_next = false;
        for word in comment.split_ascii_whitespace() {
            if std::mem::take(&mut helo_next) {
                self.helo = Some(word.to_owned());
            } else if word.eq_ignore_ascii_case("helo") || word.eq_ignore_ascii_case("ehlo") {
                helo_next = true;
            } else if let Some(helo) = word.strip_prefix("helo=") {
                self.took_helo_for_name();
                self.helo = Some(helo.to_owned());
            } else if let Some(address) = address(word) {
                self.address = Some(address);
            } else if self.name.is_none() && is_name(word) {
                self.name = Some(word.trim_end_matches('.').to_ascii_lowercase());
            }
        }
    }

    /// Exim writes the client's name first and its HELO in the comment.
    fn took_helo_for_name(&mut self) {
        if let Some(first) = self.helo.take()
            && address(&first).is_none()
        {
            self.name = Some(first.to_ascii_lowercase());
        }
    }
}

const CLAUSES: &[&str] = &["from", "by", "with", "id", "for", "via"];

/// Host names that a receiver found, not what it says when it found none.
fn is_name(word: &str) -> bool {
    word.contains('.')
        && !word.contains('@')
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// An address: bare, in brackets, with the prefix of RFC 5321, with a port behind the brackets.
fn address(word: &str) -> Option<IpAddr> {
    let inner = match word.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next()?,
        None => word.trim_end_matches([',', ';']),
    };
    let bare = match inner.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("ipv6:") => inner.get(5..)?,
        _ => inner,
    };
    bare.parse::<IpAddr>().ok().map(|a| a.to_canonical())
}

/// What stands behind the last semicolon, as a point in time.
fn date(text: &str) -> Option<Timestamp> {
    let (_, date) = text.rsplit_once(';')?;
    let line = format!("{}\n", date.trim());
    match MessageStream::new(line.as_bytes()).parse_date() {
        HeaderValue::DateTime(date) if date.is_valid() => {
            Timestamp::from_second(date.to_timestamp()).ok()
        }
        _ => None,
    }
}

/// Words and comments up to the semicolon that precedes the date.
fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        if first == ';' {
            return None;
        }
        if first == '(' {
            let mut depth = 0_usize;
            let end = rest.bytes().position(|b| {
                match b {
                    b'(' => depth += 1,
                    b')' => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            let end = end.unwrap_or(rest.len());
            let inside = rest.get(1..end).unwrap_or_default();
            rest = rest.get(end + 1..).unwrap_or_default();
            return Some(Token::Comment(inside));
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || c == '(' || c == ';')
            .unwrap_or(rest.len());
        let word = rest.get(..end)?;
        rest = rest.get(end..).unwrap_or_default();
        Some(Token::Word(word))
    })
    .take(TOKENS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(raw: &str) -> [String; 7] {
        let hop = Hop::parse(raw.as_bytes());
        let text = |t: Option<String>| t.unwrap_or_default();
        [
            text(hop.helo),
            text(hop.name),
            text(hop.address.map(|a| a.to_string())),
            text(hop.by),
            text(hop.with),
            text(hop.id),
            text(hop.recipient),
        ]
    }

    #[test]
    fn the_forms_of_the_known_servers_are_read() {
        for (raw, expected) in [
            (
                " from helo.example (mx.Example.net [192.0.2.7])\r\n\tby Mail.example.org (Postfix) with ESMTPS id 4Fz\r\n\tfor <ann@example.org>; Tue, 01 Sep 2026 09:30:00 +0000 (UTC)",
                [
                    "helo.example",
                    "mx.example.net",
                    "192.0.2.7",
                    "mail.example.org",
                    "ESMTPS",
                    "4Fz",
                    "ann@example.org",
                ],
            ),
            (
                "from unknown (unknown [IPv6:2001:db8::9]) by a.example with ESMTP id 1",
                ["unknown", "", "2001:db8::9", "a.example", "ESMTP", "1", ""],
            ),
            (
                "from mail.example.net ([192.0.2.8] helo=liar.example) by mx.example.org with esmtp (Exim 4.96) (envelope-from <x@y.example>) id 1abc-2 for ben@example.org; Tue",
                [
                    "liar.example",
                    "mail.example.net",
                    "192.0.2.8",
                    "mx.example.org",
                    "esmtp",
                    "1abc-2",
                    "ben@example.org",
                ],
            ),
            (
                "from [192.0.2.9] (helo=x.example) by mx.example.org with esmtpa id 7",
                [
                    "x.example",
                    "",
                    "192.0.2.9",
                    "mx.example.org",
                    "esmtpa",
                    "7",
                    "",
                ],
            ),
            (
                "from unknown (HELO me.example) (192.0.2.10) by 0 with SMTP; 1 Sep 2026",
                ["me.example", "", "192.0.2.10", "0", "SMTP", "", ""],
            ),
            (
                "from A.prod.example (2001:db8::1) by B.prod.example (2001:db8::2) with Microsoft SMTP Server (version=TLS1_2) id 15.20.1; Tue",
                [
                    "A.prod.example",
                    "",
                    "2001:db8::1",
                    "b.prod.example",
                    "Microsoft SMTP Server",
                    "15.20.1",
                    "",
                ],
            ),
            (
                "by mx.example with LMTP id x; Tue",
                ["", "", "", "mx.example", "LMTP", "x", ""],
            ),
            (
                "(qmail 123 invoked by uid 0); 1 Sep",
                ["", "", "", "", "", "", ""],
            ),
            ("", ["", "", "", "", "", "", ""]),
        ] {
            assert_eq!(shown(raw), expected.map(str::to_owned), "{raw}");
        }
    }

    #[test]
    fn the_time_stands_behind_the_last_semicolon() {
        for (raw, at) in [
            (
                "by a; (x; y) Tue, 1 Sep 2026 09:30:00 +0200",
                Some(1_788_255_000),
            ),
            (
                "by a; Tue, 01 Sep 2026 09:30:00 -0000 (UTC)",
                Some(1_788_255_000),
            ),
            ("by a; never", None),
            ("by a", None),
        ] {
            let hop = Hop::parse(raw.as_bytes());
            let found = hop.at.map(|at| at.as_second());
            let zone = if raw.contains("+0200") { 7_200 } else { 0 };
            assert_eq!(found.map(|f| f + zone), at, "{raw}");
        }
    }

    #[test]
    fn hostile_fields_are_read_in_bounded_time() {
        for unit in ["(", ")", "from ", "[", "from a (", ";", "with x ", "\u{e9}"] {
            let hop = Hop::parse(unit.repeat(200_000).as_bytes());
            assert!(hop.with.unwrap_or_default().len() <= FIELD_BYTES);
        }
    }
}
