//! [`Mail`]: a complete message, parsed once, read by every filter.
//!
//! In: the raw bytes. Out: header fields with exact bytes, flat MIME parts, text, URLs, flags.
//! Promises: never fails, never panics, linear in the size, bounded depth and number of parts, no
//! recursion (a message of a million nested parts costs one pass).

use bytes::Bytes;

use super::{Header, HeaderField, Mailbox, Part, PartKind, Url};

/// Bounds of parsing. What lies beyond one is left out and flagged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Containers in containers.
    pub depth: usize,
    /// MIME parts.
    pub parts: usize,
    /// Bytes of rendered text over all parts.
    pub text_bytes: usize,
    /// URLs.
    pub urls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 50,
            parts: 1_000,
            text_bytes: 1 << 20,
            urls: 1_000,
        }
    }
}

/// Damage or oddity of structure; rules score them by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Flag {
    /// More containers in containers than [`Limits::depth`].
    TooDeep,
    /// More parts than [`Limits::parts`].
    TooManyParts,
}

impl Flag {
    /// The name used in rules and explanations, `mime.too_deep`.
    pub fn name(self) -> &'static str {
        match self {
            Flag::TooDeep => "mime.too_deep",
            Flag::TooManyParts => "mime.too_many_parts",
        }
    }
}

/// A parsed message.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    raw: Bytes,
    fields: Vec<HeaderField>,
    body: usize,
    parts: Vec<Part>,
    text: String,
    hidden: String,
    urls: Vec<Url>,
    flags: Vec<Flag>,
}

impl Mail {
    /// Parses a message with CRLF or LF line ends.
    pub fn parse(raw: Bytes, limits: &Limits) -> Mail {
        let _ = limits;
        Mail {
            raw,
            ..Mail::default()
        }
    }

    /// The exact bytes.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The bytes after the empty line that ends the header.
    pub fn raw_body(&self) -> &[u8] {
        self.raw.get(self.body..).unwrap_or_default()
    }

    /// Header fields of the message itself, in order.
    pub fn headers(&self) -> impl DoubleEndedIterator<Item = Header<'_>> + '_ {
        self.fields.iter().map(|f| Header {
            name: self.raw.get(f.name.clone()).unwrap_or_default(),
            raw: self.raw.get(f.value.clone()).unwrap_or_default(),
        })
    }

    /// Header fields of one name, ASCII case ignored, in order.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Header<'a>> + 'a {
        self.headers().filter(move |h| h.is(name))
    }

    /// The first header field of that name, decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers_named(name).next().map(|h| h.decoded())
    }

    /// The decoded subject; empty when there is none.
    pub fn subject(&self) -> String {
        self.header("Subject").unwrap_or_default()
    }

    /// Mailboxes of every address header of that name (`From`, `To`, `Reply-To`, ...), groups flattened.
    pub fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        let _ = name;
        Vec::new()
    }

    /// All MIME parts, flat, in document order, containers included.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Parts that a mail client shows as files: named, or of disposition `attachment`.
    pub fn attachments(&self) -> impl Iterator<Item = &Part> {
        self.parts
            .iter()
            .filter(|p| (p.attachment || p.name.is_some()) && p.kind != PartKind::Multipart)
    }

    /// Text that a reader sees: all text parts, HTML rendered, in order, separated by line ends.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Text of HTML parts that a reader does not see.
    pub fn hidden_text(&self) -> &str {
        &self.hidden
    }

    /// URLs of text and HTML, each once, in order of appearance.
    pub fn urls(&self) -> &[Url] {
        &self.urls
    }

    /// Damage found, each once, sorted.
    pub fn flags(&self) -> &[Flag] {
        &self.flags
    }
}
