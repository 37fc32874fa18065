//! Who has sent a request: put there by the gate, taken by pages.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::accounts::{Actor, Role, Session};
use super::refusal::Refusal;

/// A user who has passed the gate.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// Number of the user.
    pub(super) user: i64,
    /// His name.
    pub(super) name: String,
    /// What he may do.
    pub(super) role: Role,
    /// The word that his forms carry; empty for a program with a token, which has none.
    pub(super) form_token: String,
    /// Where he is.
    pub(super) address: IpAddr,
    /// The label of the token that he came with; `None` for a session.
    pub(super) token: Option<String>,
    /// Whether he belongs to a provider, and has no password here.
    pub(super) is_vouched: bool,
}

impl Visitor {
    pub(super) fn new(
        session: Session,
        form_token: String,
        token: Option<String>,
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

    /// Whether he may do what `role` may.
    pub(super) fn may(&self, role: Role) -> bool {
        self.role >= role
    }

    /// How he stands in the audit log.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            name: match &self.token {
                Some(label) => format!("{} (token {label})", self.name),
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
