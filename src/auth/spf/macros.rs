//! Macro strings (RFC 7208, section 7): read by the letter, expanded for one check.

use std::net::IpAddr;

use crate::dns::domain::NAME_BYTES;
use crate::dns::dotted_nibbles;

/// Longest expansion that is made before it is cut to a name, bytes.
const EXPANDED_BYTES: usize = 4096;
/// Characters at which values are divided when a macro says so.
const DELIMITERS: &[u8] = b".-+,/_=";

/// A macro string that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MacroString(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Expansion),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Expansion {
    letter: u8,
    escaped: bool,
    /// Labels kept from the right; 0 for all.
    labels: usize,
    reversed: bool,
    delimiters: Vec<u8>,
}

/// What macros stand for. All values are of one check but the domain, which changes with each include.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub(super) client: IpAddr,
    pub(super) local: &'a str,
    /// The domain of the sender.
    pub(super) sender: &'a str,
    /// The domain whose record is read.
    pub(super) domain: &'a str,
    pub(super) helo: &'a str,
    /// The validated name of the client, where a macro asks for it.
    pub(super) validated: &'a str,
}

impl MacroString {
    /// Reads a domain-spec: a macro string that ends in a label that can be the last of a name, or in a macro.
    pub(super) fn domain_spec(text: &str) -> Option<MacroString> {
        let string = MacroString::read(text)?;
        let sound = match string.0.last()? {
            Piece::Value(_) => true,
            Piece::Text(tail) => {
                let tail = tail.strip_suffix('.').unwrap_or(tail);
                tail.rsplit_once('.')
                    .is_some_and(|(_, last)| top_label(last))
            }
        };
        // "%%", "%_" and "%-" are macros too, and end no name.
        let literal_end = matches!(string.0.last(), Some(Piece::Text(_)));
        let escaped_end = literal_end && ["%%", "%_", "%-"].iter().any(|e| text.ends_with(e));
        (sound && !escaped_end).then_some(string)
    }

    /// Reads a macro string in which the letters of explanations are not allowed.
    pub(super) fn read(text: &str) -> Option<MacroString> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text.as_bytes();
        while let Some((byte, tail)) = rest.split_first() {
            rest = tail;
            if *byte != b'%' {
                if !byte.is_ascii_graphic() {
                    return None;
                }
                literal.push(char::from(*byte));
                continue;
            }
            let (kind, tail) = rest.split_first()?;
            rest = tail;
            match kind {
                b'%' => literal.push('%'),
                b'_' => literal.push(' '),
                b'-' => literal.push_str("%20"),
                b'{' => {
                    let end = rest.iter().position(|b| *b == b'}')?;
                    let (inside, tail) = rest.split_at_checked(end)?;
                    rest = tail.get(1..)?;
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(Piece::Value(expansion(inside)?));
                }
                _ => return None,
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Some(MacroString(pieces))
    }

    /// The name that it always is; `None` where it has macros with values.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Text(name)] => Some(name),
            _ => None,
        }
    }

    /// Whether it needs the validated name of the client.
    pub(super) fn needs_validated(&self) -> bool {
        let is_p = |piece: &Piece| matches!(piece, Piece::Value(v) if v.letter == b'p');
        self.0.iter().any(is_p)
    }

    /// Expands to a name. What is too long loses labels from the left (section 7.3).
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(value) => value.expand(values, &mut out),
            }
            if out.len() > EXPANDED_BYTES {
                // No name in DNS is so long, whatever follows.
                let keep = out.char_indices().rev().take(NAME_BYTES).last();
                out = out.split_off(keep.map_or(0, |(at, _)| at));
            }
        }
        let mut name = out.strip_suffix('.').unwrap_or(&out);
        while name.len() > NAME_BYTES {
            match name.split_once('.') {
                Some((_, rest)) => name = rest,
                None => break,
            }
        }
        name.to_owned()
    }
}

/// Whether a label may be the last of a name: not all digits, no hyphen at its ends.
fn top_label(label: &str) -> bool {
    let b = label.as_bytes();
    let good = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    !b.is_empty()
        && b.iter().all(good)
        && !b.iter().all(u8::is_ascii_digit)
        && b.first() != Some(&b'-')
        && b.last() != Some(&b'-')
}

fn expansion(inside: &[u8]) -> Option<Expansion> {
    let (letter, rest) = inside.split_first()?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let labels = match number {
        [] => 0,
        _ => match std::str::from_utf8(number).ok()?.parse::<usize>() {
            Ok(0) => return None,
            Ok(n) => n.min(128),
            Err(_) => 128,
        },
    };
    let (reversed, rest) = match rest.split_first() {
        Some((b'r' | b'R', rest)) => (true, rest),
        _ => (false, rest),
    };
    let known = matches!(
        letter.to_ascii_lowercase(),
        b's' | b'l' | b'o' | b'd' | b'i' | b'p' | b'v' | b'h'
    );
    (known && rest.iter().all(|b| DELIMITERS.contains(b))).then(|| Expansion {
        letter: letter.to_ascii_lowercase(),
        escaped: letter.is_ascii_uppercase(),
        labels,
        reversed,
        delimiters: match rest {
            [] => vec![b'.'],
            some => some.to_vec(),
        },
    })
}

impl Expansion {
    fn expand(&self, values: &Values<'_>, out: &mut String) {
        let value = match self.letter {
            b's' => format!("{}@{}", values.local, values.sender),
            b'l' => values.local.to_owned(),
            b'o' => values.sender.to_owned(),
            b'd' => values.domain.to_owned(),
            b'i' => match values.client {
                IpAddr::V4(v4) => v4.to_string(),
                IpAddr::V6(v6) => dotted_nibbles(v6),
            },
            b'p' => values.validated.to_owned(),
            b'v' => match values.client {
                IpAddr::V4(_) => "in-addr".to_owned(),
                IpAddr::V6(_) => "ip6".to_owned(),
            },
            _ => values.helo.to_owned(),
        };
        let divides = |c: char| u8::try_from(c).is_ok_and(|b| self.delimiters.contains(&b));
        let mut parts: Vec<&str> = value.split(divides).collect();
        if self.reversed {
            parts.reverse();
        }
        let skipped = match self.labels {
            0 => 0,
            n => parts.len().saturating_sub(n),
        };
        let joined = parts.get(skipped..).unwrap_or_default().join(".");
        if !self.escaped {
            out.push_str(&joined);
            return;
        }
        for byte in joined.bytes() {
            match byte {
                b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => out.push(char::from(b)),
                b => out.push_str(&format!("%{b:02X}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str, client: &str) -> Option<String> {
        let values = Values {
            client: client.parse().unwrap(),
            local: "strong-bad",
            sender: "email.example.com",
            domain: "email.example.com",
            helo: "mx.example.org",
            validated: "unknown",
        };
        Some(MacroString::read(text)?.expand(&values))
    }

    /// RFC 7208, section 7.4.
    #[test]
    fn the_examples_of_the_rfc() {
        for (text, expanded) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l-}", "strong.bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            (
                "%{ir}.%{v}._spf.%{d2}",
                "3.2.0.192.in-addr._spf.example.com",
            ),
            (
                "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
                "bad.strong.lp.3.2.0.192.in-addr._spf.example.com",
            ),
            ("%{S}%%a%_b%-", "strong-bad%40email.example.com%a b%20"),
        ] {
            assert_eq!(
                expand(text, "192.0.2.3").as_deref(),
                Some(expanded),
                "{text}"
            );
        }
        assert_eq!(
            expand("%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01").unwrap(),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
        );
    }

    #[test]
    fn what_is_no_macro_is_refused() {
        for bad in [
            "%", "%a", "%{", "%{}", "%{x}", "%{c}", "%{d0}", "%{dx}", "%{d", "a b", "ä",
        ] {
            assert_eq!(MacroString::read(bad), None, "{bad:?}");
        }
        for bad in [
            "com",
            "example.1",
            "example.-a",
            "example.%%",
            "example.a%-",
            "",
        ] {
            assert_eq!(MacroString::domain_spec(bad), None, "{bad:?}");
        }
        assert!(MacroString::domain_spec("example.org.").is_some());
        assert!(MacroString::domain_spec("foo:bar/baz.example.xn--zckzah").is_some());
    }

    #[test]
    fn a_long_expansion_loses_labels_from_the_left() {
        let long = "a.".repeat(120);
        let name = expand(&format!("{long}%{{d}}"), "192.0.2.3").unwrap();
        assert!(name.len() <= NAME_BYTES && name.ends_with("a.email.example.com"));
    }
}
