//! The session cookie: kept from scripts and from other sites, gone with the browser's session.

use axum::http::{HeaderMap, HeaderValue, header};

use super::accounts::Secret;
use super::options::Settings;

/// Its name where browsers come by HTTPS; the prefix binds it to this host, this path and HTTPS (RFC 6265bis,
/// section 4.1.3.2).
const BOUND: &str = "__Host-mailweir";
/// Its name on loopback without TLS, where a browser does not take the other.
const LOCAL: &str = "mailweir";

fn name(settings: &Settings) -> &'static str {
    if settings.is_encrypted() {
        BOUND
    } else {
        LOCAL
    }
}

/// The secret that a request brings along.
pub(super) fn read(settings: &Settings, headers: &HeaderMap) -> Option<Secret> {
    let fields = headers.get_all(header::COOKIE).iter();
    let pairs = fields.filter_map(|field| field.to_str().ok());
    let pairs = pairs.flat_map(|field| field.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name(settings))
        .and_then(|(_, value)| Secret::presented(value))
}

/// The field that hands it out, for as long as a session can last.
pub(super) fn set(settings: &Settings, secret: &Secret) -> Option<HeaderValue> {
    let age = settings.longest().as_secs();
    field(settings, secret.reveal(), age)
}

/// The field that takes it away.
pub(super) fn unset(settings: &Settings) -> Option<HeaderValue> {
    field(settings, "", 0)
}

fn field(settings: &Settings, value: &str, age: u64) -> Option<HeaderValue> {
    let name = name(settings);
    let text = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict; Secure");
    HeaderValue::from_str(&text).ok()
}
