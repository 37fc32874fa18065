//! Tokens: those of all users, for admins, and one's own.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::Visitor;
use super::super::account::TokenAsked;
use super::super::accounts::{Role, Token};
use super::super::console::{Console, Shared};
use super::super::refusal::Refusal;
use super::answer::{Json, Page, Problem, at, read};
use super::users::number;

/// A token, without its secret.
#[derive(Serialize)]
pub(super) struct TokenKnown {
    id: i64,
    user: String,
    label: String,
    role: &'static str,
    created: Option<String>,
    expires: Option<String>,
    seen: Option<String>,
}

impl From<Token> for TokenKnown {
    fn from(token: Token) -> TokenKnown {
        TokenKnown {
            id: token.id,
            user: token.owner,
            label: token.label,
            role: Role::name(token.role),
            created: at(token.created),
            expires: at(token.expires),
            seen: token.seen.and_then(at),
        }
    }
}

async fn listed(console: &Console, user: Option<i64>) -> Result<Json<Page<TokenKnown>>, Problem> {
    let tokens = console.accounts.tokens(user).await.map_err(Refusal::from)?;
    let items = tokens.into_iter().map(TokenKnown::from).collect();
    Ok(Json(Page { items, next: None }))
}

pub(super) async fn tokens(
    State(console): State<Shared>,
) -> Result<Json<Page<TokenKnown>>, Problem> {
    listed(&console, None).await
}

pub(super) async fn own(
    State(console): State<Shared>,
    visitor: Visitor,
) -> Result<Json<Page<TokenKnown>>, Problem> {
    listed(&console, Some(visitor.user)).await
}

/// A token that is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    label: String,
    role: String,
    days: u32,
}

/// A token that was made.
#[derive(Serialize)]
pub(super) struct Made {
    id: i64,
    /// Told this once.
    secret: String,
    expires: Option<String>,
}

pub(super) async fn make(
    State(console): State<Shared>,
    visitor: Visitor,
    body: Bytes,
) -> Result<Json<Made>, Problem> {
    let Wanted { label, role, days } = read(&body)?;
    let asked = TokenAsked { label, role, days };
    let new = asked.check(&visitor)?;
    let made = console.accounts.add_token(&visitor.actor(), new).await;
    let (id, secret) = made.map_err(Refusal::from)?;
    Ok(Json(Made {
        id,
        secret: secret.reveal().to_owned(),
        expires: at(new.expires),
    }))
}

pub(super) async fn revoke(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    removed(&console, &visitor, &id, None).await
}

pub(super) async fn revoke_own(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    removed(&console, &visitor, &id, Some(visitor.user)).await
}

async fn removed(
    console: &Console,
    visitor: &Visitor,
    id: &str,
    owner: Option<i64>,
) -> Result<StatusCode, Problem> {
    let id = number(id)?;
    let by = visitor.actor();
    let done = console.accounts.remove_token(&by, id, owner).await;
    done.map_err(Refusal::from)?;
    Ok(StatusCode::NO_CONTENT)
}
