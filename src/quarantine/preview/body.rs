//! What a message says, part by part.

use crate::mail::{Mail, PartKind, Removed, safe_html, safe_text};

/// Parts that are shown.
const PARTS: usize = 50;
/// Bytes of text of all parts together, and about as much markup of ours.
const BYTES: usize = 256 << 10;

/// The text of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// How it is written.
    pub written: Written,
    /// What a reader sees of it, as text. From outside.
    pub text: String,
    /// The same, safe for a page.
    safe: String,
    /// What was left out of the safe form.
    pub removed: Removed,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// As plain text.
    Text,
    /// As HTML.
    Html,
}

impl Body {
    /// HTML of our own that shows it and can do nothing; plain text with its line ends.
    pub fn html(&self) -> &str {
        &self.safe
    }
}

/// The texts of a message, and whether some are left out.
pub(super) fn bodies(mail: &Mail) -> (Vec<Body>, bool) {
    let mut bodies = Vec::new();
    let mut room = BYTES;
    let mut cut = false;
    for (part, text) in mail.texts() {
        if bodies.len() >= PARTS || room == 0 {
            cut = true;
            break;
        }
        let (written, safe) = match &part.kind {
            PartKind::Html(html) => (Written::Html, safe_html(html, room)),
            _ => (Written::Text, safe_text(text, room)),
        };
        cut |= safe.cut;
        room = room.saturating_sub(safe.html.len());
        bodies.push(Body {
            written,
            text: text.to_owned(),
            safe: safe.html,
            removed: safe.removed,
        });
    }
    (bodies, cut)
}
