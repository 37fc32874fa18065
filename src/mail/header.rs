//! Header fields with their exact bytes, and their decoded reading (RFC 5322, RFC 2047).

use std::borrow::Cow;
use std::ops::Range;

/// Where one header field lies in the raw message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderField {
    /// The field name, without the colon.
    pub name: Range<usize>,
    /// Everything after the colon up to, not including, the final line end; folding kept.
    pub value: Range<usize>,
}

/// One header field of a [`Mail`](super::Mail): a view into its raw bytes.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The field name as received.
    pub name: &'a [u8],
    /// The raw value, with leading white space and folding.
    pub raw: &'a [u8],
}

impl<'a> Header<'a> {
    /// The name as text; bytes that are not UTF-8 are replaced.
    pub fn name_text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.name)
    }

    /// Whether the name equals `name`, ASCII case ignored.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value as a person reads it: unfolded, encoded words decoded (RFC 2047), trimmed.
    /// Raw 8-bit text is taken as UTF-8, and where it is not, as windows-1252.
    pub fn decoded(&self) -> String {
        let unfolded: Vec<u8> = self
            .raw
            .iter()
            .copied()
            .filter(|b| *b != b'\r' && *b != b'\n')
            .collect();
        if !unfolded.is_ascii() || memchr::memmem::find(&unfolded, b"=?").is_some() {
            let text: Vec<u8> = if std::str::from_utf8(&unfolded).is_ok() {
                unfolded
            } else {
                encoding_rs::WINDOWS_1252
                    .decode(&unfolded)
                    .0
                    .into_owned()
                    .into_bytes()
            };
            let mut line = text;
            line.push(b'\n');
            let value = mail_parser::parsers::MessageStream::new(&line).parse_unstructured();
            return value.as_text().unwrap_or_default().trim().to_owned();
        }
        String::from_utf8_lossy(&unfolded).trim().to_owned()
    }
}
