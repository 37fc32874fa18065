//! What was changed, by whom, and what went wrong.

use axum::extract::{RawQuery, State};
use serde::{Deserialize, Serialize};

use super::super::accounts::AuditLine;
use super::super::console::Shared;
use super::super::journal::JournalEntry;
use super::super::refusal::Refusal;
use super::answer::{Json, Page, Problem, at, query};
use super::messages::limit;

/// Lines of one page, at most.
const PAGE: usize = 500;

/// Which lines of the audit log.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    text: Option<String>,
    cursor: Option<i64>,
    limit: Option<usize>,
}

/// A line of the audit log.
#[derive(Serialize)]
pub(super) struct Line {
    at: Option<String>,
    /// Who, with the token where there was one.
    user: String,
    address: String,
    action: String,
    subject: String,
    detail: String,
}

pub(super) async fn audit(
    State(console): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Page<Line>>, Problem> {
    let asked: Asked = query(raw.as_deref())?;
    let most = limit(asked.limit, PAGE)?;
    let text = asked.text.unwrap_or_default();
    let fetched = u32::try_from(most + 1).unwrap_or(u32::MAX);
    let lines = console.accounts.audit(asked.cursor, &text, fetched).await;
    let lines = lines.map_err(Refusal::from)?;
    let id = |line: &AuditLine| line.id.to_string();
    Ok(Json(Page::of(lines, most, id, |line| Line {
        at: at(line.at),
        user: line.actor.name,
        address: line.actor.address,
        action: line.action,
        subject: line.subject,
        detail: line.detail,
    })))
}

/// Which entries of the log.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wrong {
    /// Errors only.
    errors: bool,
    cursor: Option<u64>,
    limit: Option<usize>,
}

/// A warning or an error.
#[derive(Serialize)]
pub(super) struct Trouble {
    at: Option<String>,
    level: &'static str,
    text: String,
    /// How often in a row.
    count: u64,
}

pub(super) async fn log(
    State(console): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Page<Trouble>>, Problem> {
    let asked: Wrong = query(raw.as_deref())?;
    let most = limit(asked.limit, PAGE)?;
    let mut entries = console.journal.entries();
    entries.retain(|entry| {
        (entry.is_error || !asked.errors) && asked.cursor.is_none_or(|last| entry.number < last)
    });
    let number = |entry: &JournalEntry| entry.number.to_string();
    Ok(Json(Page::of(entries, most, number, |entry| Trouble {
        at: at(entry.at.div_euclid(1000)),
        level: if entry.is_error { "error" } else { "warning" },
        text: entry.text,
        count: entry.count,
    })))
}
