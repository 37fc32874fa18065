//! Signing in and out.

use std::time::Instant;

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::access::Access;
use super::accounts::{Role, Secret};
use super::console::{Console, Shared};
use super::cookie::SESSION;
use super::refusal::Refusal;
use super::stranger::Stranger;
use super::{Visitor, layout};

/// Longest form of somebody who has not signed in.
pub(super) const STRANGERS_FORM: usize = 8 << 10;
/// Longest path that is gone back to after signing in.
const NEXT: usize = 2_000;

pub(super) fn routes(access: &Access) -> Router<Shared> {
    let open = Router::new()
        .route("/login", get(form).post(sign_in))
        .layer(DefaultBodyLimit::max(STRANGERS_FORM));
    let inside = Router::new().route("/logout", post(sign_out));
    open.merge(access.allow(Role::Viewer, inside))
}

/// The sign-in page, with the path to go to afterwards.
pub(super) fn path(next: Option<&str>) -> String {
    match next.filter(|next| *next != "/" && next.len() <= NEXT) {
        Some(next) => format!("/login?next={}", encoded(next)),
        None => "/login".to_owned(),
    }
}

pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A path of ours, so that nobody is sent elsewhere after signing in.
pub(super) fn inside(next: Option<&str>) -> &str {
    let ours = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.len() <= NEXT
            && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    };
    next.filter(ours).unwrap_or("/")
}

#[derive(Template)]
#[template(path = "again.html")]
struct AgainPage<'a> {
    next: &'a str,
}

/// A page that loads `path` again: a browser keeps our cookie back from a link on another site, and sends it with
/// what a page of ours asks for.
pub(super) fn again(path: Option<&str>) -> Response {
    onward(inside(path))
}

/// A page that loads another by itself.
fn onward(place: &str) -> Response {
    match layout::render(&AgainPage { next: place }) {
        Ok(page) => page.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    name: &'a str,
    next: &'a str,
    problem: Option<&'a str>,
    /// What the provider is called, and the path that leads there.
    provider: Option<(&'a str, String)>,
}

#[derive(Deserialize)]
struct Next {
    next: Option<String>,
}

/// The sign-in page, with the name that was typed, where to go afterwards, and what went wrong.
pub(super) fn page(
    console: &Console,
    name: &str,
    next: &str,
    problem: Option<&str>,
) -> Result<Html<String>, Refusal> {
    let provider = console.provider();
    layout::render(&LoginPage {
        name,
        next,
        problem,
        provider: provider.as_ref().map(|provider| {
            let path = format!("/login/oidc?next={}", encoded(next));
            (provider.plan.label.as_str(), path)
        }),
    })
}

async fn form(
    State(console): State<Shared>,
    Query(query): Query<Next>,
) -> Result<Html<String>, Refusal> {
    page(&console, "", inside(query.next.as_deref()), None)
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
    password: String,
    next: Option<String>,
}

async fn sign_in(
    State(console): State<Shared>,
    Stranger { address }: Stranger,
    Form(given): Form<SignIn>,
) -> Result<Response, Refusal> {
    let next = inside(given.next.as_deref());
    let name = given.name.trim();
    if let Err(wait) = console
        .throttle
        .attempt(Some(name), address, Instant::now())
    {
        count(&console, "throttled");
        return Err(Refusal::Wait(wait));
    }
    let Some(user) = console.accounts.verify(name, &given.password).await? else {
        count(&console, "wrong");
        let shown: String = name.chars().take(64).collect();
        tracing::warn!(user = shown, %address, "console: sign-in refused");
        let wrong = "Name and password do not fit together.";
        let page = page(&console, &shown, next, Some(wrong))?;
        return Ok((StatusCode::UNAUTHORIZED, page).into_response());
    };
    console.throttle.passed(Some(name), address);
    count(&console, "ok");
    tracing::info!(user = user.name, %address, "console: signed in");
    begin(&console, user.id, &address.to_string(), "by password", next).await
}

/// Counts an attempt to sign in.
pub(super) fn count(console: &Console, result: &str) {
    let logins = &console.services.metrics.console_logins;
    logins.with_label_values(&[result]).inc();
}

/// Begins a session; gives the field that hands out its cookie. `way` is how the user has proved who they are.
pub(super) async fn open(
    console: &Console,
    user: i64,
    address: &str,
    way: &str,
) -> Result<HeaderValue, Refusal> {
    let settings = console.settings();
    let begun = console
        .accounts
        .begin_session(user, address, way, settings.lifetime);
    let secret = begun.await?;
    let cookie = SESSION.set(&settings, secret.reveal(), settings.longest());
    cookie.ok_or(Refusal::Internal)
}

/// Begins a session and goes on to `next`, a path of ours.
pub(super) async fn begin(
    console: &Console,
    user: i64,
    address: &str,
    way: &str,
    next: &str,
) -> Result<Response, Refusal> {
    let cookie = open(console, user, address, way).await?;
    let mut response = Redirect::to(next).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

async fn sign_out(
    State(console): State<Shared>,
    visitor: Visitor,
    request: Request,
) -> Result<Response, Refusal> {
    let settings = console.settings();
    let secret = SESSION.read(&settings, request.headers());
    if let Some(secret) = secret.and_then(Secret::presented) {
        console.accounts.end_session(&secret).await?;
    }
    let provider = console.provider().filter(|_| visitor.is_vouched);
    let elsewhere = match provider {
        Some(provider) => {
            provider
                .sign_out(&format!("{}/login", console.site()))
                .await
        }
        None => None,
    };
    let mut response = match elsewhere {
        // No redirect: browsers would take it for a form that is sent elsewhere.
        Some(place) => onward(&place),
        None => Redirect::to("/login").into_response(),
    };
    if let Some(field) = SESSION.unset(&settings) {
        response.headers_mut().insert(header::SET_COOKIE, field);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere_after_signing_in() {
        for (next, to) in [
            (Some("/rules?q=a"), "/rules?q=a"),
            (None, "/"),
            (Some("//evil.example/"), "/"),
            (Some("/\\evil.example/"), "/"),
            (Some("https://evil.example/"), "/"),
            (Some("/a\r\nSet-Cookie: b"), "/"),
            (Some("javascript:alert(1)"), "/"),
        ] {
            assert_eq!(inside(next), to);
        }
        assert_eq!(path(Some("/rules?q=a&b")), "/login?next=/rules%3Fq%3Da%26b");
        assert_eq!(path(Some("/")), "/login");
    }
}
