//! Text parts as Unicode: the declared charset, and what to do when it is missing or wrong.

use encoding_rs::Encoding;
use mail_parser::decoders::charsets::{DecoderFnc, map::charset_decoder};

use super::flag::{Flag, Flags};

/// Decodes `bytes` with the declared charset, CRLF becomes LF. Undeclared, ASCII and unknown
/// charsets are taken as UTF-8 if the bytes are valid UTF-8, else as windows-1252 (what most senders
/// of unlabelled text mean). Never fails; damage is flagged.
pub(super) fn decode(bytes: Vec<u8>, charset: Option<&str>, flags: &mut Flags) -> String {
    let known = charset.map_or(Some(Charset::Ascii), Charset::named);
    if known.is_none() {
        flags.set(Flag::UnknownCharset);
    }
    let (text, whole) = known.unwrap_or(Charset::Ascii).read(bytes);
    if !whole {
        flags.set(Flag::DamagedCharset);
    }
    unify_line_ends(text)
}

/// CRLF becomes LF, also with several CRs, which gateways make of CRLF; a CR elsewhere stays.
fn unify_line_ends(text: String) -> String {
    if memchr::memmem::find(text.as_bytes(), b"\r\n").is_none() {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(content) => {
                out.push_str(content.trim_end_matches('\r'));
                out.push('\n');
            }
            None => out.push_str(line),
        }
    }
    out
}

fn lenient(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        encoding_rs::WINDOWS_1252
            .decode_without_bom_handling(error.as_bytes())
            .0
            .into_owned()
    })
}

/// Declared UTF-8 that is not: mostly valid means damaged UTF-8, mostly invalid means a wrong label.
fn windows_or_lossy(bytes: &[u8]) -> String {
    let (mut valid, mut invalid) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        invalid += usize::from(!chunk.invalid().is_empty());
    }
    if invalid > valid {
        encoding_rs::WINDOWS_1252
            .decode_without_bom_handling(bytes)
            .0
            .into_owned()
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// A charset that can be decoded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Charset {
    /// Undeclared in effect: what it says is wrong as often as right.
    Ascii,
    Utf8,
    /// One of the web's encodings.
    Web(&'static Encoding),
    /// One that only mail knows: UTF-7, UTF-16 with its mark, IBM 850.
    Mail(DecoderFnc),
}

impl Charset {
    /// The charset of that name, any case; `None` for what nobody can read.
    pub(super) fn named(label: &str) -> Option<Charset> {
        let label = label.trim().to_ascii_lowercase();
        match label.as_str() {
            "" | "us-ascii" | "ascii" | "ansi_x3.4-1968" | "7bit" | "8bit" | "unknown-8bit" => {
                return Some(Charset::Ascii);
            }
            "utf-8" | "utf8" => return Some(Charset::Utf8),
            "utf-16" => return charset_decoder(b"utf-16").map(Charset::Mail),
            _ => {}
        }
        match Encoding::for_label(label.as_bytes()) {
            Some(encoding) if encoding == encoding_rs::REPLACEMENT => None,
            Some(encoding) if encoding == encoding_rs::UTF_8 => Some(Charset::Utf8),
            Some(encoding) => Some(Charset::Web(encoding)),
            None => charset_decoder(label.as_bytes()).map(Charset::Mail),
        }
    }

    /// Reads `bytes`, and whether each of them made sense.
    pub(super) fn read(self, bytes: Vec<u8>) -> (String, bool) {
        match self {
            Charset::Ascii => (lenient(bytes), true),
            Charset::Utf8 => match String::from_utf8(bytes) {
                Ok(text) => (text, true),
                Err(error) => (windows_or_lossy(error.as_bytes()), false),
            },
            // Nearly all mail; saves a second copy.
            Charset::Web(encoding) if encoding.is_ascii_compatible() && bytes.is_ascii() => {
                (lenient(bytes), true)
            }
            Charset::Web(encoding) => {
                let (text, damaged) = encoding.decode_without_bom_handling(&bytes);
                (text.into_owned(), !damaged)
            }
            Charset::Mail(decoder) => {
                let text = decoder(&bytes);
                let whole = !text.contains('\u{fffd}');
                (text, whole)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], charset: Option<&str>) -> (String, Vec<Flag>) {
        let mut flags = Flags::default();
        let text = decode(bytes.to_vec(), charset, &mut flags);
        (text, flags.into_sorted())
    }

    #[test]
    fn declared_charsets_are_used() {
        for (bytes, charset, expected) in [
            (&b"gr\xfc\xdfe"[..], "iso-8859-1", "grüße"),
            (b"\xf0\xd2\xc9\xd7\xc5\xd4", "koi8-r", "Привет"),
            ("grüße".as_bytes(), "utf-8", "grüße"),
            (b"\x1b$B%O\x1b(B", "iso-2022-jp", "ハ"),
            (b"h\0i\0", "utf-16le", "hi"),
            (b"+ZYeB9FH6ckg-", "utf-7", "文致出版"),
            (b"a\r\nb\n\r\r\nc\rd\r", "iso-8859-1", "a\nb\n\nc\rd\r"),
        ] {
            assert_eq!(read(bytes, Some(charset)), (expected.to_owned(), vec![]));
        }
    }

    #[test]
    fn missing_and_wrong_charsets_still_give_text() {
        assert_eq!(read("ä".as_bytes(), None).0, "ä");
        assert_eq!(read(b"\xe4", None).0, "ä");
        assert_eq!(read("ä".as_bytes(), Some("us-ascii")).0, "ä");
        let wrong = (String::from("ä"), vec![Flag::UnknownCharset]);
        assert_eq!(read(b"\xe4", Some("x-nobody")), wrong);
        // The web replaces such a text by one character, which would hide it.
        let hidden = (String::from("pay here"), vec![Flag::UnknownCharset]);
        assert_eq!(read(b"pay here", Some("iso-2022-kr")), hidden);
        let label = (String::from("gr\u{fc}n"), vec![Flag::DamagedCharset]);
        assert_eq!(read(b"gr\xfcn", Some("utf-8")), label);
        assert_eq!(read(b"\xc3\xa4\xc3\xa4\xff", Some("utf-8")).0, "ää\u{fffd}");
    }
}
