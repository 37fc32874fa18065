//! Header fields of a message or part: raw, and decoded as SpamAssassin decodes them.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::charset;
use super::transfer;

/// Longest field name that is kept, bytes.
const NAME_BYTES: usize = 256;
/// Longest field value that is kept, bytes.
const VALUE_BYTES: usize = 8192;

/// One header field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// The name as written.
    pub(super) name: Vec<u8>,
    /// Everything after the colon, line ends LF, the last one included.
    pub(super) raw: Vec<u8>,
    /// Many views show it.
    line: OnceCell<Vec<u8>>,
}

impl Field {
    /// A field, cut to the limits.
    pub(super) fn new(name: &[u8], raw: Vec<u8>) -> Field {
        let end = name.trim_ascii_end().len().min(NAME_BYTES);
        let mut raw = raw;
        raw.truncate(VALUE_BYTES);
        Field {
            name: name.get(..end).unwrap_or_default().to_vec(),
            raw,
            line: OnceCell::new(),
        }
    }

    /// Whether it has this name, ASCII case ignored.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value unfolded, trimmed and decoded, with a line end.
    pub(super) fn line(&self) -> &[u8] {
        self.line.get_or_init(|| {
            let unfolded = unfold(&self.raw);
            let mut line = decode(unfolded.trim_ascii(), is_encoded(&self.name));
            line.push(b'\n');
            line
        })
    }

    /// The same without the line end.
    pub(super) fn decoded(&self) -> &[u8] {
        self.line().split_last().map_or(&[], |(_, value)| value)
    }

    /// The raw value with each fold as one space.
    pub(super) fn unfolded(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.raw.len());
        let mut rest = self.raw.as_slice();
        while let Some((byte, tail)) = rest.split_first() {
            let after = match rest {
                [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => tail,
                _ => {
                    out.push(*byte);
                    rest = tail;
                    continue;
                }
            };
            let spaces = after.iter().take_while(|b| is_space(**b)).count();
            if spaces > 0 {
                out.push(b' ');
                rest = after.get(spaces..).unwrap_or_default();
            } else {
                out.push(*byte);
                rest = tail;
            }
        }
        out
    }
}

/// White space of a byte pattern in Perl.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Line end and white space after it as one space.
fn unfold(raw: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let mut copied = 0;
    for end in memchr::memchr_iter(b'\n', raw) {
        let behind = raw.get(end + 1..).unwrap_or_default().iter();
        let blank = behind.take_while(|b| matches!(b, b' ' | b'\t')).count();
        if blank > 0 {
            out.extend_from_slice(raw.get(copied..end).unwrap_or_default());
            out.push(b' ');
            copied = end + 1 + blank;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(raw);
    }
    out.extend_from_slice(raw.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// Whether encoded words have a meaning in a field of this name.
fn is_encoded(name: &[u8]) -> bool {
    let begins = |text: &[u8]| {
        let begin = name.get(..text.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(text))
    };
    let plain = match begins(b"resent-") {
        true => name.get(7..).unwrap_or_default(),
        false => name,
    };
    let any = |name: &[u8], of: &[&[u8]]| of.iter().any(|n| name.eq_ignore_ascii_case(n));
    !(any(plain, &[b"message-id", b"date"])
        || any(
            name,
            &[b"received", b"mime-version", b"references", b"in-reply-to"],
        )
        || begins(b"list-"))
}

/// A value without folds: bytes beyond ASCII as UTF-8, encoded words decoded where `words` says so.
pub(super) fn decode(value: &[u8], words: bool) -> Vec<u8> {
    let mut text: Vec<u8> = Vec::with_capacity(value.len() + 1);
    for line in value.split_inclusive(|b| *b == b'\n') {
        let line = line
            .strip_suffix(b"\n")
            .map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        text.extend_from_slice(line);
    }
    if !text.is_ascii() {
        text = charset::guess(&text, "utf-8").into_bytes();
    }
    if !words || memchr::memmem::find(&text, b"=?").is_none() {
        return text;
    }
    sections(&text)
        .into_iter()
        .flat_map(|section| match section.charset {
            Some(charset) => charset::declared(&section.bytes, &charset).into_bytes(),
            None => section.bytes,
        })
        .collect()
}

/// A run of encoded words of one charset, or of other text.
struct Section {
    charset: Option<String>,
    bytes: Vec<u8>,
}

/// Neighbouring words of one charset are put together before their charset is read, because a character may
/// have been cut in two.
fn sections(text: &[u8]) -> Vec<Section> {
    let mut found: Vec<Section> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (charset, bytes, tail) = match word(rest) {
            Some((charset, bytes, tail)) => {
                // White space between two words is not shown.
                let blank = tail.iter().take_while(|b| is_space(**b)).count();
                let behind = tail.get(blank..).unwrap_or_default();
                let tail = if blank > 0 && word(behind).is_some() {
                    behind
                } else {
                    tail
                };
                (Some(charset), bytes, tail)
            }
            None => {
                let next = memchr::memmem::find(rest.get(1..).unwrap_or_default(), b"=?");
                let (plain, tail) = rest.split_at(next.map_or(rest.len(), |n| n + 1));
                (None, plain.to_vec(), tail)
            }
        };
        match found.last_mut() {
            Some(last) if last.charset == charset => last.bytes.extend(bytes),
            _ => found.push(Section { charset, bytes }),
        }
        rest = tail;
    }
    found
}

/// The encoded word at the start of `rest`: charset (lower case, without language), decoded bytes, what follows.
fn word(rest: &[u8]) -> Option<(String, Vec<u8>, &[u8])> {
    let after = rest.strip_prefix(b"=?")?;
    let length = after
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'_' | b'-'))
        .count();
    let (charset, after) = after
        .split_at_checked(length)
        .filter(|(c, _)| !c.is_empty())?;
    let [b'?', encoding, b'?', content @ ..] = after else {
        return None;
    };
    let end = memchr::memchr(b'?', content)?;
    let (content, after) = content.split_at_checked(end)?;
    let tail = after.strip_prefix(b"?=")?;
    let bytes = match encoding {
        b'b' | b'B' => transfer::base64(content),
        b'q' | b'Q' => {
            let spaced: Vec<u8> = content
                .iter()
                .map(|b| if *b == b'_' { b' ' } else { *b })
                .collect();
            transfer::escapes(&spaced)
        }
        _ => return None,
    };
    let charset = String::from_utf8_lossy(charset).to_ascii_lowercase();
    let charset = charset.split('*').next().unwrap_or_default().to_owned();
    Some((charset, bytes, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(value: &str) -> String {
        let field = Field::new(b"Subject", value.as_bytes().to_vec());
        String::from_utf8(field.decoded().to_vec()).unwrap()
    }

    #[test]
    fn words_are_joined_where_only_space_stands_between_them() {
        assert_eq!(
            decoded(" =?utf-8?q?a=C3?= \n =?utf-8?q?=A4_b?= c\n"),
            "a\u{e4} b c"
        );
        assert_eq!(decoded(" =?iso-8859-1?B?5A==?=x\n"), "\u{e4}x");
        assert_eq!(decoded(" a =?b\n c\n"), "a =?b c");
    }

    #[test]
    fn fields_for_machines_are_not_decoded() {
        let field = Field::new(b"List-Id", b" =?utf-8?q?a?= <x>\n".to_vec());
        assert_eq!(field.decoded(), b"=?utf-8?q?a?= <x>");
    }

    #[test]
    fn folds_of_raw_values_become_one_space() {
        let field = Field::new(b"X", b" a\n\t b\nc\n".to_vec());
        assert_eq!(field.unfolded(), b" a b\nc\n");
    }
}
