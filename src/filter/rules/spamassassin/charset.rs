//! Charsets: from bytes to text in the order in which SpamAssassin tries them.

use encoding_rs::{DecoderResult, Encoding, ISO_2022_JP, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Text of a part: UTF-8 when it is valid, else what is declared, else windows-1252.
pub(super) fn guess(bytes: &[u8], charset: &str) -> String {
    let charset = charset.trim();
    if bytes.is_ascii() {
        return match shifting(charset) {
            Some(encoding) => strict(encoding, bytes).unwrap_or_else(|| ascii(bytes)),
            None => ascii(bytes),
        };
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let read = match charset.to_ascii_lowercase().as_str() {
        "us-ascii" | "ascii" | "utf-8" | "utf8" => None,
        lower if lower.starts_with("utf-16") || lower.starts_with("utf16") => {
            strict(utf16(bytes), bytes)
        }
        _ => named(charset).and_then(|encoding| strict(encoding, bytes)),
    };
    read.unwrap_or_else(|| windows(bytes))
}

/// Text of an encoded word: what is declared, damage replaced; windows-1252 when nobody knows the charset.
pub(super) fn declared(bytes: &[u8], charset: &str) -> String {
    if bytes.is_ascii() && shifting(charset).is_none() {
        return ascii(bytes);
    }
    match named(charset) {
        Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => windows(bytes),
        },
    }
}

fn named(charset: &str) -> Option<&'static Encoding> {
    Encoding::for_label(charset.as_bytes())
}

/// Encodings in which ASCII bytes may mean other characters.
fn shifting(charset: &str) -> Option<&'static Encoding> {
    named(charset).filter(|e| *e == ISO_2022_JP || *e == UTF_16LE || *e == UTF_16BE)
}

fn utf16(bytes: &[u8]) -> &'static Encoding {
    if bytes.starts_with(b"\xfe\xff") {
        return UTF_16BE;
    }
    let zeros = |odd: usize| {
        bytes
            .iter()
            .skip(odd)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    match zeros(0) > zeros(1) {
        true => UTF_16BE,
        false => UTF_16LE,
    }
}

fn strict(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len())?;
    let mut text = String::with_capacity(room);
    let (result, _) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
    matches!(result, DecoderResult::InputEmpty).then_some(text)
}

fn windows(bytes: &[u8]) -> String {
    WINDOWS_1252
        .decode_without_bom_handling(bytes)
        .0
        .into_owned()
}

fn ascii(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_utf8_wins_over_what_is_declared() {
        assert_eq!(guess("é".as_bytes(), "iso-8859-1"), "é");
        assert_eq!(guess(b"\xe9", "iso-8859-1"), "é");
        assert_eq!(guess(b"\xe9", "us-ascii"), "é");
        assert_eq!(guess(b"\xcf\xf0\xe8", "windows-1251"), "При");
        assert_eq!(guess(b"plain", "x-unknown"), "plain");
        assert_eq!(declared(b"\xe9", "no-such"), "é");
    }
}
