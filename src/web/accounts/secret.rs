//! Random secrets that are shown once: session cookies, one-time links, API tokens. Only their digest is kept, so
//! that who reads the file cannot use them. They hold 256 random bits, so a fast digest is enough; passwords, which
//! people choose, have a slow one ([`super::Password`]).

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use super::AccountError;

/// Random bytes of a secret.
const BYTES: usize = 32;
/// Longest text that is looked up.
const LONGEST: usize = 128;

/// A secret in clear text. It is neither logged nor stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A new one, with some letters in front that tell people and scanners what it is.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(in crate::web) fn new(prefix: &str) -> Result<Secret, AccountError> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|_| AccountError::Random)?;
        Ok(Secret(format!(
            "{prefix}{}",
            BASE64URL_NOPAD.encode(&bytes)
        )))
    }

    /// One that somebody has presented.
    pub fn presented(text: &str) -> Option<Secret> {
        let fits =
            (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Secret(text.to_owned()))
    }

    /// The text, to be shown to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub(super) fn digest(&self) -> Vec<u8> {
        blake3::hash(self.0.as_bytes()).as_bytes().to_vec()
    }

    /// The word that forms of this session carry: who knows it has seen a page of the session.
    pub(in crate::web) fn form_token(&self) -> String {
        self.derived("mailweir 2026 console form token")
    }

    /// A word of 64 letters and digits that only who has the secret knows; each purpose has its own.
    pub(in crate::web) fn derived(&self, purpose: &'static str) -> String {
        let key = blake3::derive_key(purpose, self.0.as_bytes());
        // Letters and digits only: the same however a form is encoded.
        HEXLOWER.encode(&key)
    }
}

/// Whether two texts are the same, in a time that tells nothing about them.
pub(in crate::web) fn same(a: &str, b: &str) -> bool {
    // Digests compare in constant time.
    blake3::hash(a.as_bytes()) == blake3::hash(b.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_hide_themselves() {
        let (a, b) = (Secret::new("mw_").unwrap(), Secret::new("mw_").unwrap());
        assert_ne!(a, b);
        assert_eq!(a.reveal().len(), 3 + 43);
        assert!(!format!("{a:?}").contains(a.reveal()));
        assert_ne!(a.form_token(), b.form_token());
        assert_eq!(Secret::presented(a.reveal()), Some(a));
        assert_eq!(Secret::presented(""), None);
        assert_eq!(Secret::presented(&"x".repeat(LONGEST + 1)), None);
        assert_eq!(Secret::presented("a b"), None);
        assert!(same("abc", "abc") && !same("abc", "abd"));
    }
}
