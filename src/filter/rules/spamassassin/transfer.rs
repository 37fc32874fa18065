//! Transfer encodings, undone as leniently as SpamAssassin undoes them.

/// Base64: foreign bytes are skipped; padding in the middle counts as `A`.
pub(super) fn base64(data: &[u8]) -> Vec<u8> {
    let last = data.iter().rposition(|byte| digit(*byte) < PADDING);
    let data = data
        .get(..last.map_or(0, |last| last + 1))
        .unwrap_or_default();
    let mut out = Vec::with_capacity(data.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in data {
        let digit = digit(*byte);
        if digit == FOREIGN {
            continue;
        }
        bits = bits << 6 | u32::from(digit & 63);
        held += 1;
        if held == 4 {
            let [_, group @ ..] = bits.to_be_bytes();
            out.extend_from_slice(&group);
            (bits, held) = (0, 0);
        }
    }
    if held > 1 {
        let [_, group @ ..] = (bits << (6 * (4 - held))).to_be_bytes();
        out.extend(group.into_iter().take(held - 1));
    }
    out
}

const PADDING: u8 = 64;
const FOREIGN: u8 = 255;

/// What a byte stands for: 0 to 63, [`PADDING`] or [`FOREIGN`].
fn digit(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        b'=' => PADDING,
        _ => FOREIGN,
    }
}

/// Quoted-printable (RFC 2045, section 6.7): what is no escape stays.
pub(super) fn quoted_printable(data: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(data.len());
    for line in data.split_inclusive(|b| *b == b'\n') {
        let (text, end) = match line {
            [text @ .., b'\r', b'\n'] => (text, &b"\r\n"[..]),
            [text @ .., b'\n'] => (text, &b"\n"[..]),
            text => (text, &b""[..]),
        };
        if end.is_empty() {
            joined.extend_from_slice(text);
            continue;
        }
        let kept = text.len()
            - text
                .iter()
                .rev()
                .take_while(|b| matches!(b, b' ' | b'\t'))
                .count();
        match text.get(..kept).unwrap_or_default() {
            [soft @ .., b'='] => joined.extend_from_slice(soft),
            hard => {
                joined.extend_from_slice(hard);
                joined.extend_from_slice(end);
            }
        }
    }
    escapes(&joined)
}

/// Undoes `=XX`.
pub(super) fn escapes(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some(at) = memchr::memchr(b'=', rest) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let value = match tail {
            [_, high, low, ..] => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match value {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                out.push(b'=');
                rest = tail.get(1..).unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

/// CRLF as LF.
pub(super) fn line_feeds(mut data: Vec<u8>) -> Vec<u8> {
    if memchr::memmem::find(&data, b"\r\n").is_some() {
        let mut kept = Vec::with_capacity(data.len());
        for line in data.split_inclusive(|b| *b == b'\n') {
            match line {
                [text @ .., b'\r', b'\n'] => {
                    kept.extend_from_slice(text);
                    kept.push(b'\n');
                }
                other => kept.extend_from_slice(other),
            }
        }
        data = kept;
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_costs_only_itself() {
        assert_eq!(base64(b"aGVs\r\nbG8="), b"hello");
        assert_eq!(base64(b"aG!Vsb G8"), b"hello");
        assert_eq!(base64(b"aGVsbG8hX"), b"hello!");
        assert_eq!(quoted_printable(b"a=20=\nb =\r\nc=ZZ=3"), b"a b c=ZZ=3");
        assert_eq!(quoted_printable(b"a \t\nb"), b"a\nb");
        assert_eq!(line_feeds(b"a\r\nb\rc\n".to_vec()), b"a\nb\rc\n");
    }
}
