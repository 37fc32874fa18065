//! The MIME parts of a message, flat, in document order.

use std::ops::Range;

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
}

impl Part {
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
        let name = self.name.as_deref()?;
        let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c.is_control());
        let (stem, extension) = name.rsplit_once('.')?;
        (!stem.is_empty() && !extension.contains(['/', '\\'])).then(|| extension.to_lowercase())
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
