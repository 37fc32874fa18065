//! The overview: what comes in and what becomes of it, how long it takes, and whether everything works that should.

mod course;
mod state;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use serde::Deserialize;

use super::access::Access;
use super::accounts::Role;
use super::chart::Chart;
use super::console::Shared;
use super::filters;
use super::layout::{self, Answer, Look, Page};
use super::samples::Span;
use course::Tile;
pub(super) use course::{Course, QUANTILES};
pub(super) use state::{
    ClamavRow, FilterRow, InForce, ZoneRow, clamav, filters as in_chain, zones,
};

pub(super) fn routes(access: &Access) -> Router<Shared> {
    access.allow(Role::Viewer, Router::new().route("/", get(overview)))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    span: String,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    page: Page,
    is_day: bool,
    live: Live,
}

/// The part that is refreshed.
#[derive(Template)]
#[template(path = "overview_live.html")]
struct Live {
    is_admin: bool,
    tiles: Vec<Tile>,
    mail: Chart,
    latency: Chart,
    filters: Vec<FilterRow>,
    zones: Vec<ZoneRow>,
    clamav: Vec<ClamavRow>,
    in_force: InForce,
}

async fn overview(
    headers: HeaderMap,
    (State(console), visitor, Query(wanted)): Look<Wanted>,
) -> Answer {
    let span = match wanted.span.as_str() {
        "day" => Span::Day,
        _ => Span::Hour,
    };
    let course = Course::new(&console, span);
    let live = Live {
        is_admin: visitor.may(Role::Admin),
        tiles: course.tiles(),
        mail: course.mail(),
        latency: course.latency(),
        filters: in_chain(&console),
        zones: zones(&console),
        clamav: clamav(&console),
        in_force: InForce::new(&console),
    };
    layout::render_live(&headers, live, |live| OverviewPage {
        page: Page::new("Overview", "/", &visitor),
        is_day: span == Span::Day,
        live,
    })
}
