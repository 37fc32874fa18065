//! Who has sent a request without having signed in: all that is known is where they are.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;

use super::console::Shared;
use super::refusal::Refusal;
use super::{access, address};

/// Somebody at the door. What they send to change something has come from a page of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stranger {
    /// Where they are.
    pub(super) address: IpAddr,
}

impl FromRequestParts<Shared> for Stranger {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, console: &Shared) -> Result<Stranger, Refusal> {
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        if !reads && !access::is_own(console, &parts.headers) {
            return Err(Refusal::Forbidden(
                "The request does not come from a page of this console.",
            ));
        }
        let trusted = &console.settings().trusted_proxies;
        let address = address::client(&parts.extensions, &parts.headers, trusted);
        Ok(Stranger { address })
    }
}
