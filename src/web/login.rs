//! Signing in and out.

use std::time::Instant;

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::access::{self, Access};
use super::accounts::Role;
use super::console::Shared;
use super::refusal::Refusal;
use super::{address, cookie, layout};

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
fn inside(next: Option<&str>) -> &str {
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
    let page = AgainPage { next: inside(path) };
    match layout::render(&page) {
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
}

#[derive(Deserialize)]
struct Next {
    next: Option<String>,
}

fn page(name: &str, next: &str, problem: Option<&str>) -> Result<Html<String>, Refusal> {
    layout::render(&LoginPage {
        name,
        next,
        problem,
    })
}

async fn form(Query(query): Query<Next>) -> Result<Html<String>, Refusal> {
    page("", inside(query.next.as_deref()), None)
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
    password: String,
    next: Option<String>,
}

async fn sign_in(
    State(console): State<Shared>,
    headers: HeaderMap,
    extensions: Extensions,
    Form(given): Form<SignIn>,
) -> Result<Response, Refusal> {
    if !access::is_own(&console, &headers) {
        return Err(Refusal::Forbidden(
            "The request does not come from a page of this console.",
        ));
    }
    let address = address::client(&extensions, &headers, &console.settings().trusted_proxies);
    let logins = &console.services.metrics.console_logins;
    let next = inside(given.next.as_deref());
    let name = given.name.trim();
    if let Err(wait) = console.throttle.attempt(name, address, Instant::now()) {
        logins.with_label_values(&["throttled"]).inc();
        return Err(Refusal::Wait(wait));
    }
    let Some(user) = console.accounts.verify(name, &given.password).await? else {
        logins.with_label_values(&["wrong"]).inc();
        let shown: String = name.chars().take(64).collect();
        tracing::warn!(user = ?shown, %address, "console: sign-in refused");
        let wrong = "Name and password do not fit together.";
        let page = page(&shown, next, Some(wrong))?;
        return Ok((StatusCode::UNAUTHORIZED, page).into_response());
    };
    console.throttle.passed(name, address);
    logins.with_label_values(&["ok"]).inc();
    tracing::info!(user = ?user.name, %address, "console: signed in");
    begin(&console, user.id, &address.to_string(), next).await
}

/// Begins a session and goes on to `next`, a path of ours.
pub(super) async fn begin(
    console: &Shared,
    user: i64,
    address: &str,
    next: &str,
) -> Result<Response, Refusal> {
    let lifetime = console.settings().lifetime;
    let secret = console
        .accounts
        .begin_session(user, address, lifetime)
        .await?;
    let mut response = Redirect::to(next).into_response();
    let field = cookie::set(&console.settings(), &secret).ok_or(Refusal::Internal)?;
    response.headers_mut().insert(header::SET_COOKIE, field);
    Ok(response)
}

async fn sign_out(State(console): State<Shared>, request: Request) -> Result<Response, Refusal> {
    if let Some(secret) = cookie::read(&console.settings(), request.headers()) {
        console.accounts.end_session(&secret).await?;
    }
    let mut response = Redirect::to("/login").into_response();
    if let Some(field) = cookie::unset(&console.settings()) {
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
