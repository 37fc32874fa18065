//! The MIME parts of a message, flat, in document order.

/// What the content of a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// text/plain or another text type, decoded to UTF-8.
    Text(String),
    /// text/html, decoded to UTF-8.
    Html(String),
    /// Anything else, transfer encoding undone.
    Binary(Vec<u8>),
    /// message/rfc822: its header fields and parts follow as parts of their own.
    Message,
    /// A multipart container: its children follow.
    Multipart,
}

/// One MIME part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `type/subtype`, lower case, as declared; `text/plain` where nothing is declared.
    pub content_type: String,
    /// Declared charset, lower case.
    pub charset: Option<String>,
    /// File name from Content-Disposition or Content-Type (RFC 2231, RFC 2047), decoded.
    pub name: Option<String>,
    /// Whether Content-Disposition says `attachment`.
    pub attachment: bool,
    /// How many containers it lies in; 0 for the message's own root part.
    pub depth: usize,
    /// The content.
    pub kind: PartKind,
}
