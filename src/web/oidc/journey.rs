//! One sign-in of one browser, from the button to the way back. All that must fit together at its end comes of one
//! random secret, which the browser keeps in a cookie: the state that the provider hands back, the nonce that it signs,
//! the PKCE verifier (RFC 7636) that shows who has sent for the code. Who cannot read the cookie knows none of them.
//!
//! The cookie is `SameSite=Lax`, because the way back begins at another site; it is good for nothing but to end the
//! sign-in that it belongs to.

use data_encoding::BASE64URL_NOPAD;
use ring::digest;

use crate::web::accounts::{AccountError, Secret, same};
use crate::web::login;

/// A sign-in that is under way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Journey {
    secret: Secret,
    /// The path to go to afterwards.
    next: String,
}

impl Journey {
    /// A new one, which is to end at `next`, a path of ours.
    pub(super) fn new(next: Option<&str>) -> Result<Journey, AccountError> {
        Ok(Journey {
            secret: Secret::new("")?,
            next: login::inside(next).to_owned(),
        })
    }

    /// The one that a browser has kept.
    pub(super) fn read(cookie: &str) -> Option<Journey> {
        let (secret, next) = cookie.split_once('.')?;
        let next = BASE64URL_NOPAD.decode(next.as_bytes()).ok()?;
        let next = String::from_utf8(next).ok()?;
        Some(Journey {
            secret: Secret::presented(secret)?,
            next: login::inside(Some(&next)).to_owned(),
        })
    }

    /// What the browser keeps.
    pub(super) fn cookie(&self) -> String {
        let next = BASE64URL_NOPAD.encode(self.next.as_bytes());
        format!("{}.{next}", self.secret.reveal())
    }

    pub(super) fn next(&self) -> &str {
        &self.next
    }

    /// Whether `state` is the one that was sent along.
    pub(super) fn is_of(&self, state: &Option<String>) -> bool {
        state.as_ref().is_some_and(|s| same(s, &self.state()))
    }

    pub(super) fn state(&self) -> String {
        self.secret.derived("mailweir 2026 console oidc state")
    }

    pub(super) fn nonce(&self) -> String {
        self.secret.derived("mailweir 2026 console oidc nonce")
    }

    pub(super) fn verifier(&self) -> String {
        self.secret.derived("mailweir 2026 console oidc verifier")
    }

    /// What the provider is told of the verifier beforehand, method S256.
    pub(super) fn challenge(&self) -> String {
        let digest = digest::digest(&digest::SHA256, self.verifier().as_bytes());
        BASE64URL_NOPAD.encode(digest.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_brings_back_what_it_was_given_and_nothing_leads_elsewhere() {
        let journey = Journey::new(Some("/rules?q=a&b")).unwrap();
        let back = Journey::read(&journey.cookie()).unwrap();
        assert_eq!(back, journey);
        assert_eq!(back.next(), "/rules?q=a&b");
        assert_eq!(Journey::new(Some("//evil.example")).unwrap().next(), "/");
        let secret = journey.secret.reveal();
        let evil = BASE64URL_NOPAD.encode(b"https://evil.example/");
        assert_eq!(
            Journey::read(&format!("{secret}.{evil}")).unwrap().next(),
            "/"
        );
        for bad in [
            "",
            ".",
            secret,
            "a b.Lw",
            &format!("{secret}.!"),
            &format!("{secret}._w"),
        ] {
            assert_eq!(Journey::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn none_of_its_words_tells_another() {
        let (a, b) = (Journey::new(None).unwrap(), Journey::new(None).unwrap());
        let words = [&a, &b].map(|j| [j.state(), j.nonce(), j.verifier(), j.challenge()]);
        let mut all: Vec<&String> = words.iter().flatten().collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 8);
        // RFC 7636, section 4.1: 43 to 128 unreserved characters.
        assert!((43..=128).contains(&a.verifier().len()));
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let digest = digest::digest(
            &digest::SHA256,
            b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        );
        let challenge = BASE64URL_NOPAD.encode(digest.as_ref());
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
