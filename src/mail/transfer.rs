//! Transfer encodings undone: base64, quoted-printable, uuencode (RFC 2045, section 6).
//!
//! Each decoder takes the whole encoded content and gives all that can be saved of it, with a
//! statement whether it was undamaged. Like mail clients they go on behind damage, so that a single
//! foreign character does not hide an attachment. Linear; the output is never longer than the input.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode_char;

/// The byte that two hexadecimal digits stand for.
pub(super) fn hex(high: u8, low: u8) -> Option<u8> {
    // The crate's table ends before 255.
    (high.is_ascii() && low.is_ascii())
        .then(|| quoted_printable_decode_char(high, low))
        .flatten()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Base64 (RFC 2045, section 6.8). Foreign characters are skipped; what follows after padding is
/// decoded as a further run. False when there was either, or the end of a group is missing.
pub(super) fn base64(data: &[u8]) -> (Vec<u8>, bool) {
    let regular = match memchr::memchr(b'=', data) {
        None => true,
        Some(pad) => data
            .get(pad..)
            .unwrap_or_default()
            .iter()
            .all(|b| *b == b'=' || b.is_ascii_whitespace()),
    };
    // The crate stops silently at a byte 255.
    if memchr::memchr(u8::MAX, data).is_none()
        && let Some(bytes) = base64_decode(data)
    {
        return (bytes, regular && ends_with_group(data));
    }
    let kept: Vec<u8> = data.iter().copied().filter(|b| is_base64(*b)).collect();
    (base64_decode(&kept).unwrap_or_default(), false)
}

/// Whether the characters before the padding can be a whole number of bytes: one left over cannot.
fn ends_with_group(data: &[u8]) -> bool {
    let digits = data
        .iter()
        .filter(|b| is_base64(**b) && **b != b'=')
        .count();
    digits % 4 != 1
}

/// Quoted-printable (RFC 2045, section 6.7). White space before a line end is dropped, an escape
/// that is none stands for itself; false when there was one.
pub(super) fn quoted_printable(data: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(data.len());
    let mut whole = true;
    for line in data.split_inclusive(|b| *b == b'\n') {
        let (text, end): (&[u8], &[u8]) = match line {
            [text @ .., b'\r', b'\n'] => (text, b"\r\n"),
            [text @ .., b'\n'] => (text, b"\n"),
            text => (text, b""),
        };
        let text = text.trim_ascii_end();
        let mut rest = text;
        let mut soft = false;
        while let Some(at) = memchr::memchr(b'=', rest) {
            let (before, tail) = rest.split_at_checked(at).unwrap_or((rest, b""));
            out.extend_from_slice(before);
            rest = match tail {
                [_] => {
                    soft = true;
                    b""
                }
                [_, high, low, tail @ ..] => match hex(*high, *low) {
                    Some(byte) => {
                        out.push(byte);
                        tail
                    }
                    None => {
                        out.push(b'=');
                        whole = false;
                        tail_after_escape(rest, at)
                    }
                },
                _ => {
                    out.push(b'=');
                    whole = false;
                    tail_after_escape(rest, at)
                }
            };
        }
        out.extend_from_slice(rest);
        if !soft {
            out.extend_from_slice(end);
        }
    }
    (out, whole)
}

fn tail_after_escape(rest: &[u8], at: usize) -> &[u8] {
    rest.get(at + 1..).unwrap_or_default()
}

/// A file that stands uuencoded in a text, as mail programs before MIME sent them and some still show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uuencoded {
    /// The name in the `begin` line; empty where it has none.
    pub name: String,
    /// The content.
    pub bytes: Vec<u8>,
    /// Whether it could be decoded to its end.
    pub whole: bool,
}

/// Files that are taken out of one text.
const UUENCODED: usize = 64;

/// The files that stand uuencoded in a text, in order, at most 64. A `begin` line without an encoded line behind it is
/// text.
pub fn uuencoded(text: &[u8]) -> Vec<Uuencoded> {
    let mut found = Vec::new();
    let mut at = 0;
    while found.len() < UUENCODED {
        let rest = text.get(at..).unwrap_or_default();
        let Some(start) = memchr::memmem::find(rest, b"begin ") else {
            break;
        };
        let begin = at + start;
        let begins = begin == 0 || text.get(begin - 1) == Some(&b'\n');
        let block = rest.get(start..).unwrap_or_default();
        let line_end = memchr::memchr(b'\n', block).map_or(block.len(), |i| i + 1);
        at = begin + line_end;
        // Both lines are looked at before all that follows is.
        let line = block.get(..line_end).unwrap_or_default().trim_ascii_end();
        if !begins
            || begun(line).is_none()
            || !is_encoded_line(block.get(line_end..).unwrap_or_default())
        {
            continue;
        }
        let end = memchr::memmem::find(block, b"\nend").map_or(block.len(), |i| i + 4);
        let (bytes, name, whole) = uuencode(block.get(..end).unwrap_or(block));
        let Some(name) = name else {
            continue;
        };
        at = begin + end.max(line_end);
        let name = super::encoded_word::text(&name).trim().to_owned();
        found.push(Uuencoded { name, bytes, whole });
    }
    found
}

/// Whether a uuencoded line of data begins here: as many digits as its first says.
fn is_encoded_line(text: &[u8]) -> bool {
    let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
    let line = text.get(..end).unwrap_or(text);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some((first, digits)) = line.split_first() else {
        return false;
    };
    let bytes = usize::from(first.wrapping_sub(32) & 63);
    let wanted = bytes.div_ceil(3) * 4;
    (32..=96).contains(first)
        && bytes > 0
        && digits.len() + 2 >= wanted
        && digits.len() <= wanted + 2
        && digits.iter().all(|b| (32..=96).contains(b))
}

/// The file name of a `begin` line; empty where it has none.
fn begun(line: &[u8]) -> Option<&[u8]> {
    let mut words = line.strip_prefix(b"begin ")?.splitn(2, |b| *b == b' ');
    let mode = words.next()?;
    (mode.len() >= 3 && mode.iter().all(|b| (b'0'..=b'7').contains(b)))
        .then(|| words.next().unwrap_or_default())
}

/// Uuencode as in `x-uuencode` parts: everything between `begin` and `end`, with the file name of
/// the `begin` line. False when either is missing or a line is too short.
pub(super) fn uuencode(data: &[u8]) -> (Vec<u8>, Option<Vec<u8>>, bool) {
    let mut lines = data
        .split(|b| *b == b'\n')
        .map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let name = lines.by_ref().find_map(begun).map(<[u8]>::to_vec);
    if name.is_none() {
        return (data.to_vec(), None, false);
    }
    let mut out = Vec::with_capacity(data.len() / 4 * 3);
    let mut whole = true;
    let mut ended = false;
    for line in lines {
        if line == b"end" {
            ended = true;
            break;
        }
        let Some((first, digits)) = line.split_first() else {
            continue;
        };
        let wanted = usize::from(first.wrapping_sub(32) & 63);
        let from = out.len();
        for group in digits.chunks(4) {
            let digit = |n: usize| group.get(n).map_or(0, |d| d.wrapping_sub(32) & 63);
            out.extend_from_slice(&[
                digit(0) << 2 | digit(1) >> 4,
                digit(1) << 4 | digit(2) >> 2,
                digit(2) << 6 | digit(3),
            ]);
        }
        whole &= out.len() - from >= wanted;
        out.truncate(from + wanted);
    }
    (out, name, whole && ended)
}

#[cfg(test)]
mod tests {
    use mail_parser::decoders::quoted_printable::quoted_printable_decode;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_goes_on_behind_damage() {
        for (data, bytes, whole) in [
            (&b"aGVsbG8="[..], &b"hello"[..], true),
            (b"aGVs\r\nbG8=\r\n", b"hello", true),
            (b"aGVsbG8", b"hello", true),
            (b"aG!Vs\xffbG8=", b"hello", false),
            (b"aGVs\x00bG8=", b"hello", false),
            (b"aGVs\xffbG8=", b"hello", false),
            (b"aGk=aGk=", b"hihi", false),
            (b"aGVsb", b"hel", false),
            (b"", b"", true),
        ] {
            assert_eq!(base64(data), (bytes.to_vec(), whole), "{data:?}");
        }
    }

    #[test]
    fn quoted_printable_keeps_what_it_cannot_read() {
        for (data, text, whole) in [
            (&b"a=3Db"[..], &b"a=b"[..], true),
            (b"a=3db=e4", b"a=b\xe4", true),
            (b"soft=\r\nbreak", b"softbreak", true),
            (b"soft= \t\nbreak", b"softbreak", true),
            (b"trailing  \r\nend", b"trailing\r\nend", true),
            (b"a=ZZ=4", b"a=ZZ=4", false),
            (b"==41", b"=A", false),
            (b"end=", b"end", true),
        ] {
            assert_eq!(quoted_printable(data), (text.to_vec(), whole), "{data:?}");
        }
    }

    #[test]
    fn uuencode_gives_content_and_name() {
        let data = b"text\nbegin 644 a b.txt\n#0V%T\n`\nend\n";
        assert_eq!(
            uuencode(data),
            (b"Cat".to_vec(), Some(b"a b.txt".to_vec()), true)
        );
        assert!(!uuencode(b"begin 644 x\n#0V%T\n").2);
        assert!(!uuencode(b"begin 644 x\nM0V%T\nend\n").2);
        assert_eq!(uuencode(b"nothing").1, None);
    }

    #[test]
    fn hex_digits_of_any_byte_are_safe() {
        for high in 0..=255 {
            for low in 0..=255 {
                let _ = hex(high, low);
            }
        }
        assert_eq!(hex(b'a', b'F'), Some(0xaf));
    }

    proptest! {
        #[test]
        fn undamaged_quoted_printable_reads_as_the_library_does(text in "[ -<>-~\n]{0,80}") {
            let encoded: String = text
                .chars()
                .map(|c| if c == 'e' { "=65".to_owned() } else { c.to_string() })
                .collect();
            let (ours, whole) = quoted_printable(encoded.as_bytes());
            prop_assert!(whole);
            let theirs = quoted_printable_decode(encoded.as_bytes()).unwrap();
            // The library keeps white space at the very end, where no line end follows.
            prop_assert_eq!(ours.trim_ascii_end(), theirs.trim_ascii_end());
        }

        #[test]
        fn no_decoder_grows_or_panics(data: Vec<u8>) {
            prop_assert!(base64(&data).0.len() <= data.len());
            prop_assert!(quoted_printable(&data).0.len() <= data.len());
            prop_assert!(uuencode(&data).0.len() <= data.len() * 63);
        }
    }
}
