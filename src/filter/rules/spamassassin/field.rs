//! Header fields of a message or part: raw, and decoded as SpamAssassin decodes them.

use super::charset;
use super::transfer;

/// Longest field name that is kept, bytes.
const NAME_BYTES: usize = 256;
/// Longest field value that is kept, bytes.
const VALUE_BYTES: usize = 8192;

/// One header field.
#[derive(Debug)]
pub(super) struct Field {
    /// The name as written.
    pub(super) name: Vec<u8>,
    /// Everything after the colon, line ends LF, the last one included.
    pub(super) raw: Vec<u8>,
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
        }
    }

    /// Whether it has this name, ASCII case ignored.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value unfolded, trimmed and decoded, without a line end.
    pub(super) fn decoded(&self) -> Vec<u8> {
        let unfolded = unfold(&self.raw);
        let name = String::from_utf8_lossy(&self.name).to_ascii_lowercase();
        decode(unfolded.trim_ascii(), is_encoded(&name))
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
fn unfold(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((byte, tail)) = rest.split_first() {
        let blank = tail
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
        if *byte == b'\n' && blank > 0 {
            out.push(b' ');
            rest = tail.get(blank..).unwrap_or_default();
        } else {
            out.push(*byte);
            rest = tail;
        }
    }
    out
}

/// Whether encoded words have a meaning in a field of this (lower case) name.
fn is_encoded(name: &str) -> bool {
    let plain = name.strip_prefix("resent-").unwrap_or(name);
    !(matches!(plain, "message-id" | "date")
        || matches!(
            name,
            "received" | "mime-version" | "references" | "in-reply-to"
        )
        || name.starts_with("list-"))
}

/// A value without folds: bytes beyond ASCII as UTF-8, encoded words decoded where `words` says so.
pub(super) fn decode(value: &[u8], words: bool) -> Vec<u8> {
    let mut text: Vec<u8> = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((byte, tail)) = rest.split_first() {
        match rest {
            [b'\r', b'\n', tail @ ..] => rest = tail,
            [b'\n', tail @ ..] => rest = tail,
            _ => {
                text.push(*byte);
                rest = tail;
            }
        }
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
        String::from_utf8(field.decoded()).unwrap()
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
