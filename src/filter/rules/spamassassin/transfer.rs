//! Transfer encodings, undone as leniently as SpamAssassin undoes them.

/// Base64: foreign bytes are skipped; padding in the middle counts as `A`.
pub(super) fn base64(data: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = data.iter().copied().filter_map(digit).collect();
    while digits.last() == Some(&PADDING) {
        digits.pop();
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        if group.len() == 1 {
            break;
        }
        let bits = group
            .iter()
            .fold(0u32, |bits, d| bits << 6 | u32::from(d & 63))
            << (6 * (4 - group.len()));
        let [_, a, b, c] = bits.to_be_bytes();
        out.extend([a, b, c].into_iter().take(group.len() - 1));
    }
    out
}

const PADDING: u8 = 64;

fn digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        b'=' => PADDING,
        _ => return None,
    })
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
