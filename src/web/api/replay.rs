//! A message of the history, evaluated again by the engine in force from what filters heard when it came.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::super::console::{Console, Shared};
use super::super::refusal::Refusal;
use super::super::rules::trial;
use super::answer::{Json, Problem};
use super::messages::refused;
use crate::history::{Comparison, Entry, digest};
use crate::quarantine::QuarantineError;

/// How the two results compare.
#[derive(Serialize)]
struct Replayed<'a> {
    /// Whether the message is the one that came, byte for byte.
    exact: bool,
    #[serde(flatten)]
    comparison: Comparison<'a>,
}

pub(super) async fn replay(
    State(console): State<Shared>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let history = &console.services.history;
    let then = history.get(&id).await.map_err(refused)?;
    let then = then.ok_or(Refusal::NotFound)?;
    let record = history.heard(&id).await.map_err(refused)?;
    let record = record.ok_or_else(|| {
        let why = "What filters heard when this message came was not kept (history.answers).";
        Refusal::Conflict(why.to_owned())
    })?;
    let raw = match body.is_empty() {
        true => held(&console, &then).await?,
        false => body,
    };
    let _turn = trial::turn()?;
    let exact = then.digest.as_ref() == Some(&digest(&raw));
    let engine = console.services.engine.load_full();
    let (scan, ruling, heard) = engine.replay(then.envelope(), raw, record).await;
    let now = then.again(&scan, &ruling, &engine.versions());
    let comparison = Comparison::new(&then, &now, heard.missing());
    Ok(Json(Replayed { exact, comparison }).into_response())
}

/// The message, from the quarantine.
async fn held(console: &Console, entry: &Entry) -> Result<Bytes, Refusal> {
    let absent = || {
        let why = "There is no copy of this message in the quarantine: send the message itself.";
        Refusal::Conflict(why.to_owned())
    };
    let id = entry.quarantine.as_deref().ok_or_else(absent)?;
    match console.services.quarantine.read(id).await {
        Err(QuarantineError::NotFound(_)) => Err(absent()),
        read => Ok(read?),
    }
}
