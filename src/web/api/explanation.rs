//! Why a message got its verdict, with what the rules in force know of its hits.

use axum::extract::{Path, State};
use serde::Serialize;

use super::super::console::Shared;
use super::super::refusal::Refusal;
use super::answer::{Json, Problem};
use super::messages::refused;
use crate::filter::{Action, Hit};
use crate::history::{Entry, Outcome};

/// The reasons.
#[derive(Serialize)]
pub(super) struct Explained {
    id: String,
    verdict: Action,
    score: f64,
    /// In words.
    decided_by: String,
    answer: String,
    /// Those that decide, then those that weigh most.
    hits: Vec<Explanation>,
    outcomes: Vec<Outcome>,
}

/// A hit.
#[derive(Serialize)]
struct Explanation {
    filter: String,
    #[serde(flatten)]
    hit: Hit,
    /// What the rule is about and where it stands, if it is in force still.
    description: Option<String>,
    origin: Option<String>,
}

pub(super) async fn explanation(
    State(console): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Explained>, Problem> {
    let entry = console.services.history.get(&id).await.map_err(refused)?;
    let entry: Entry = entry.ok_or(Refusal::NotFound)?;
    let engine = console.services.engine.load();
    let explained = |(filter, hit): (&str, &Hit)| {
        let rules = engine.rules().filter(|_| filter == "rules");
        let rule = rules.and_then(|set| set.rule(&hit.rule));
        Explanation {
            filter: filter.to_owned(),
            hit: hit.clone(),
            description: rule.map(|rule| rule.description().to_owned()),
            origin: rule.map(|rule| rule.origin().to_owned()),
        }
    };
    let mut hits: Vec<Explanation> = entry.hits().map(explained).collect();
    hits.sort_by(|a, b| {
        let weight = |e: &Explanation| e.hit.score.abs();
        let decides = |e: &Explanation| e.hit.decisive.is_some();
        (decides(b).cmp(&decides(a))).then(weight(b).total_cmp(&weight(a)))
    });
    Ok(Json(Explained {
        decided_by: entry.decided_by.alone(),
        hits,
        id: entry.id,
        verdict: entry.verdict,
        score: entry.score,
        answer: entry.answer,
        outcomes: entry.outcomes,
    }))
}
