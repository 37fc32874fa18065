//! Requests by HTTP.

use std::sync::Arc;

use axum::Router;
use axum::body::Body as Payload;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::StreamExt;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::io::AsyncReadExt;

use super::super::body::{Body, Refused};
use super::super::door::{Outcome, Protocol, Stream, count};
use super::Desk;
use super::answer::Answer;
use super::envelope::Told;
use super::statistics::Statistics;
use crate::filter::Action;
use crate::filter::bayes::{Class, Teaching};
use crate::server::{Learned, learn};

/// Longest header of a request, bytes: many recipients.
const HEAD_BYTES: usize = 512 << 10;
/// Fields of it.
const FIELDS: usize = super::envelope::RECIPIENTS + 100;

/// Serves one request, of which `input` was read already.
pub(super) async fn serve<S: Stream>(socket: S, input: BytesMut, desk: Desk) {
    let limit = desk.settings.entrance.timeout;
    // To come, to be judged, to be taken.
    let whole = limit * 2 + desk.services.engine.load().deadline;
    let (read, write) = tokio::io::split(socket);
    let read = std::io::Cursor::new(input.freeze()).chain(read);
    let io = TokioIo::new(tokio::io::join(read, write));
    let router = Router::new().fallback(route).with_state(Arc::new(desk));
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .half_close(true)
        .max_buf_size(HEAD_BYTES)
        .max_headers(FIELDS)
        .timer(TokioTimer::new())
        .header_read_timeout(limit)
        .serve_connection(io, TowerToHyperService::new(router));
    match tokio::time::timeout(whole, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => tracing::debug!(error = %e, "a connection of rspamd's protocol was lost"),
        Err(_) => tracing::debug!("a connection of rspamd's protocol took too long"),
    }
}

async fn route(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let post = request.method() == Method::POST;
    let (command, (outcome, response)) = match request.uri().path() {
        "/ping" => ("ping", (Outcome::Answered, "pong\r\n".into_response())),
        "/checkv2" if post => ("check", check(&desk, request).await),
        "/learnspam" if post => ("learn", lesson(&desk, request, Class::Spam).await),
        "/learnham" if post => ("learn", lesson(&desk, request, Class::Ham).await),
        "/stat" => ("stat", statistics(&desk, request.headers())),
        "/checkv2" | "/learnspam" | "/learnham" => {
            let said = failed(StatusCode::METHOD_NOT_ALLOWED, "this is done by POST");
            ("unknown", (Outcome::Bad, said))
        }
        _ => {
            let said = failed(StatusCode::NOT_FOUND, "there is no such command here");
            ("unknown", (Outcome::Bad, said))
        }
    };
    count(&desk.services.metrics, Protocol::Rspamd, command, outcome);
    response
}

#[derive(Serialize)]
struct Success {
    success: bool,
}

fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A failure says `soft reject` whatever was asked for.
fn failed(status: StatusCode, why: &str) -> Response {
    tracing::warn!(
        why,
        status = status.as_u16(),
        "request of rspamd's protocol not answered"
    );
    json(status, &Answer::failed("soft reject", why))
}

async fn check(desk: &Desk, request: Request) -> (Outcome, Response) {
    let mut told = Told::default();
    for (name, value) in request.headers() {
        if let Err(why) = told.field(name.as_str(), value.as_bytes()) {
            return (Outcome::Bad, failed(StatusCode::BAD_REQUEST, why));
        }
    }
    let body = match message(desk, request).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let Some(inquired) = desk.judge(told, body).await else {
        let said = failed(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
        return (Outcome::Failed, said);
    };
    let outcome = match inquired.verdict.action {
        Action::Tempfail => Outcome::Failed,
        _ => Outcome::Answered,
    };
    (outcome, json(StatusCode::OK, &Answer::of(&inquired)))
}

/// The message of a request.
async fn message(desk: &Desk, request: Request) -> Result<Body, (Outcome, Response)> {
    let length = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    if !length
        .iter()
        .any(|field| request.headers().contains_key(field))
    {
        // What follows would be passed over, and the answer would be about a message without a byte.
        let why = "the request does not say how long the message is";
        return Err((Outcome::Bad, failed(StatusCode::LENGTH_REQUIRED, why)));
    }
    let packed = packed(request.headers());
    let mut body = Body::new(&desk.services);
    let limit = desk.settings.entrance.timeout;
    let mut chunks = Payload::into_data_stream(request.into_body());
    let came = tokio::time::timeout(limit, async {
        while let Some(chunk) = chunks.next().await {
            body.push(&chunk.ok()?);
        }
        Some(())
    });
    if !matches!(came.await, Ok(Some(()))) {
        let said = failed(
            StatusCode::REQUEST_TIMEOUT,
            "the message did not come whole",
        );
        return Err((Outcome::Incomplete, said));
    }
    let taken = match (body.end(), packed) {
        (Ok(body), Some(Packing::Zstd)) => {
            let unpack = |packed| {
                ruzstd::decoding::StreamingDecoder::new(packed).map_err(std::io::Error::other)
            };
            body.unpacked(unpack).await
        }
        (Ok(_), Some(Packing::Unknown)) => {
            let why = "only zstd is known as a form of compression";
            return Err((
                Outcome::Bad,
                failed(StatusCode::UNSUPPORTED_MEDIA_TYPE, why),
            ));
        }
        (taken, _) => taken,
    };
    taken.map_err(|why| match why {
        Refused::TooLarge => {
            let answer = Answer::failed("reject", "Message is larger than this server accepts");
            (Outcome::Bad, json(StatusCode::PAYLOAD_TOO_LARGE, &answer))
        }
        Refused::NoRoom => {
            let said = failed(
                StatusCode::SERVICE_UNAVAILABLE,
                "no room for the message now",
            );
            (Outcome::Failed, said)
        }
        Refused::Damaged => {
            let said = failed(
                StatusCode::BAD_REQUEST,
                "the message is not what zstd packs",
            );
            (Outcome::Bad, said)
        }
    })
}

/// How the message of a request is packed.
enum Packing {
    Zstd,
    Unknown,
}

fn packed(headers: &HeaderMap) -> Option<Packing> {
    let named = |name| {
        headers
            .get(name)
            .map(|value: &header::HeaderValue| value.as_bytes())
    };
    match named("compression").or_else(|| named("content-encoding"))? {
        b"" | b"identity" => None,
        zstd if zstd.eq_ignore_ascii_case(b"zstd") => Some(Packing::Zstd),
        _ => Some(Packing::Unknown),
    }
}

/// Whether who asks knows the password; `None` where none is set.
fn knows_password(desk: &Desk, headers: &HeaderMap) -> Option<bool> {
    let password = desk.settings.password.as_ref()?;
    let given = headers
        .get("password")
        .map(|value| blake3::hash(value.as_bytes()));
    Some(given.is_some_and(|given| given == *password))
}

async fn lesson(desk: &Desk, request: Request, class: Class) -> (Outcome, Response) {
    let denied = match knows_password(desk, request.headers()) {
        Some(true) => None,
        Some(false) => Some("the password is wrong, or there is none"),
        None => Some("nobody may learn here: scanners.rspamd.password_file is not set"),
    };
    if let Some(why) = denied {
        return (Outcome::Denied, failed(StatusCode::FORBIDDEN, why));
    }
    let Body { spool, share, .. } = match message(desk, request).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let learned = learn(&desk.services, spool.complete(), Teaching::Learn(class)).await;
    drop(share);
    match learned {
        Learned::Kept => (
            Outcome::Answered,
            json(StatusCode::OK, &Success { success: true }),
        ),
        Learned::Not(why) => (Outcome::Bad, failed(StatusCode::BAD_REQUEST, why)),
        Learned::Failed(why) => (
            Outcome::Failed,
            failed(StatusCode::SERVICE_UNAVAILABLE, why),
        ),
    }
}

fn statistics(desk: &Desk, headers: &HeaderMap) -> (Outcome, Response) {
    if knows_password(desk, headers) == Some(false) {
        let why = "the password is wrong, or there is none";
        return (Outcome::Denied, failed(StatusCode::FORBIDDEN, why));
    }
    (
        Outcome::Answered,
        json(StatusCode::OK, &Statistics::of(desk)),
    )
}
