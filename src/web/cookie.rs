//! Our cookies: kept from scripts and, as far as they can be, from other sites.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};

use super::options::Settings;

/// A cookie of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cookie {
    /// Its name where browsers come by HTTPS; the prefix binds it to this host, this path and HTTPS (RFC 6265bis,
    /// section 4.1.3.2).
    bound: &'static str,
    /// Its name on loopback without TLS, where a browser does not take the other.
    local: &'static str,
    same_site: &'static str,
}

/// The secret of a session; no other site has a browser send it.
pub(super) const SESSION: Cookie = Cookie {
    bound: "__Host-mailweir",
    local: "mailweir",
    same_site: "Strict",
};

/// The secret of a sign-in by the provider, whose site sends the browser back to us: so it comes along when the browser
/// is sent here as a whole, and opens nothing by itself.
pub(super) const JOURNEY: Cookie = Cookie {
    bound: "__Host-mailweir-oidc",
    local: "mailweir-oidc",
    same_site: "Lax",
};

impl Cookie {
    fn name(&self, settings: &Settings) -> &'static str {
        match settings.is_encrypted() {
            true => self.bound,
            false => self.local,
        }
    }

    /// What a request brings along.
    pub(super) fn read<'a>(&self, settings: &Settings, headers: &'a HeaderMap) -> Option<&'a str> {
        let fields = headers.get_all(header::COOKIE).iter();
        let pairs = fields.filter_map(|field| field.to_str().ok());
        let pairs = pairs.flat_map(|field| field.split(';'));
        pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == self.name(settings))
            .map(|(_, value)| value)
    }

    /// The field that hands it out, for so long.
    pub(super) fn set(
        &self,
        settings: &Settings,
        value: &str,
        age: Duration,
    ) -> Option<HeaderValue> {
        let (name, same_site, age) = (self.name(settings), self.same_site, age.as_secs());
        let text = format!(
            "{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite={same_site}; Secure"
        );
        HeaderValue::from_str(&text).ok()
    }

    /// The field that takes it away.
    pub(super) fn unset(&self, settings: &Settings) -> Option<HeaderValue> {
        self.set(settings, "", Duration::ZERO)
    }
}
