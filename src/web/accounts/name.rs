//! Names of users and labels of tokens.

use super::AccountError;

/// Longest name, characters.
const NAME: usize = 64;
/// Longest label, characters.
const LABEL: usize = 80;

/// A name of a user: letters and digits of any script and `. _ - @ +`, one to 64 characters.
pub(super) fn user(text: &str) -> Result<&str, AccountError> {
    let fits = |c: char| c.is_alphanumeric() || "._-@+".contains(c);
    match text.chars().count() {
        1..=NAME if text.chars().all(fits) => Ok(text),
        _ => Err(AccountError::Name(format!(
            "a name is one to {NAME} letters, digits and . _ - @ +"
        ))),
    }
}

/// What a token is for: one line.
pub(super) fn label(text: &str) -> Result<&str, AccountError> {
    let text = text.trim();
    match text.chars().count() {
        1..=LABEL if !text.chars().any(crate::printable::deceives) => Ok(text),
        _ => Err(AccountError::Name(format!(
            "say in one to {LABEL} characters what the token is for"
        ))),
    }
}
