//! One's own account: password and API tokens.

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;

use super::access::Access;
use super::accounts::{AccountError, NewToken, Password, Role, Secret, Token};
use super::console::Shared;
use super::layout::{self, Done, Page};
use super::refusal::{Refusal, sentence};
use super::{Visitor, filters, login};

/// Longest life of a token, days.
const DAYS: u32 = 3650;

pub(super) fn routes(access: &Access) -> Router<Shared> {
    let routes = Router::new()
        .route("/account", get(show))
        .route("/account/password", post(password))
        .route("/account/tokens", post(add_token))
        .route("/account/tokens/remove", post(remove_token));
    access.allow(Role::Viewer, routes)
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    page: Page,
    roles: Vec<Role>,
    tokens: Vec<Token>,
    /// A new token, shown this once.
    secret: Option<Secret>,
    now: i64,
    /// Whether somebody else vouches for the user, who then has no password here.
    is_vouched: bool,
}

async fn page(
    console: &Shared,
    visitor: &Visitor,
    page: Page,
    secret: Option<Secret>,
) -> Result<Html<String>, Refusal> {
    let roles = Role::ALL.into_iter().filter(|role| visitor.may(*role));
    layout::render(&AccountPage {
        page,
        roles: roles.collect(),
        tokens: console.accounts.tokens(Some(visitor.user)).await?,
        secret,
        now: Timestamp::now().as_second(),
        is_vouched: visitor.is_vouched,
    })
}

fn frame(visitor: &Visitor) -> Page {
    Page::new("Your account", "/account", visitor)
}

async fn show(
    State(console): State<Shared>,
    visitor: Visitor,
    Query(done): Query<Done>,
) -> Result<Html<String>, Refusal> {
    let note = match done.done.as_str() {
        "token" => Some("The token is removed; programs that have it are refused from now on."),
        _ => None,
    };
    page(&console, &visitor, frame(&visitor).with_note(note), None).await
}

/// What was wrong with a form, above the page.
async fn wrong(
    console: &Shared,
    visitor: &Visitor,
    error: AccountError,
) -> Result<Response, Refusal> {
    if !error.is_of_form() && !matches!(error, AccountError::TooMany { .. }) {
        return Err(error.into());
    }
    let frame = frame(visitor).with_problem(sentence(&error));
    let page = page(console, visitor, frame, None).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

#[derive(Deserialize)]
struct Passwords {
    current: String,
    password: String,
    again: String,
}

/// Gives the visitor another password, which ends all their sessions.
///
/// # Errors
/// [`Refusal::Wait`] after wrong ones: who has found an open browser or a token must not be able to try passwords faster
/// here. Inside, what another word in the form would mend.
pub(super) async fn change_password(
    console: &Shared,
    visitor: &Visitor,
    current: &str,
    chosen: Result<Password, AccountError>,
) -> Result<Result<(), AccountError>, Refusal> {
    let now = std::time::Instant::now();
    let waits = console
        .throttle
        .attempt(Some(&visitor.name), visitor.address, now);
    waits.map_err(Refusal::Wait)?;
    let known = console.accounts.verify(&visitor.name, current).await?;
    if known.is_none() {
        let why = "the current password is another one".to_owned();
        return Ok(Err(AccountError::Password(why)));
    }
    console
        .throttle
        .passed(Some(&visitor.name), visitor.address);
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(error) => return Ok(Err(error)),
    };
    let by = visitor.actor();
    let set = console.accounts.set_password(&by, visitor.user, &chosen);
    Ok(Ok(set.await?))
}

async fn password(
    State(console): State<Shared>,
    visitor: Visitor,
    Form(given): Form<Passwords>,
) -> Result<Response, Refusal> {
    let chosen = Password::chosen_twice(&given.password, &given.again, &visitor.name);
    let changed = change_password(&console, &visitor, &given.current, chosen).await?;
    if let Err(error) = changed {
        return wrong(&console, &visitor, error).await;
    }
    // All sessions of the user have ended; this browser gets a new one.
    let address = visitor.address.to_string();
    login::begin(&console, visitor.user, &address, "by password", "/account").await
}

/// A token that the visitor asks for.
#[derive(Debug, Deserialize)]
pub(super) struct TokenAsked {
    pub(super) label: String,
    pub(super) role: String,
    pub(super) days: u32,
}

impl TokenAsked {
    /// What is made of it: a token of the visitor. One that is made with a token may no more than that and ends no later,
    /// so that a stolen one gives nobody more than it gives already.
    pub(super) fn check(&self, visitor: &Visitor) -> Result<NewToken<'_>, Refusal> {
        let role: Role = self.role.parse().map_err(Refusal::Invalid)?;
        if !visitor.may(role) {
            return Err(Refusal::Forbidden("A token may no more than its user."));
        }
        if !(1..=DAYS).contains(&self.days) {
            return Err(Refusal::Invalid(format!("A token lives 1 to {DAYS} days.")));
        }
        let expires = Timestamp::now().as_second() + i64::from(self.days) * 86_400;
        let with = visitor.token.as_ref();
        Ok(NewToken {
            user: visitor.user,
            label: &self.label,
            role,
            expires: with.map_or(expires, |token| expires.min(token.expires)),
            maker: with.map(|token| token.id),
        })
    }
}

async fn add_token(
    State(console): State<Shared>,
    visitor: Visitor,
    Form(asked): Form<TokenAsked>,
) -> Result<Response, Refusal> {
    let new = asked.check(&visitor)?;
    let secret = match console.accounts.add_token(&visitor.actor(), new).await {
        Ok((_, secret)) => secret,
        Err(error) => return wrong(&console, &visitor, error).await,
    };
    let page = page(&console, &visitor, frame(&visitor), Some(secret)).await?;
    Ok(page.into_response())
}

#[derive(Deserialize)]
struct Numbered {
    id: i64,
}

async fn remove_token(
    State(console): State<Shared>,
    visitor: Visitor,
    Form(given): Form<Numbered>,
) -> Result<Redirect, Refusal> {
    let by = visitor.actor();
    let own = Some(visitor.user);
    console.accounts.remove_token(&by, given.id, own).await?;
    Ok(Redirect::to("/account?done=token"))
}
