//! Encoded words of header fields (RFC 2047), as readers decode them.
//!
//! Neighbouring words are joined, also where a multi-byte character is split between two of them; a
//! word that is damaged stays as it is written and is flagged. Words with spaces inside, words that
//! touch other text and words inside quotes are decoded, because mail clients do so. Linear.

use std::borrow::Cow;

use super::charset::Charset;
use super::flag::{Flag, Flags};
use super::transfer;

/// The value of a field as one line of UTF-8 with its end, as the library reads it.
pub(super) fn one_line(value: &[u8]) -> Vec<u8> {
    let mut line: Vec<u8> = value
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect();
    if std::str::from_utf8(&line).is_err() {
        line = text(&line).into_owned().into_bytes();
    }
    line.push(b'\n');
    line
}

/// Raw 8-bit text: UTF-8, and where it is not, windows-1252.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            encoding_rs::WINDOWS_1252
                .decode_without_bom_handling(bytes)
                .0
        }
    }
}

/// Stands between `=` and `?` while the library reads a structured field.
const GUARD: u8 = 1;

/// Hides encoded words from the library, until [`unguard`] decodes them.
pub(super) fn guard(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len() + 8);
    for byte in line {
        if *byte == b'?' && out.last() == Some(&b'=') {
            out.push(GUARD);
        }
        out.push(*byte);
    }
    out
}

/// Decodes the encoded words of a value out of a structured field, hidden or not.
pub(super) fn unguard(value: &str) -> String {
    let shown = value.replace("=\u{1}?", "=?");
    if !shown.contains("=?") {
        return shown;
    }
    decode(shown.as_bytes(), &mut Flags::default())
}

/// One encoded word, its payload decoded to bytes of its charset.
struct Word {
    label: String,
    charset: Charset,
    bytes: Vec<u8>,
    length: usize,
}

/// The value of a field as a person reads it: unfolded, decoded, trimmed.
pub(super) fn decode(raw: &[u8], flags: &mut Flags) -> String {
    let line: Vec<u8> = raw
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect();
    if memchr::memmem::find(&line, b"=?").is_none() {
        return text(&line).trim().to_owned();
    }
    let mut out = String::with_capacity(line.len());
    let mut pending: Option<Word> = None;
    let mut plain = 0;
    let mut at = 0;
    while let Some(found) = line.get(at..).and_then(|r| memchr::memmem::find(r, b"=?")) {
        let start = at + found;
        let Some(word) = line.get(start..).and_then(|rest| word(rest, flags)) else {
            at = start + 2;
            continue;
        };
        let between = line.get(plain..start).unwrap_or_default();
        let joined = pending.is_some() && between.iter().all(|b| matches!(b, b' ' | b'\t'));
        if !joined {
            flush(&mut pending, &mut out);
            out.push_str(&text(between));
        }
        at = start + word.length;
        plain = at;
        match &mut pending {
            Some(open) if open.label == word.label => open.bytes.extend_from_slice(&word.bytes),
            _ => {
                flush(&mut pending, &mut out);
                pending = Some(word);
            }
        }
    }
    flush(&mut pending, &mut out);
    out.push_str(&text(line.get(plain..).unwrap_or_default()));
    out.trim().to_owned()
}

fn flush(pending: &mut Option<Word>, out: &mut String) {
    if let Some(word) = pending.take() {
        out.push_str(&word.charset.read(word.bytes).0);
    }
}

/// Longest charset name that is read as one; the longest registered alias has 45 characters.
const CHARSET_BYTES: usize = 64;

/// Reads the word at the start of `rest`. `None`, flagged where it looked like one, when it is none.
fn word(rest: &[u8], flags: &mut Flags) -> Option<Word> {
    let inner = rest.strip_prefix(b"=?")?;
    let window = inner.get(..CHARSET_BYTES).unwrap_or(inner);
    let label_end = memchr::memchr(b'?', window)?;
    let label = inner.get(..label_end)?;
    let printable = |b: &u8| b.is_ascii_graphic() && *b != b'=';
    if label.is_empty() || !label.iter().all(printable) {
        return None;
    }
    let encoding = inner.get(label_end + 1)?.to_ascii_lowercase();
    if inner.get(label_end + 2) != Some(&b'?') || !matches!(encoding, b'q' | b'b') {
        flags.set(Flag::DamagedEncodedWord);
        return None;
    }
    let data_start = label_end + 3;
    let data = inner.get(data_start..)?;
    // The payload has no `?` of its own: the first one ends the word or shows that it is damaged.
    let data_end = data
        .iter()
        .position(|b| *b == b'?')
        .filter(|end| data.get(end + 1) == Some(&b'='));
    let Some(data_end) = data_end else {
        flags.set(Flag::DamagedEncodedWord);
        return None;
    };
    let data = data.get(..data_end)?;
    let bytes = match encoding {
        b'b' => transfer::base64(data),
        _ => q(data),
    };
    let bytes = match bytes {
        (bytes, true) => bytes,
        (_, false) => {
            flags.set(Flag::DamagedEncodedWord);
            return None;
        }
    };
    // RFC 2231, section 5: a language may follow the charset.
    let label = label.split(|b| *b == b'*').next().unwrap_or_default();
    let label = String::from_utf8_lossy(label).to_ascii_lowercase();
    let charset = Charset::named(&label);
    if charset.is_none() {
        flags.set(Flag::UnknownHeaderCharset);
    }
    Some(Word {
        label,
        charset: charset.unwrap_or(Charset::Ascii),
        bytes,
        length: 2 + data_start + data_end + 2,
    })
}

/// The Q encoding (RFC 2047, section 4.2); whether every escape was one.
fn q(data: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    let mut whole = true;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'_' => out.push(b' '),
            b'=' => match tail {
                [high, low, tail @ ..] => match transfer::hex(*high, *low) {
                    Some(value) => {
                        out.push(value);
                        rest = tail;
                    }
                    None => {
                        out.push(b'=');
                        whole = false;
                    }
                },
                _ => {
                    out.push(b'=');
                    whole = false;
                }
            },
            other => out.push(*other),
        }
    }
    (out, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> (String, Vec<Flag>) {
        let mut flags = Flags::default();
        let text = decode(raw.as_bytes(), &mut flags);
        (text, flags.into_sorted())
    }

    #[test]
    fn words_are_decoded_and_neighbours_joined() {
        for (raw, expected) in [
            (" plain", "plain"),
            ("=?utf-8?Q?a_b?=", "a b"),
            ("=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
            ("=?utf-8?Q?a?=\r\n\t=?iso-8859-1?Q?=E4?=", "a\u{e4}"),
            ("=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"),
            ("x=?utf-8?B?w6Q=?=y", "x\u{e4}y"),
            ("=?utf-8*en?q?hi?=", "hi"),
            ("\"=?utf-8?q?quoted?=\"", "\"quoted\""),
            ("=?us-ascii?q?with spaces inside?=", "with spaces inside"),
            ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
        ] {
            assert_eq!(read(raw), (expected.to_owned(), vec![]), "{raw}");
        }
    }

    #[test]
    fn a_character_split_between_two_words_is_whole_again() {
        assert_eq!(read("=?utf-8?q?=C3?= =?utf-8?q?=A4?=").0, "ä");
        assert_eq!(read("=?UTF-8?B?4oI=?=\r\n =?utf-8?B?rA==?=").0, "€");
    }

    #[test]
    fn a_damaged_word_stays_as_written_and_is_flagged() {
        for raw in [
            "=?utf-8?q?no end",
            "=?utf-8?q?bad=ZZ?=",
            "=?utf-8?x?data?=",
            "=?utf-8?b?w6$?=",
            "=?utf-8?q?a?b?=",
        ] {
            assert_eq!(read(raw), (raw.to_owned(), vec![Flag::DamagedEncodedWord]));
        }
        assert_eq!(read("1 =? 2 ?= =??= =?").0, "1 =? 2 ?= =??= =?");
        let (text, flags) = read("=?x-nobody?q?abc?=");
        assert_eq!(
            (text.as_str(), flags),
            ("abc", vec![Flag::UnknownHeaderCharset])
        );
    }

    #[test]
    fn five_megabytes_of_words_take_one_pass() {
        let started = std::time::Instant::now();
        for unit in ["=?utf-8?q?=41?= ", "=?", "=?utf-8?q?", "=?a?b?c"] {
            let raw = unit.repeat(5_000_000 / unit.len());
            decode(raw.as_bytes(), &mut Flags::default());
        }
        assert!(started.elapsed().as_secs() < 60);
    }

    #[test]
    fn eight_bit_text_is_utf8_or_windows_1252() {
        assert_eq!(decode(b"gr\xfc\xdfe", &mut Flags::default()), "grüße");
        assert_eq!(decode("grüße".as_bytes(), &mut Flags::default()), "grüße");
    }
}
