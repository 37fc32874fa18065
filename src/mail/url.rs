//! URLs found in the text and the HTML of a message.

/// One URL as found, with its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// As written (scheme added where the text had none), bounded in length.
    pub text: String,
    /// Host in lower case, without port or user part.
    pub host: String,
    /// The text shown for the link in HTML; `None` when the URL itself stood in the text.
    pub shown: Option<String>,
}
