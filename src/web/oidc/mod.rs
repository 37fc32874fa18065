//! Sign-in by a provider of OpenID Connect (Core 1.0, authorization code flow with PKCE), beside passwords.
//!
//! In: a browser that wants to come in, and what the provider says of its user. Out: a session like any other, or a
//! sentence on the sign-in page. The parts, in the order of a sign-in:
//!
//! - [`journey`]: what ties a browser to the sign-in that it began: state, nonce and PKCE come of one secret in its
//!   cookie, so nothing is kept here that strangers could fill.
//! - [`metadata`]: what the provider says of itself (Discovery 1.0); [`keys`]: what it signs with (RFC 7517).
//! - [`provider`]: asks for both and keeps them, and redeems the code. Size, time, age and number are bounded.
//! - [`token`]: whether an ID token is one of this provider, for us, for this sign-in, now; signatures by [`verifier`].
//! - [`ended`]: no sign-in ends twice.
//! - [`identity`]: who that is here, and with which role, or why they do not come in.
//! - [`pages`]: the way there and back.
//!
//! Promises: users with a password come in whatever the provider does; nobody takes over a user with a password by
//! bearing their name; who was kept out stays out; a role holds until the next sign-in only; the client secret, codes and
//! tokens stand in no log and no file.

mod ended;
mod error;
mod identity;
mod journey;
mod keys;
mod metadata;
mod options;
mod pages;
mod probe;
mod provider;
mod token;
mod userinfo;
mod verifier;

pub(in crate::web) use ended::Ended;
pub(in crate::web) use options::Settings;
pub use options::{Options, RoleNames};
pub(in crate::web) use pages::routes;
pub use probe::probe;
pub(in crate::web) use provider::Provider;

#[cfg(test)]
mod tests;
