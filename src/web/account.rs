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
use super::accounts::{AccountError, Password, Role, Secret, Token};
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
    /// Whether somebody else vouches for the user, so that he has no password here.
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

async fn password(
    State(console): State<Shared>,
    visitor: Visitor,
    Form(given): Form<Passwords>,
) -> Result<Response, Refusal> {
    let now = std::time::Instant::now();
    // Who has found an open browser must not be able to try passwords faster here.
    let waits = console
        .throttle
        .attempt(Some(&visitor.name), visitor.address, now);
    waits.map_err(Refusal::Wait)?;
    let known = console
        .accounts
        .verify(&visitor.name, &given.current)
        .await?;
    if known.is_none() {
        let why = "the current password is another one".to_owned();
        return wrong(&console, &visitor, AccountError::Password(why)).await;
    }
    console
        .throttle
        .passed(Some(&visitor.name), visitor.address);
    let chosen = Password::chosen_twice(&given.password, &given.again, &visitor.name);
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(error) => return wrong(&console, &visitor, error).await,
    };
    let by = visitor.actor();
    console
        .accounts
        .set_password(&by, visitor.user, &chosen)
        .await?;
    // All his sessions have ended; this browser gets a new one.
    let address = visitor.address.to_string();
    login::begin(&console, visitor.user, &address, "by password", "/account").await
}

#[derive(Deserialize)]
struct NewToken {
    label: String,
    role: String,
    days: u32,
}

async fn add_token(
    State(console): State<Shared>,
    visitor: Visitor,
    Form(given): Form<NewToken>,
) -> Result<Response, Refusal> {
    let role: Role = given.role.parse().map_err(Refusal::Invalid)?;
    if !visitor.may(role) {
        return Err(Refusal::Forbidden("A token may no more than its user."));
    }
    if !(1..=DAYS).contains(&given.days) {
        return Err(Refusal::Invalid(format!("A token lives 1 to {DAYS} days.")));
    }
    let expires = Timestamp::now().as_second() + i64::from(given.days) * 86_400;
    let by = visitor.actor();
    let made = console
        .accounts
        .add_token(&by, visitor.user, &given.label, role, expires)
        .await;
    let secret = match made {
        Ok(secret) => secret,
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
