//! Who has sent a request: put there by the gate, taken by pages.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::accounts::{Actor, Bearer, Role, Session};
use super::refusal::Refusal;

/// A user who has passed the gate.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// Number of the user.
    pub(super) user: i64,
    /// Their name.
    pub(super) name: String,
    /// What they may do.
    pub(super) role: Role,
    /// The word that their forms carry; empty for a program with a token, which has none.
    pub(super) form_token: String,
    /// Where they are.
    pub(super) address: IpAddr,
    /// The token that they came with; `None` for a session.
    pub(super) token: Option<Bearer>,
    /// Whether they belong to a provider, and have no password here.
    pub(super) is_vouched: bool,
}

impl Visitor {
    pub(super) fn new(
        session: Session,
        form_token: String,
        token: Option<Bearer>,
        address: IpAddr,
    ) -> Visitor {
        Visitor {
            user: session.user,
            name: session.name,
            role: session.role,
            form_token,
            address,
            token,
            is_vouched: session.is_vouched,
        }
    }

    /// Whether they may do what `role` may.
    pub(super) fn may(&self, role: Role) -> bool {
        self.role >= role
    }

    /// How they stand in the audit log.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            name: match &self.token {
                Some(token) => format!("{} (token {})", self.name, token.label),
                None => self.name.clone(),
            },
            address: self.address.to_string(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Visitor, Refusal> {
        // A path that was left out of the gate would be a defect, and is closed to everybody.
        let visitor = parts.extensions.get::<Visitor>().cloned();
        visitor.ok_or(Refusal::SignIn)
    }
}
