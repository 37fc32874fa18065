//! What went wrong lately: warnings and errors of the log.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Html;
use axum::routing::get;
use serde::Deserialize;

use super::access::{self, Access};
use super::accounts::Role;
use super::console::Shared;
use super::journal::JournalEntry;
use super::layout::{self, Page};
use super::refusal::Refusal;
use super::{Visitor, filters};

pub(super) fn routes(access: &Access) -> Router<Shared> {
    access.allow(Role::Admin, Router::new().route("/log", get(show)))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    only: String,
}

#[derive(Template)]
#[template(path = "log.html")]
struct LogPage {
    page: Page,
    only_errors: bool,
    live: Entries,
}

#[derive(Template)]
#[template(path = "log_live.html")]
struct Entries {
    entries: Vec<JournalEntry>,
}

async fn show(
    State(console): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Refusal> {
    let only_errors = asked.only == "errors";
    let mut entries = console.journal.entries();
    entries.retain(|entry| entry.is_error || !only_errors);
    let live = Entries { entries };
    if access::wants_part(&headers) {
        return layout::render(&live);
    }
    layout::render(&LogPage {
        page: Page::new("Log", "/log", &visitor),
        only_errors,
        live,
    })
}
