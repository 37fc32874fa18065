//! The MIME parts of a message, flat, in document order.

use std::borrow::Cow;
use std::ops::Range;

use super::content::Encoding;
use super::real_type::real_type;
use super::transfer;

/// What the content of a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// text/plain or another text type, decoded to UTF-8, line ends LF. Also readable reports
    /// (message/delivery-status and its like) and multiparts that cannot be taken apart.
    Text(String),
    /// text/html, decoded to UTF-8, line ends LF.
    Html(String),
    /// Anything else, transfer encoding undone.
    Binary(Vec<u8>),
    /// message/rfc822: its header fields and parts follow as parts of their own.
    Message,
    /// A multipart container: its children follow.
    Multipart,
}

impl Default for PartKind {
    fn default() -> Self {
        PartKind::Text(String::new())
    }
}

/// One MIME part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// `type/subtype`, lower case, as declared; `text/plain` where nothing is declared.
    pub content_type: String,
    /// Declared charset, lower case.
    pub charset: Option<String>,
    /// File name from Content-Disposition or Content-Type (RFC 2231, RFC 2047), decoded. Hostile
    /// text: it may hold slashes, control characters and changes of direction.
    pub name: Option<String>,
    /// Another name that the part declares, which other clients may show.
    pub other_name: Option<String>,
    /// Declared Content-Disposition without its parameters, lower case.
    pub disposition: Option<String>,
    /// Whether Content-Disposition says `attachment`.
    pub attachment: bool,
    /// Content-ID without angle brackets; what `cid:` links of HTML refer to.
    pub content_id: Option<String>,
    /// How many containers it lies in; 0 for the message's own root part.
    pub depth: usize,
    /// Length of the content in bytes: decoded, before any change of charset. For containers the
    /// length of all that they hold, as it stands in the message.
    pub size: usize,
    /// Where header fields of the part lie in the raw message; `None` in a message that had to be
    /// decoded first.
    pub header: Option<Range<usize>>,
    /// Where the content lies in the raw message, still encoded; `None` as for `header`.
    pub body: Option<Range<usize>>,
    /// The content.
    pub kind: PartKind,
    /// How the content is encoded in the message, and how some client may take it to be encoded.
    pub(super) encoding: Encoding,
    pub(super) other_encoding: Option<Encoding>,
}

impl Part {
    /// Whether it is a file rather than text that is shown: named, of disposition `attachment`, a message, or of a
    /// type that is not shown as text.
    pub fn is_file(&self) -> bool {
        match self.kind {
            PartKind::Multipart => false,
            PartKind::Binary(_) | PartKind::Message => true,
            PartKind::Text(_) | PartKind::Html(_) => self.attachment || self.name.is_some(),
        }
    }

    /// The bytes that a reader saves as a file: transfer encoding undone, charset and line ends as sent. `raw` is the
    /// message that the part stands in.
    pub fn file<'a>(&'a self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        match (&self.kind, &self.body) {
            (PartKind::Binary(bytes), _) => Cow::Borrowed(bytes),
            (PartKind::Text(_) | PartKind::Html(_), Some(place)) => {
                decoded(raw.get(place.clone()).unwrap_or_default(), self.encoding)
            }
            (PartKind::Message, Some(place)) => {
                Cow::Borrowed(raw.get(place.clone()).unwrap_or_default())
            }
            _ => Cow::Borrowed(self.content()),
        }
    }

    /// The same as a client reads it that takes another of several declared transfer encodings.
    pub fn other_file<'a>(&self, raw: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let encoding = self.other_encoding?;
        Some(decoded(raw.get(self.body.clone()?)?, encoding))
    }

    /// The content of leaf parts: text as UTF-8, other content as decoded; empty for containers.
    pub fn content(&self) -> &[u8] {
        match &self.kind {
            PartKind::Text(text) | PartKind::Html(text) => text.as_bytes(),
            PartKind::Binary(bytes) => bytes,
            PartKind::Message | PartKind::Multipart => &[],
        }
    }

    /// BLAKE3 digest of [`Part::content`], computed on each call (some 1 ms for 1 MB).
    pub fn digest(&self) -> [u8; 32] {
        *blake3::hash(self.content()).as_bytes()
    }

    /// SHA-256 digest of [`Part::content`], as lists of known files give it; computed on each call (some 5 ms
    /// for 1 MB).
    pub fn sha256(&self) -> [u8; 32] {
        use sha2::Digest;
        sha2::Sha256::digest(self.content()).into()
    }

    /// The extension of the file name in lower case, without the dot: what decides how the file is
    /// opened. Trailing dots and white space are ignored, as Windows does.
    pub fn extension(&self) -> Option<String> {
        extension(self.name.as_deref()?)
    }

    /// What the content is, as the usual extension of such files.
    pub fn real_type(&self) -> Option<&'static str> {
        real_type(self.content())
    }
}

/// The extension of a file name in lower case, without the dot: what decides how the file is opened. Trailing dots and
/// white space are ignored, as Windows does.
pub fn extension(name: &str) -> Option<String> {
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c.is_control());
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.contains(['/', '\\'])).then(|| extension.to_lowercase())
}

fn decoded(content: &[u8], encoding: Encoding) -> Cow<'_, [u8]> {
    match encoding {
        Encoding::Identity | Encoding::Unknown => Cow::Borrowed(content),
        Encoding::Base64 => Cow::Owned(transfer::base64(content).0),
        Encoding::QuotedPrintable => Cow::Owned(transfer::quoted_printable(content).0),
        Encoding::Uuencode => Cow::Owned(transfer::uuencode(content).0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_is_the_one_that_windows_would_use() {
        for (name, extension) in [
            ("invoice.PDF", Some("pdf")),
            ("invoice.pdf.exe. . ", Some("exe")),
            ("a.exe\u{0}", Some("exe")),
            ("noextension", None),
            (".profile", None),
            ("dir.d/file", None),
        ] {
            let part = Part {
                name: Some(name.to_owned()),
                ..Part::default()
            };
            assert_eq!(part.extension().as_deref(), extension, "{name}");
        }
    }
}
