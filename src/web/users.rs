//! The users, for admins: who there is, what they may do, one-time links.

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::access::Access;
use super::accounts::{AccountError, Role, User};
use super::console::{Console, Shared};
use super::layout::{self, Done, Page};
use super::refusal::{Refusal, sentence};
use super::{Visitor, filters, welcome};

pub(super) fn routes(access: &Access) -> Router<Shared> {
    let routes = Router::new()
        .route("/users", get(show).post(add))
        .route("/users/role", post(set_role))
        .route("/users/link", post(link))
        .route("/users/{act}", post(act));
    access.allow(Role::Admin, routes)
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage<'a> {
    page: Page,
    users: Vec<User>,
    roles: [Role; 3],
    own: i64,
    /// A one-time link and whom it is for, shown this once.
    link: Option<(String, String)>,
    /// What the provider of sign-ins is called.
    provider: &'a str,
    signs_in_by_provider: bool,
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    page: Page,
    link: Option<(String, String)>,
) -> Result<Html<String>, Refusal> {
    let provider = console.provider();
    layout::render(&UsersPage {
        page,
        provider: provider
            .as_ref()
            .map_or("a provider that is no longer asked", |p| {
                p.plan.label.as_str()
            }),
        signs_in_by_provider: provider.is_some(),
        users: console.accounts.users().await?,
        roles: Role::ALL,
        own: visitor.user,
        link,
    })
}

fn frame(visitor: &Visitor) -> Page {
    Page::new("Users", "/users", visitor)
}

async fn show(
    State(console): State<Shared>,
    visitor: Visitor,
    Query(done): Query<Done>,
) -> Result<Html<String>, Refusal> {
    let note = match done.done.as_str() {
        "role" => Some("The role is changed."),
        "disable" => Some("The user is kept out; sessions and tokens no longer work."),
        "enable" => Some("The user may sign in again."),
        "remove" => Some("The user is removed."),
        _ => None,
    };
    page(&console, &visitor, frame(&visitor).with_note(note), None).await
}

#[derive(Deserialize)]
struct NewUser {
    name: String,
    role: String,
}

async fn add(
    State(console): State<Shared>,
    visitor: Visitor,
    Form(given): Form<NewUser>,
) -> Result<Response, Refusal> {
    let role: Role = given.role.parse().map_err(Refusal::Invalid)?;
    let by = visitor.actor();
    let name = given.name.trim();
    match console.accounts.add_user(&by, name, role, None).await {
        Ok(id) => invited(&console, &visitor, id, name).await,
        Err(error) if error.is_of_form() => {
            let frame = frame(&visitor).with_problem(sentence(&error));
            let page = page(&console, &visitor, frame, None).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes a one-time link.
pub(super) async fn invite(
    console: &Console,
    visitor: &Visitor,
    id: i64,
) -> Result<String, Refusal> {
    let secret = console.accounts.invite(&visitor.actor(), id).await?;
    Ok(welcome::link(&console.site(), &secret))
}

/// A user by number.
pub(super) async fn find(console: &Console, id: i64) -> Result<User, Refusal> {
    let users = console.accounts.users().await?;
    let user = users.into_iter().find(|user| user.id == id);
    Ok(user.ok_or(AccountError::Absent("user"))?)
}

/// Makes a link and shows it.
async fn invited(
    console: &Console,
    visitor: &Visitor,
    id: i64,
    name: &str,
) -> Result<Response, Refusal> {
    let link = Some((name.to_owned(), invite(console, visitor, id).await?));
    let page = page(console, visitor, frame(visitor), link).await?;
    Ok(page.into_response())
}

#[derive(Deserialize)]
struct Chosen {
    id: i64,
}

async fn link(
    State(console): State<Shared>,
    visitor: Visitor,
    Form(chosen): Form<Chosen>,
) -> Result<Response, Refusal> {
    let user = find(&console, chosen.id).await?;
    invited(&console, &visitor, user.id, &user.name).await
}

#[derive(Deserialize)]
struct NewRole {
    id: i64,
    role: String,
}

async fn set_role(
    State(console): State<Shared>,
    visitor: Visitor,
    Form(given): Form<NewRole>,
) -> Result<Redirect, Refusal> {
    let role: Role = given.role.parse().map_err(Refusal::Invalid)?;
    console
        .accounts
        .set_role(&visitor.actor(), given.id, role)
        .await?;
    Ok(Redirect::to("/users?done=role"))
}

/// What a button does to a user who is there.
async fn act(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(act): Path<String>,
    Form(chosen): Form<Chosen>,
) -> Result<Redirect, Refusal> {
    let (accounts, by, id) = (&console.accounts, visitor.actor(), chosen.id);
    match act.as_str() {
        "disable" => accounts.set_disabled(&by, id, true).await?,
        "enable" => accounts.set_disabled(&by, id, false).await?,
        "remove" => accounts.remove_user(&by, id).await?,
        _ => return Err(Refusal::NotFound),
    }
    Ok(Redirect::to(&format!("/users?done={act}")))
}
