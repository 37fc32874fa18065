//! One-time links: the first admin chooses a name and a password, other users a password.

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::accounts::{AccountError, Invitation, Password, Secret};
use super::console::Shared;
use super::refusal::{Refusal, sentence};
use super::stranger::Stranger;
use super::{layout, login};

const PATH: &str = "/welcome";

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route(PATH, get(form).post(accept))
        .layer(DefaultBodyLimit::max(login::STRANGERS_FORM))
}

/// The link of a secret below the address of a console.
pub fn link(site: &str, secret: &Secret) -> String {
    format!("{site}{PATH}?link={}", secret.reveal())
}

#[derive(Deserialize)]
struct Link {
    link: String,
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage<'a> {
    link: &'a str,
    /// Fixed for a user who is there already.
    known: Option<String>,
    chosen: &'a str,
    problem: Option<String>,
}

fn page(
    secret: &Secret,
    invitation: Invitation,
    chosen: &str,
    problem: Option<String>,
) -> Result<Response, Refusal> {
    let status = match problem {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    let page = layout::render(&WelcomePage {
        link: secret.reveal(),
        known: match invitation {
            Invitation::First => None,
            Invitation::User(_, name) => Some(name),
        },
        chosen,
        problem,
    })?;
    Ok((status, page).into_response())
}

async fn form(
    State(console): State<Shared>,
    Query(query): Query<Link>,
) -> Result<Response, Refusal> {
    let secret = Secret::presented(&query.link).ok_or(AccountError::Spent)?;
    let invitation = console.accounts.invitation(&secret).await?;
    page(&secret, invitation, "", None)
}

#[derive(Deserialize)]
struct Chosen {
    link: String,
    name: Option<String>,
    password: String,
    again: String,
}

async fn accept(
    State(console): State<Shared>,
    Stranger { address }: Stranger,
    Form(given): Form<Chosen>,
) -> Result<Response, Refusal> {
    let secret = Secret::presented(&given.link).ok_or(AccountError::Spent)?;
    let invitation = console.accounts.invitation(&secret).await?;
    let chosen = given.name.as_deref().unwrap_or_default().trim();
    let name = match &invitation {
        Invitation::First => chosen,
        Invitation::User(_, name) => name,
    };
    let password = Password::chosen_twice(&given.password, &given.again, name);
    let address = address.to_string();
    let accepted = match password {
        Ok(password) => {
            console
                .accounts
                .accept(&secret, chosen, &password, &address)
                .await
        }
        Err(wrong) => Err(wrong),
    };
    match accepted {
        Ok(user) => {
            tracing::info!(user, %address, "console: a one-time link was used");
            login::begin(&console, user, &address, "by a link", "/").await
        }
        Err(wrong) if wrong.is_of_form() => {
            page(&secret, invitation, chosen, Some(sentence(&wrong)))
        }
        Err(other) => Err(other.into()),
    }
}
