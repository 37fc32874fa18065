//! The gate before every page: who is it, may they, and is the request their own.
//!
//! What changes something (any method but GET and HEAD) must come from a page of the console: the field `Origin` names
//! our own site, and the form field or header field carries the word of the session. A program that comes with a token
//! has neither; tokens are taken by [`Access::programs`] only. A change that has begun comes to its end, its line in the
//! audit log included, although who asked for it leaves.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use tokio::sync::Semaphore;

use super::accounts::{Role, Secret, same};
use super::console::Shared;
use super::cookie::SESSION;
use super::refusal::Refusal;
use super::{Visitor, address, login};

/// Longest body of an ordinary form.
const FORM_BYTES: usize = 64 << 10;
/// Bodies that may be longer than this are read a few at a time.
const LARGE: usize = 256 << 10;
/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(30);
/// The field of forms that carries the word of the session.
const FORM_TOKEN: &str = "form_token";
/// The header field that carries it where there is no form.
const FORM_TOKEN_HEADER: &str = "x-form-token";

static LARGE_TURNS: Semaphore = Semaphore::const_new(8);

/// Puts the gate before routes.
#[derive(Clone)]
pub(super) struct Access {
    console: Shared,
    /// Changes at one time: as many as connections, because those go on whose connections have ended.
    changes: Arc<Semaphore>,
}

#[derive(Clone)]
struct Gate {
    console: Shared,
    changes: Arc<Semaphore>,
    role: Role,
    body: usize,
    programs: bool,
}

impl Access {
    pub(super) fn new(console: Shared) -> Access {
        let changes = Arc::new(Semaphore::new(console.settings().connections));
        Access { console, changes }
    }

    /// Pages for users with a role or a greater one; forms of up to 64 KiB.
    pub(super) fn allow(&self, role: Role, routes: Router<Shared>) -> Router<Shared> {
        self.allow_bytes(role, FORM_BYTES, routes)
    }

    /// The same, with forms of up to `body` bytes.
    pub(super) fn allow_bytes(
        &self,
        role: Role,
        body: usize,
        routes: Router<Shared>,
    ) -> Router<Shared> {
        self.gate(role, body, false, routes)
    }

    /// Paths for programs: tokens are taken beside sessions, refusals are JSON. Bodies of up to `body` bytes, of any
    /// kind.
    pub(super) fn programs(
        &self,
        role: Role,
        body: usize,
        routes: Router<Shared>,
    ) -> Router<Shared> {
        self.gate(role, body, true, routes)
    }

    fn gate(
        &self,
        role: Role,
        body: usize,
        programs: bool,
        routes: Router<Shared>,
    ) -> Router<Shared> {
        let gate = Gate {
            console: self.console.clone(),
            changes: self.changes.clone(),
            role,
            body,
            programs,
        };
        // The handlers' own bound is that of the gate.
        let unbounded = axum::extract::DefaultBodyLimit::disable();
        routes
            .route_layer(unbounded)
            .route_layer(from_fn_with_state(gate, pass))
    }
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let programs = gate.programs;
    let method = request.method().clone();
    let path = request
        .uri()
        .path_and_query()
        .map(|p| p.as_str().to_owned());
    let cross_site = is_cross_site(request.headers());
    let page = method == Method::GET && !programs && !wants_part(request.headers());
    match admit(gate, request, next).await {
        Ok(response) => response,
        Err(refusal) if programs => refusal.json(),
        // Who follows a link from elsewhere comes without the cookie the first time.
        Err(Refusal::SignIn) if page && cross_site => login::again(path.as_deref()),
        Err(Refusal::SignIn) if page => Redirect::to(&login::path(path.as_deref())).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Whether our script asks for a part of a page, which it shows in place: a redirect to the sign-in page would end up
/// in there.
pub(super) fn wants_part(headers: &HeaderMap) -> bool {
    headers.contains_key("x-part")
}

fn is_cross_site(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site")
}

async fn admit(gate: Gate, mut request: Request, next: Next) -> Result<Response, Refusal> {
    let address = address::client(
        request.extensions(),
        request.headers(),
        &gate.console.settings().trusted_proxies,
    );
    let visitor = visitor(&gate, request.headers(), address).await?;
    if !visitor.may(gate.role) {
        return Err(Refusal::Forbidden(match gate.role {
            Role::Admin => "This takes the role admin.",
            _ => "This takes the role analyst.",
        }));
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        request.extensions_mut().insert(visitor);
        return Ok(next.run(request).await);
    }
    let large = match gate.body > LARGE {
        true => Some(turn(LARGE_TURNS.acquire()).await?),
        false => None,
    };
    let (mut parts, body) = request.into_parts();
    if visitor.token.is_none() && !is_own(&gate.console, &parts.headers) {
        return Err(Refusal::Forbidden(
            "The request does not come from a page of this console.",
        ));
    }
    let body = read(body, gate.body).await?;
    if visitor.token.is_none() {
        let presented = match parts.headers.get(FORM_TOKEN_HEADER) {
            Some(field) => field.to_str().ok().map(str::to_owned),
            None if is_form(&parts.headers) => form_token(&body),
            None => None,
        };
        let ours = presented.is_some_and(|token| same(&token, &visitor.form_token));
        if !ours {
            return Err(Refusal::Forbidden(
                "This form belongs to another session: load the page again.",
            ));
        }
    }
    parts.extensions.insert(visitor);
    let request = Request::from_parts(parts, Body::from(body));
    let change = turn(gate.changes.acquire_owned()).await?;
    let done = tokio::spawn(async move {
        let _held = (large, change);
        next.run(request).await
    });
    done.await
        .map_err(|error| Refusal::internal("a change has not come to its end", &error))
}

/// Waits for a turn, as long as a body may take.
async fn turn<Permit>(
    turn: impl Future<Output = Result<Permit, tokio::sync::AcquireError>>,
) -> Result<Permit, Refusal> {
    let turn = tokio::time::timeout(BODY_TIME, turn).await;
    turn.map_err(|_| Refusal::Busy)?.map_err(|_| Refusal::Busy)
}

/// Who has sent it.
async fn visitor(gate: &Gate, headers: &HeaderMap, address: IpAddr) -> Result<Visitor, Refusal> {
    let console = &gate.console;
    if gate.programs
        && let Some(field) = headers.get(header::AUTHORIZATION)
    {
        let presented = field.to_str().ok().and_then(|f| f.split_once(' '));
        let presented = presented.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let secret = presented.and_then(|(_, token)| Secret::presented(token.trim()));
        let secret = secret.ok_or(Refusal::SignIn)?;
        let found = console
            .accounts
            .bearer(&secret, console.settings().lifetime)
            .await?;
        let (session, token) = found.ok_or(Refusal::SignIn)?;
        return Ok(Visitor::new(session, String::new(), Some(token), address));
    }
    let secret = SESSION.read(&console.settings(), headers);
    let secret = secret.and_then(Secret::presented).ok_or(Refusal::SignIn)?;
    let lifetime = console.settings().lifetime;
    let is_click = !wants_part(headers);
    let session = console
        .accounts
        .session(&secret, lifetime, is_click)
        .await?;
    let session = session.ok_or(Refusal::SignIn)?;
    Ok(Visitor::new(session, secret.form_token(), None, address))
}

/// Whether a request that changes something comes from a page of ours (RFC 6454, section 7).
pub(super) fn is_own(console: &Shared, headers: &HeaderMap) -> bool {
    let text = |field| headers.get(field).and_then(|v| v.to_str().ok());
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else {
        return false;
    };
    match &console.settings().url {
        Some(url) => origin.eq_ignore_ascii_case(url),
        None => {
            let place = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            place.is_some_and(|place| place.eq_ignore_ascii_case(host))
        }
    }
}

async fn read(body: Body, most: usize) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(BODY_TIME, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Refusal::TooLarge(most)),
        Err(_) => Err(Refusal::Busy),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The word of the session in a form; it is of digits and letters, so that it needs no decoding.
fn form_token(body: &[u8]) -> Option<String> {
    let fields = body.split(|b| *b == b'&');
    let fields = fields.filter_map(|field| std::str::from_utf8(field).ok());
    fields
        .filter_map(|field| field.split_once('='))
        .find(|(key, _)| *key == FORM_TOKEN)
        .map(|(_, value)| value.to_owned())
}
