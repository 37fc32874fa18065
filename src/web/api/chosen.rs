//! What is done to all messages of the quarantine that a search finds: first they are counted, then the digest that came with
//! the number says which ones are meant. When the search finds others by then nothing is done.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use serde::{Deserialize, Serialize};

use super::super::Visitor;
use super::super::console::Shared;
use super::super::quarantine::{Act, Chosen, MOST};
use super::super::refusal::Refusal;
use super::answer::{Json, Problem, read};
use super::handling::Onward;
use super::held::all_of;
use crate::quarantine::QuarantineError;

/// What a search finds now.
#[derive(Serialize)]
pub(super) struct Counted {
    found: u64,
    /// So many may be worked on at one time.
    most: u32,
    /// Stands for just these messages; null where they are too many.
    digest: Option<String>,
}

pub(super) async fn count(
    State(console): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Counted>, Problem> {
    let filter = all_of(raw.as_deref())?;
    let counted = match Chosen::by(&console.services.quarantine, &filter).await {
        Ok(chosen) => Counted {
            found: chosen.count() as u64,
            most: MOST,
            digest: Some(chosen.digest()),
        },
        Err(QuarantineError::TooMany { found, most }) => Counted {
            found,
            most,
            digest: None,
        },
        Err(error) => return Err(Problem(error.into())),
    };
    Ok(Json(counted))
}

/// What has become of them.
#[derive(Serialize)]
pub(super) struct Worked {
    done: usize,
    failed: usize,
    /// The first that failed.
    failures: Vec<Failure>,
    /// What the search finds afterwards.
    found: u64,
}

/// A message to which it could not be done.
#[derive(Serialize)]
struct Failure {
    id: String,
    why: String,
}

/// Which messages are to be released or deleted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    digest: Option<String>,
    /// Whether they are learned: released ones as ham, deleted ones as spam.
    learn: bool,
}

pub(super) async fn release(
    State(console): State<Shared>,
    visitor: Visitor,
    RawQuery(raw): RawQuery,
    body: Bytes,
) -> Result<Json<Worked>, Problem> {
    let Wish { digest, learn } = read(&body)?;
    let to = Vec::new();
    work(&console, &visitor, raw, digest, Act::Release { to, learn }).await
}

pub(super) async fn delete(
    State(console): State<Shared>,
    visitor: Visitor,
    RawQuery(raw): RawQuery,
    body: Bytes,
) -> Result<Json<Worked>, Problem> {
    let Wish { digest, learn } = read(&body)?;
    work(&console, &visitor, raw, digest, Act::Delete { learn }).await
}

/// Which messages are to be forwarded, and to whom.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Forwarding {
    digest: Option<String>,
    to: Option<String>,
    note: String,
}

pub(super) async fn forward(
    State(console): State<Shared>,
    visitor: Visitor,
    RawQuery(raw): RawQuery,
    body: Bytes,
) -> Result<Json<Worked>, Problem> {
    let Forwarding { digest, to, note } = read(&body)?;
    let act = Onward { to, note }.act()?;
    work(&console, &visitor, raw, digest, act).await
}

async fn work(
    console: &Shared,
    visitor: &Visitor,
    raw: Option<String>,
    digest: Option<String>,
    act: Act,
) -> Result<Json<Worked>, Problem> {
    let filter = all_of(raw.as_deref())?;
    let Some(digest) = digest else {
        let why = "`digest` is missing: that of /api/v1/quarantine/chosen for the same search";
        return Err(Problem::invalid(&why));
    };
    let quarantine = &console.services.quarantine;
    let chosen = Chosen::by(quarantine, &filter).await;
    let chosen = chosen.map_err(Refusal::from)?;
    if chosen.digest() != digest {
        let why = format!(
            "The search finds other messages now, {} of them: look again.",
            chosen.count()
        );
        return Err(Problem(Refusal::Conflict(why)));
    }
    let worked = chosen.run(&act, console, visitor).await;
    let found = quarantine.matching(&filter).await.map_err(Refusal::from)?;
    let failures = worked.failures.into_iter();
    Ok(Json(Worked {
        done: worked.done,
        failed: worked.failed,
        failures: failures.map(|(id, why)| Failure { id, why }).collect(),
        found,
    }))
}
