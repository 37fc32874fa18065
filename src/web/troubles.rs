//! What went wrong lately: warnings and errors of the log.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use serde::Deserialize;

use super::access::Access;
use super::accounts::Role;
use super::console::Shared;
use super::filters;
use super::journal::JournalEntry;
use super::layout::{self, Answer, Look, Page};

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

async fn show(headers: HeaderMap, (State(console), visitor, Query(asked)): Look<Asked>) -> Answer {
    let only_errors = asked.only == "errors";
    let mut entries = console.journal.entries();
    entries.retain(|entry| entry.is_error || !only_errors);
    layout::render_live(&headers, Entries { entries }, |live| LogPage {
        page: Page::new("Log", "/log", &visitor),
        only_errors,
        live,
    })
}
