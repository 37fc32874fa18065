//! The audit log: what was changed, by whom, from where.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use serde::Deserialize;

use super::access::Access;
use super::accounts::{AuditLine, Role};
use super::console::Shared;
use super::layout::{self, Answer, Look, Page};
use super::{filters, login};

/// Lines of a page.
const PAGE: u32 = 100;
/// Longest search, characters.
const WORD: usize = 200;

pub(super) fn routes(access: &Access) -> Router<Shared> {
    access.allow(Role::Admin, Router::new().route("/audit", get(show)))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Asked {
    q: String,
    before: Option<i64>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    page: Page,
    q: String,
    lines: Vec<AuditLine>,
    older: Option<String>,
}

async fn show((State(console), visitor, Query(asked)): Look<Asked>) -> Answer {
    let q: String = asked.q.trim().chars().take(WORD).collect();
    let lines = console.accounts.audit(asked.before, &q, PAGE).await?;
    let full = lines.len() >= PAGE as usize;
    let older = lines
        .last()
        .filter(|_| full)
        .map(|last| format!("/audit?q={}&before={}", login::encoded(&q), last.id));
    layout::render(&AuditPage {
        page: Page::new("Audit log", "/audit", &visitor),
        q,
        lines,
        older,
    })
}
