//! The way to the provider and back.
//!
//! The button is a link, and not a form: browsers hold the policy that forms are sent to ourselves only against the
//! provider's redirects too. The answer to who comes back is a page that loads the next one by itself, and no redirect:
//! a browser that was sent here by another site takes our `SameSite=Strict` cookie, and keeps it back until a page of
//! ours asks for something.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::Value;

use super::error::OidcError;
use super::identity::identity;
use super::journey::Journey;
use super::provider::Provider;
use crate::web::accounts::Actor;
use crate::web::console::{Console, Shared};
use crate::web::cookie::JOURNEY;
use crate::web::login;
use crate::web::refusal::Refusal;
use crate::web::stranger::Stranger;

/// Where the provider sends people back to; it is registered there.
const BACK: &str = "/login/oidc/callback";
/// How long somebody may take to sign in there.
pub(super) const TIME: Duration = Duration::from_secs(900);
/// Longest code, bytes.
const CODE: usize = 4 << 10;

pub(in crate::web) fn routes() -> Router<Shared> {
    Router::new()
        .route("/login/oidc", get(leave))
        .route(BACK, get(come_back))
}

#[derive(Deserialize)]
struct Next {
    next: Option<String>,
}

/// Sends the browser to the provider.
async fn leave(
    State(console): State<Shared>,
    Stranger { address }: Stranger,
    Query(query): Query<Next>,
) -> Result<Response, Refusal> {
    let provider = console.provider().ok_or(Refusal::NotFound)?;
    let journey = Journey::new(query.next.as_deref())?;
    let metadata = match provider.metadata().await {
        Ok(metadata) => metadata,
        Err(error) => return failed(&console, &provider, &error, journey.next(), address),
    };
    let place = metadata.authorization(&provider.plan, &back(&console), &journey);
    let mut response = Redirect::to(&place).into_response();
    let kept = JOURNEY.set(&console.settings(), &journey.cookie(), TIME);
    let kept = kept.ok_or(Refusal::Internal)?;
    response.headers_mut().append(header::SET_COOKIE, kept);
    Ok(response)
}

/// What the provider has a browser bring back (RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207).
#[derive(Deserialize)]
struct Brought {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Takes in who comes back.
async fn come_back(
    State(console): State<Shared>,
    Stranger { address }: Stranger,
    headers: HeaderMap,
    Query(brought): Query<Brought>,
) -> Result<Response, Refusal> {
    let provider = console.provider().ok_or(Refusal::NotFound)?;
    let settings = console.settings();
    let journey = JOURNEY.read(&settings, &headers);
    let journey = journey.and_then(Journey::read);
    let next = journey.as_ref().map_or("/", Journey::next);
    // Any site can have a browser come here. Were that an attempt, whoever shares its address would have to wait.
    let Some(journey) = journey.as_ref().filter(|j| j.is_of(&brought.state)) else {
        return failed(&console, &provider, &OidcError::Journey, next, address);
    };
    if let Err(wait) = console.throttle.attempt(None, address, Instant::now()) {
        login::count(&console, "throttled");
        return Err(Refusal::Wait(wait));
    }
    let signed_in = sign_in(&console, &provider, journey, &brought, address).await;
    let (user, name) = match signed_in {
        Ok(user) => user,
        Err(error) => return failed(&console, &provider, &error, next, address),
    };
    console.throttle.passed(None, address);
    login::count(&console, "ok");
    tracing::info!(user = name, %address, "console: signed in by the provider");
    let way = format!("by {}", provider.plan.label);
    let session = login::open(&console, user, &address.to_string(), &way).await?;
    let mut response = login::again(Some(next));
    let ended = JOURNEY.unset(&settings);
    for cookie in [Some(session), ended].into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Who it is that has come back, by number and name.
async fn sign_in(
    console: &Console,
    provider: &Provider,
    journey: &Journey,
    brought: &Brought,
    address: IpAddr,
) -> Result<(i64, String), OidcError> {
    if !console.ended.end(&journey.state(), Instant::now()) {
        return Err(OidcError::Journey);
    }
    let metadata = provider.metadata().await?;
    match &brought.iss {
        Some(issuer) if *issuer != provider.plan.issuer => {
            return Err(OidcError::Denied(
                "another provider has sent them".to_owned(),
            ));
        }
        None if metadata.names_itself => {
            return Err(OidcError::Denied(
                "nobody says who has sent them".to_owned(),
            ));
        }
        _ => {}
    }
    if let Some(error) = &brought.error {
        let error: String = error.chars().take(100).collect();
        return Err(OidcError::Denied(format!("{error:?}")));
    }
    let code = brought.code.as_deref();
    let code = code.filter(|code| (1..=CODE).contains(&code.len()));
    let code = code.ok_or_else(|| OidcError::Denied("there is no code".to_owned()))?;
    let claims = provider.redeem(code, &back(console), journey).await?;
    let address = address.to_string();
    let admitted = match identity(&provider.plan, &claims) {
        Ok(who) => {
            let adds = provider.plan.create;
            let user = console.accounts.admit(&who, adds, &address).await;
            user.map_err(OidcError::from)
        }
        Err(error) => Err(error),
    };
    if let Err(error @ OidcError::Refused(_)) = &admitted {
        let subject = claims
            .get("sub")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let by = Actor {
            name: provider.plan.label.clone(),
            address,
        };
        let why = error.to_string();
        console.record(&by, "session.refuse", subject, &why).await;
    }
    admitted
}

/// The sign-in page, with what went wrong.
fn failed(
    console: &Console,
    provider: &Provider,
    error: &OidcError,
    next: &str,
    address: IpAddr,
) -> Result<Response, Refusal> {
    login::count(console, error.result());
    match error {
        // Strangers can bring it about as often as they like, and push warnings out of the console's log with it.
        OidcError::Journey => {
            tracing::info!(%error, %address, "console: sign-in by the provider failed");
        }
        _ => tracing::warn!(%error, %address, "console: sign-in by the provider failed"),
    }
    let text = error.text(&provider.plan.label);
    let page = login::page(console, "", next, Some(&text))?;
    Ok((error.status(), page).into_response())
}

/// Where the provider sends people back to.
fn back(console: &Console) -> String {
    format!("{}{BACK}", console.site())
}
