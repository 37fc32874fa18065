//! The rules in force, with their hits since the start.

use std::collections::HashMap;

use axum::extract::{RawQuery, State};
use serde::{Deserialize, Serialize};

use super::super::console::Shared;
use super::super::readings;
use super::answer::{Json, Page, Problem, query};
use super::messages::limit;
use crate::filter::Action;

/// Rules of one page, at most.
const PAGE: usize = 1_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// A rule.
#[derive(Serialize)]
pub(super) struct RuleInForce {
    id: String,
    description: String,
    score: f64,
    /// Whether it is on trial and weighs nothing.
    shadow: bool,
    decisive: Option<Action>,
    /// File and line.
    origin: String,
    hits: u64,
}

pub(super) async fn list(
    State(console): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Page<RuleInForce>>, Problem> {
    let asked: Asked = query(raw.as_deref())?;
    let most = limit(asked.limit, PAGE)?;
    let engine = console.services.engine.load_full();
    let rules = engine.rules().map_or(&[][..], |set| set.rules());
    // The id of the last rule that was shown: another rule set may have come since.
    let begin = match &asked.cursor {
        None => 0,
        Some(last) => {
            let found = rules.iter().position(|rule| rule.id() == last);
            found.ok_or_else(|| Problem::invalid(&"the rules have changed: begin again"))? + 1
        }
    };
    let mut hits: HashMap<String, u64> = HashMap::new();
    for (mut labels, count) in readings::counts(&console.services.metrics.hits) {
        if let Some(rule) = labels.remove("rule") {
            *hits.entry(rule).or_default() += count;
        }
    }
    let page = rules.iter().skip(begin).take(most);
    let items: Vec<RuleInForce> = page
        .map(|rule| RuleInForce {
            id: rule.id().to_owned(),
            description: rule.description().to_owned(),
            score: rule.score(),
            shadow: rule.is_shadow(),
            decisive: rule.decisive(),
            origin: rule.origin().to_owned(),
            hits: hits.get(rule.id()).copied().unwrap_or(0),
        })
        .collect();
    let more = begin + items.len() < rules.len();
    let next = items.last().filter(|_| more).map(|rule| rule.id.clone());
    Ok(Json(Page { items, next }))
}
