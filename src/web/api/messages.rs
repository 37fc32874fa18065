//! The history: search, and one message.

use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde::Deserialize;

use super::super::console::Shared;
use super::super::refusal::Refusal;
use super::answer::{Json, Page, Problem, query};
use crate::filter::Action;
use crate::history::{Cursor, Entry, HistoryError, PAGE, Query};
use crate::mail::Direction;

/// Messages of a page where nothing else is said.
const USUAL: usize = 50;

/// What is looked for. Names are those of `mailweir history`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    text: Option<String>,
    address: Option<String>,
    sender: Option<String>,
    recipient: Option<String>,
    client: Option<String>,
    subject: Option<String>,
    rule: Option<String>,
    verdict: Option<Action>,
    direction: Option<Direction>,
    policy: Option<String>,
    user: Option<String>,
    unscanned: Option<String>,
    message_id: Option<String>,
    queue_id: Option<String>,
    quarantined: bool,
    since: Option<String>,
    until: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// A time as RFC 3339 writes it.
pub(super) fn instant(text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|e: jiff::Error| Problem::invalid(&e))
}

/// A limit between 1 and the most.
pub(super) fn limit(asked: Option<usize>, most: usize) -> Result<usize, Problem> {
    match asked {
        None => Ok(USUAL),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::invalid(&format!("limit is 1 to {most}"))),
    }
}

pub(super) async fn search(
    State(console): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Page<Entry>>, Problem> {
    let asked: Asked = query(raw.as_deref())?;
    let cursor = asked
        .cursor
        .as_deref()
        .map(str::parse::<Cursor>)
        .transpose();
    let cursor = cursor.map_err(|_| Problem::invalid(&"this is no cursor"))?;
    let limit = limit(asked.limit, PAGE)?;
    let rules = asked.rule.unwrap_or_default();
    let query = Query {
        text: asked.text,
        address: asked.address,
        sender: asked.sender,
        recipient: asked.recipient,
        client: asked.client,
        subject: asked.subject,
        rules: rules.split_whitespace().map(str::to_owned).collect(),
        verdict: asked.verdict,
        direction: asked.direction,
        policy: asked.policy,
        user: asked.user,
        unscanned: asked.unscanned,
        message_id: asked.message_id,
        queue_id: asked.queue_id,
        quarantined: asked.quarantined,
        from: instant(asked.since.as_deref())?,
        to: instant(asked.until.as_deref())?,
        ..Query::default()
    };
    let history = &console.services.history;
    let page = history
        .search(&query, cursor, limit)
        .await
        .map_err(refused)?;
    Ok(Json(Page {
        items: page.entries,
        next: page.next.map(|next| next.to_string()),
    }))
}

pub(super) async fn one(
    State(console): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Entry>, Problem> {
    let found = console.services.history.get(&id).await.map_err(refused)?;
    found.map(Json).ok_or_else(Problem::not_found)
}

/// What a program is told of it; what is our fault goes to the log.
pub(super) fn refused(error: HistoryError) -> Problem {
    match error {
        HistoryError::Query(why) => Problem::invalid(&why),
        HistoryError::Disabled => Problem(Refusal::Conflict(
            "No history is kept: history.enabled is false.".to_owned(),
        )),
        HistoryError::Closed => Problem(Refusal::Busy),
        error => Problem(Refusal::internal("history", &error)),
    }
}
