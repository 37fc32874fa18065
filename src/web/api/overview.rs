//! What happened in some time, from the tallies of the history.

use axum::extract::{RawQuery, State};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::super::console::Shared;
use super::answer::{Json, Problem, query};
use super::messages::{instant, refused};
use crate::history::Overview;

/// How far back it goes where nothing is said.
const USUAL: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    since: Option<String>,
    until: Option<String>,
}

pub(super) async fn overview(
    State(console): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Overview>, Problem> {
    let asked: Asked = query(raw.as_deref())?;
    let until = instant(asked.until.as_deref())?.unwrap_or_else(Timestamp::now);
    let since = match instant(asked.since.as_deref())? {
        Some(since) => since,
        None => until.checked_sub(USUAL).map_err(|e| Problem::invalid(&e))?,
    };
    if since > until {
        return Err(Problem::invalid(&"`since` is later than `until`"));
    }
    let overview = console.services.history.overview(since, until).await;
    Ok(Json(overview.map_err(refused)?))
}
