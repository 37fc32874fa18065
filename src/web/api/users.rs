//! Users: who there is, who is added, what they may do, and how they are kept out.
//!
//! A token of an admin may do what the admin may, but for one thing: it makes no link for somebody who has come in before.
//! Such a link sets another password, and who has stolen the token would come in as that user.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::Visitor;
use super::super::accounts::{Role, User};
use super::super::console::Shared;
use super::super::refusal::Refusal;
use super::super::users::{find, invite};
use super::answer::{Json, Page, Problem, at, read};

/// A user.
#[derive(Serialize)]
pub(super) struct UserKnown {
    id: i64,
    name: String,
    role: &'static str,
    /// Whether a password was chosen.
    password: bool,
    /// Whether a provider of sign-ins vouches for the user.
    provider: bool,
    disabled: bool,
    created: Option<String>,
    seen: Option<String>,
}

impl From<User> for UserKnown {
    fn from(user: User) -> UserKnown {
        UserKnown {
            id: user.id,
            name: user.name,
            role: Role::name(user.role),
            password: user.has_password,
            provider: user.is_vouched,
            disabled: user.disabled,
            created: at(user.created),
            seen: user.seen.and_then(at),
        }
    }
}

pub(super) async fn users(State(console): State<Shared>) -> Result<Json<Page<UserKnown>>, Problem> {
    let users = console.accounts.users().await.map_err(Refusal::from)?;
    let items = users.into_iter().map(UserKnown::from).collect();
    Ok(Json(Page { items, next: None }))
}

/// A one-time link, told this once.
#[derive(Serialize)]
pub(super) struct Link {
    user: i64,
    link: String,
}

/// Who is to be added.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NewUser {
    name: String,
    role: String,
}

pub(super) async fn add(
    State(console): State<Shared>,
    visitor: Visitor,
    body: Bytes,
) -> Result<Json<Link>, Problem> {
    let new: NewUser = read(&body)?;
    let role = role(&new.role)?;
    let by = visitor.actor();
    let added = console.accounts.add_user(&by, new.name.trim(), role, None);
    let user = added.await.map_err(Refusal::from)?;
    let link = invite(&console, &visitor, user).await?;
    Ok(Json(Link { user, link }))
}

pub(super) async fn link(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Json<Link>, Problem> {
    let user = find(&console, number(&id)?).await?;
    if visitor.token.is_some() && (user.has_password || user.is_vouched) {
        let why = "A token makes links for those only who have not come in yet: make this one at the console, or with `mailweir user password`.";
        return Err(Problem(Refusal::Conflict(why.to_owned())));
    }
    let link = invite(&console, &visitor, user.id).await?;
    Ok(Json(Link {
        user: user.id,
        link,
    }))
}

/// What a user may do from now on.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NewRole {
    role: String,
}

pub(super) async fn set_role(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let id = number(&id)?;
    let new: NewRole = read(&body)?;
    let role = role(&new.role)?;
    let done = console.accounts.set_role(&visitor.actor(), id, role).await;
    done.map_err(Refusal::from)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = number(&id)?;
    let done = console.accounts.remove_user(&visitor.actor(), id).await;
    done.map_err(Refusal::from)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn disable(
    state: State<Shared>,
    visitor: Visitor,
    id: Path<String>,
) -> Result<StatusCode, Problem> {
    set_disabled(state, visitor, id, true).await
}

pub(super) async fn enable(
    state: State<Shared>,
    visitor: Visitor,
    id: Path<String>,
) -> Result<StatusCode, Problem> {
    set_disabled(state, visitor, id, false).await
}

async fn set_disabled(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    disabled: bool,
) -> Result<StatusCode, Problem> {
    let (id, by) = (number(&id)?, visitor.actor());
    let done = console.accounts.set_disabled(&by, id, disabled).await;
    done.map_err(Refusal::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A role by its name.
fn role(name: &str) -> Result<Role, Problem> {
    name.parse().map_err(|why: String| Problem::invalid(&why))
}

/// The number in a path. What is none belongs to nobody.
pub(super) fn number(id: &str) -> Result<i64, Refusal> {
    id.parse().map_err(|_| Refusal::NotFound)
}
