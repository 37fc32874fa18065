//! Whether an ID token holds (OpenID Connect Core 1.0, section 3.1.3.7): signed by the provider in one of the ways that
//! we take, issued by it, for us and nobody else, for this sign-in, just now, and not expired.

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::error::OidcError;
use super::keys::Keys;
use super::verifier;
use crate::web::accounts::same;

/// How old a token may be, seconds: it comes with the answer to the code.
const AGE: i64 = 600;
/// Longest name of a user at the provider, bytes (section 2 of the standard).
const SUBJECT: usize = 255;

/// What an ID token says.
pub(super) type Claims = Map<String, Value>;

/// What it must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// How far clocks may be apart.
    pub(super) skew: Duration,
    /// Seconds since 1970.
    pub(super) now: i64,
}

/// What the token says, if it holds.
///
/// # Errors
/// [`OidcError::UnknownKey`] where newer keys may help; [`OidcError::Token`] with what is wrong.
pub(super) fn check(
    token: &str,
    keys: &Keys,
    expected: &Expected<'_>,
) -> Result<Claims, OidcError> {
    verifier::install();
    let wrong = |why: &str| OidcError::Token(why.to_owned());
    let header = decode_header(token).map_err(|error| {
        let why = format!(
            "its head cannot be read: {}",
            error.to_string().escape_debug()
        );
        OidcError::Token(why)
    })?;
    if !verifier::takes(header.alg) {
        return Err(wrong("it is signed in a way that is not taken"));
    }
    if header.crit.is_some() {
        return Err(wrong("it asks for an extension that is not known"));
    }
    let mut rules = Validation::new(header.alg);
    rules.leeway = expected.skew.as_secs();
    rules.validate_nbf = true;
    rules.set_audience(&[expected.client_id]);
    rules.set_issuer(&[expected.issuer]);
    rules.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    let mut signed = None;
    let mut known = false;
    for key in keys.fitting(&header) {
        known = true;
        match decode::<Claims>(token, key, &rules) {
            Ok(decoded) => signed = Some(decoded.claims),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => continue,
            Err(error) => {
                return Err(OidcError::Token(
                    error.to_string().escape_debug().to_string(),
                ));
            }
        }
        break;
    }
    let claims = match signed {
        Some(claims) => claims,
        None if known => return Err(wrong("InvalidSignature")),
        None => return Err(OidcError::UnknownKey),
    };
    further(&claims, expected)?;
    Ok(claims)
}

/// What the standard asks for beyond signature, issuer, audience and end.
fn further(claims: &Claims, expected: &Expected<'_>) -> Result<(), OidcError> {
    let wrong = |why: &str| Err(OidcError::Token(why.to_owned()));
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return wrong("its issuer is another");
    }
    let others = match claims.get("aud") {
        Some(Value::String(_)) => false,
        Some(Value::Array(all)) => all
            .iter()
            .any(|one| one.as_str() != Some(expected.client_id)),
        _ => return wrong("its audience is no text"),
    };
    match claims.get("azp") {
        None if others => return wrong("it is for others too, and does not say who sent for it"),
        Some(by) if by.as_str() != Some(expected.client_id) => {
            return wrong("somebody else has sent for it");
        }
        _ => {}
    }
    if !text("nonce").is_some_and(|nonce| same(nonce, expected.nonce)) {
        return wrong("it belongs to another sign-in");
    }
    let skew = i64::try_from(expected.skew.as_secs()).unwrap_or(AGE);
    let issued = claims.get("iat").and_then(Value::as_f64).unwrap_or(0.0) as i64;
    if issued > expected.now.saturating_add(skew) {
        return wrong("it was issued in the future: are the clocks right?");
    }
    if issued < expected.now.saturating_sub(AGE.saturating_add(skew)) {
        return wrong("it was issued too long ago: are the clocks right?");
    }
    match text("sub") {
        Some(subject) if (1..=SUBJECT).contains(&subject.len()) => Ok(()),
        _ => wrong("it names nobody"),
    }
}
