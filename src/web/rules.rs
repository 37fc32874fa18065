//! The rules in force: what each is worth, what it costs, how often it has hit; one of them with its source; and a
//! box in which a message is tried out.

mod one;
mod trial;

use std::collections::HashMap;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::access::Access;
use super::accounts::Role;
use super::console::{Console, Shared};
use super::layout::{self, Page};
use super::readings::counts;
use super::refusal::Refusal;
use super::{Visitor, filters, login};
use crate::filter::rules::{Rule, RuleSet};

/// Rules of a page.
const PAGE: usize = 100;
/// How far back the history is asked what became of messages that a rule has hit.
const DAYS: i64 = 7;
/// Longest form of the test box: a message of 1 MiB, each byte written as three, and the envelope.
const TRIAL_FORM: usize = 3 * trial::MESSAGE + (64 << 10);

pub(super) fn routes(access: &Access) -> Router<Shared> {
    let look = Router::new()
        .route("/rules", get(list))
        .route("/rules/{id}", get(one::show));
    let trial = Router::new().route("/rules/trial", get(trial::form).post(trial::examine));
    access
        .allow(Role::Viewer, look)
        .merge(access.allow_bytes(Role::Analyst, TRIAL_FORM, trial))
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    sort: String,
    page: usize,
}

/// A rule in the list.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) description: String,
    pub(super) origin: String,
    pub(super) score: f64,
    /// What it does, and the class of the word.
    pub(super) does: (&'static str, &'static str),
    pub(super) cost: &'static str,
    pub(super) hits: u64,
    /// Messages of the last days that it has hit, and how many of them did not pass; only of the most frequent rules.
    pub(super) lately: Option<(u64, u64)>,
}

/// What a hit does.
fn does(rule: &Rule) -> (&'static str, &'static str) {
    match (rule.is_silent(), rule.is_shadow(), rule.decisive()) {
        (true, ..) => ("serves others", ""),
        (_, true, _) => ("on trial", "warn"),
        (_, _, Some(_)) => ("decides", "bad"),
        _ => ("scores", "good"),
    }
}

/// What is known of rules beside the set.
struct Known {
    hits: HashMap<String, u64>,
    lately: HashMap<String, (u64, u64)>,
}

impl Known {
    async fn new(console: &Console) -> Known {
        let mut hits: HashMap<String, u64> = HashMap::new();
        for (labels, n) in counts(&console.services.metrics.hits) {
            if let Some(rule) = labels.get("rule") {
                *hits.entry(rule.clone()).or_default() += n;
            }
        }
        let now = Timestamp::now();
        let from = now - SignedDuration::from_hours(24 * DAYS);
        // Without a history the column stays empty.
        let lately = match console.services.history.overview(from, now).await {
            Ok(overview) => overview.rules,
            Err(_) => Vec::new(),
        };
        let lately = lately
            .into_iter()
            .map(|r| (r.word, (r.messages, r.stopped)));
        Known {
            hits,
            lately: lately.collect(),
        }
    }

    fn row(&self, set: &RuleSet, rule: &Rule) -> Row {
        Row {
            id: rule.id().to_owned(),
            description: rule.description().to_owned(),
            origin: rule.origin().to_owned(),
            score: rule.score(),
            does: does(rule),
            cost: set.cost(rule.id()).map_or("", |cost| cost.name()),
            hits: self.hits.get(rule.id()).copied().unwrap_or(0),
            lately: self.lately.get(rule.id()).copied(),
        }
    }
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    page: Page,
    asked: Asked,
    rows: Vec<Row>,
    /// Rules that were found, and all.
    found: usize,
    all: usize,
    version: String,
    problem: Option<(String, i64)>,
    pages: usize,
}

impl RulesPage {
    /// The same list by another column, or another page of it.
    fn path(&self, sort: &str, page: usize) -> String {
        let q = login::encoded(&self.asked.q);
        format!("/rules?q={q}&sort={sort}&page={page}")
    }

    fn sorted(&self, sort: &str) -> &'static str {
        let by = if self.asked.sort.is_empty() {
            "id"
        } else {
            &self.asked.sort
        };
        match (by == sort, sort) {
            (true, "id") => "ascending",
            (true, _) => "descending",
            (false, _) => "none",
        }
    }
}

async fn list(
    State(console): State<Shared>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<impl IntoResponse, Refusal> {
    let engine = console.services.engine.load_full();
    let known = Known::new(&console).await;
    let words: Vec<String> = asked
        .q
        .to_lowercase()
        .split_whitespace()
        .take(10)
        .map(str::to_owned)
        .collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut all = 0;
    if let Some(set) = engine.rules() {
        all = set.rules().len();
        let fits = |rule: &&Rule| {
            let text = format!("{} {} {}", rule.id(), rule.description(), rule.origin());
            let text = format!("{} {}", text.to_lowercase(), does(rule).0);
            words.iter().all(|word| text.contains(word.as_str()))
        };
        rows = set
            .rules()
            .iter()
            .filter(fits)
            .map(|rule| known.row(set, rule))
            .collect();
    }
    match asked.sort.as_str() {
        "score" => rows.sort_by(|a, b| b.score.total_cmp(&a.score)),
        "hits" => rows.sort_by_key(|row| std::cmp::Reverse(row.hits)),
        "cost" => rows.sort_by_key(|row| {
            std::cmp::Reverse(
                ["gated", "short", "long"]
                    .iter()
                    .position(|c| *c == row.cost),
            )
        }),
        _ => rows.sort_by(|a, b| a.id.cmp(&b.id)),
    }
    let found = rows.len();
    let pages = found.div_ceil(PAGE).max(1);
    let first = asked.page.min(pages - 1) * PAGE;
    let rows = rows.into_iter().skip(first).take(PAGE).collect();
    let problem = console.services.reload_problem.load();
    let page: Html<String> = layout::render(&RulesPage {
        problem: problem
            .as_deref()
            .filter(|_| visitor.may(Role::Analyst))
            .map(|p| (p.text.clone(), p.at.as_second())),
        page: Page::new("Rules", "/rules", &visitor),
        asked,
        rows,
        found,
        all,
        version: engine
            .rules()
            .map(|set| set.version().to_owned())
            .unwrap_or_default(),
        pages,
    })?;
    Ok(page)
}
