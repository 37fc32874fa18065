//! What analysts do to a held message: release, deletion, on to somebody who knows more.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::Visitor;
use super::super::console::Shared;
use super::super::quarantine::{Act, NOTE_BYTES, whom};
use super::super::refusal::Refusal;
use super::answer::{Json, Problem, query, read};
use crate::filter::bayes::{Class, Teaching};
use crate::mail::Address;

/// Recipients of one release.
const RECIPIENTS: usize = 1_000;

/// What is asked with a release.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    /// To whom; all recipients where nothing is said.
    recipients: Vec<String>,
    /// Also to those who have got it.
    again: bool,
    /// Whether it is learned as ham.
    learn: bool,
}

/// A message that was released.
#[derive(Serialize)]
pub(super) struct Freed {
    id: String,
    recipients: usize,
    before: usize,
    learned: bool,
}

pub(super) async fn release(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Freed>, Problem> {
    let wish: Wish = read(&body)?;
    if wish.recipients.len() > RECIPIENTS {
        return Err(Problem::invalid(&format!(
            "at most {RECIPIENTS} recipients"
        )));
    }
    let quarantine = &console.services.quarantine;
    let to: Vec<Address> = wish
        .recipients
        .iter()
        .map(|r| Address::new(r.as_bytes()))
        .collect();
    let freed = quarantine
        .release(&id, &to, wish.again)
        .await
        .map_err(Refusal::from)?;
    let detail = whom(&to, freed.recipients);
    console
        .record(&visitor.actor(), "quarantine.release", &freed.id, &detail)
        .await;
    let mut learned = false;
    if wish.learn {
        let raw = quarantine.read(&freed.id).await.map_err(Refusal::from)?;
        let lesson = super::learning::teach(&console, raw, Teaching::Learn(Class::Ham));
        // The release stands, whatever becomes of the lesson.
        learned = lesson.await.is_ok();
    }
    Ok(Json(Freed {
        id: freed.id,
        recipients: freed.recipients,
        before: freed.before,
        learned,
    }))
}

/// What is asked with a deletion.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Farewell {
    /// Whether it is learned as spam first.
    learn: bool,
}

pub(super) async fn remove(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<StatusCode, Problem> {
    let Farewell { learn } = query(raw.as_deref())?;
    run(&console, &visitor, &id, Act::Delete { learn }).await
}

/// What is asked when a message is forwarded.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Onward {
    /// To whom; the analyst of the configuration where nothing is said.
    pub(super) to: Option<String>,
    pub(super) note: String,
}

impl Onward {
    /// What is to be done.
    pub(super) fn act(self) -> Result<Act, Problem> {
        let Onward { to, note } = self;
        if note.len() > NOTE_BYTES {
            return Err(Problem::invalid(&format!(
                "a note has at most {NOTE_BYTES} bytes"
            )));
        }
        let to = to.map(|to| Address::new(to.as_bytes()));
        Ok(Act::Forward { to, note })
    }
}

pub(super) async fn forward(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let onward: Onward = read(&body)?;
    run(&console, &visitor, &id, onward.act()?).await
}

/// Does something to a message that is there.
async fn run(
    console: &Shared,
    visitor: &Visitor,
    id: &str,
    act: Act,
) -> Result<StatusCode, Problem> {
    let record = console.services.quarantine.get(id).await;
    let id = record.map_err(Refusal::from)?.entry.id;
    match act.run(console, visitor, &id).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(why) => Err(Problem(why.refusal())),
    }
}
