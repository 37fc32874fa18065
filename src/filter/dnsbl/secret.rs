//! A query key: asked with, never shown.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Longest key, bytes: it is one label of a name.
const KEY_BYTES: usize = 63;

/// The query key of a list.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a key; white space around it does not belong to it.
    pub(super) fn new(text: &str) -> Secret {
        Secret(text.trim().to_owned())
    }

    /// The key itself.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it can stand in a name as a label.
    pub(super) fn is_label(&self) -> bool {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=KEY_BYTES).contains(&self.0.len()) && self.0.bytes().all(allowed)
    }

    /// `text` without the key.
    pub(super) fn hide(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let (lower, key) = (text.to_ascii_lowercase(), self.0.to_ascii_lowercase());
        let mut from = 0;
        for (at, found) in lower.match_indices(&key) {
            out.push_str(text.get(from..at).unwrap_or_default());
            out.push_str("***");
            from = at + found.len();
        }
        out.push_str(text.get(from..).unwrap_or_default());
        out
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;
        impl Visitor<'_> for Key {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a query key")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::new(text))
            }
        }
        deserializer.deserialize_str(Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let key = Secret::new(" s3cret\n");
        assert_eq!(key.reveal(), "s3cret");
        assert!(key.is_label() && !Secret::new("a.b").is_label());
        assert!(!Secret::new("").is_label());
        assert_eq!(format!("{key:?}"), "Secret(***)");
        assert_eq!(
            key.hide("see https://s3cret.example/?S3CRET now"),
            "see https://***.example/?*** now"
        );
        assert_eq!(key.hide("nothing"), "nothing");
    }
}
