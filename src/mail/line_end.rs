//! Line ends as SMTP has them (RFC 5321, 2.3.8).

/// Appends `text` to `out` with a CR before each LF that has none; everything else stays as it is.
pub fn push_with_crlf(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len());
    let mut previous = 0;
    for byte in text {
        if *byte == b'\n' && previous != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        previous = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_lf_without_cr_gets_one() {
        let mut out = Vec::new();
        push_with_crlf(b"a\nb\r\nc\rd\n\n", &mut out);
        assert_eq!(out, b"a\r\nb\r\nc\rd\r\n\r\n");
    }
}
