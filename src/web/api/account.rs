//! One's own account: who one is, and another password.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::Visitor;
use super::super::account::change_password;
use super::super::accounts::{Password, Role};
use super::super::console::Shared;
use super::super::refusal::Refusal;
use super::answer::{Json, Problem, at, read};

/// Who asks.
#[derive(Serialize)]
pub(super) struct Account {
    id: i64,
    name: String,
    /// What they may do, with the token that they have come with.
    role: &'static str,
    /// Whether a provider of sign-ins vouches for them.
    provider: bool,
    token: Option<TokenUsed>,
}

/// The token that somebody has come with.
#[derive(Serialize)]
struct TokenUsed {
    id: i64,
    label: String,
    expires: Option<String>,
}

pub(super) async fn account(visitor: Visitor) -> Json<Account> {
    Json(Account {
        id: visitor.user,
        name: visitor.name,
        role: Role::name(visitor.role),
        provider: visitor.is_vouched,
        token: visitor.token.map(|token| TokenUsed {
            id: token.id,
            label: token.label,
            expires: at(token.expires),
        }),
    })
}

/// A new password in place of the one that holds.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Change {
    current: String,
    password: String,
}

pub(super) async fn password(
    State(console): State<Shared>,
    visitor: Visitor,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Change { current, password } = read(&body)?;
    let chosen = Password::chosen(&password, &visitor.name);
    let changed = change_password(&console, &visitor, &current, chosen).await?;
    changed.map_err(Refusal::from)?;
    Ok(StatusCode::NO_CONTENT)
}
