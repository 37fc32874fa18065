//! The rules in force: what each is worth, what it costs, how often it has hit; one of them with its source; and a
//! box in which a message is tried out.

mod measured;
mod one;
pub(in crate::web) mod trial;

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::access::Access;
use super::accounts::Role;
use super::console::{Console, Shared};
use super::layout::{self, Answer, Look, Page};
use super::readings::counts;
use super::refusal::Refusal;
use super::{filters, login};
use crate::filter::rules::{Cost, Rule, RuleSet};
use crate::tuning::report::Profiled;

pub(super) use measured::KeptProfile;
use measured::Measured;
pub(super) use one::Source;

/// Rules of a page.
const PAGE: usize = 100;
/// Words of a search.
const WORDS: usize = 10;
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

/// A rule, with what is known of it.
#[derive(Debug)]
pub(in crate::web) struct Row {
    pub(in crate::web) id: String,
    pub(in crate::web) description: String,
    pub(in crate::web) origin: String,
    pub(in crate::web) score: f64,
    /// What it does, and the class of the word.
    pub(super) does: (&'static str, &'static str),
    pub(in crate::web) cost: Option<Cost>,
    pub(in crate::web) hits: u64,
    /// Messages of the last days that it has hit, and how many of them did not pass; only of the most frequent rules.
    pub(in crate::web) lately: Option<(u64, u64)>,
    /// What it came to on sorted mail.
    pub(in crate::web) measured: Option<Profiled>,
}

impl Row {
    /// How much of each message it looks at.
    fn looks_at(&self) -> &'static str {
        match self.cost {
            Some(Cost::Gated) | None => "nothing, unless one of its words occurs",
            Some(Cost::Short) => "subjects, names and addresses of each message",
            Some(Cost::Long) => "the text of each message",
        }
    }

    /// What rules are ordered by where S/O is wanted: those that tell most of spam first, unmeasured ones last.
    fn so(&self) -> f64 {
        self.measured.as_ref().and_then(|m| m.so).unwrap_or(-1.0)
    }

    /// The same of cost: time where it was measured, then how much is looked at.
    fn time(&self) -> (f64, Option<Cost>) {
        (self.measured.as_ref().map_or(-1.0, |m| m.us), self.cost)
    }
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
pub(in crate::web) struct Known {
    hits: HashMap<String, u64>,
    lately: HashMap<String, (u64, u64)>,
    pub(in crate::web) measured: Option<Arc<Measured>>,
    /// Why nothing is known of what they were measured to be.
    problem: Option<String>,
}

impl Known {
    pub(in crate::web) async fn new(console: &Arc<Console>) -> Result<Known, Refusal> {
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
        let (measured, problem) = match Measured::of(console).await? {
            Ok(measured) => (measured, None),
            Err(why) => (None, Some(why)),
        };
        Ok(Known {
            hits,
            lately: lately.collect(),
            measured,
            problem,
        })
    }

    /// Whether these are other rules than those that were measured.
    pub(in crate::web) fn is_old(&self, set: Option<&RuleSet>) -> bool {
        let measured = self.measured.as_ref();
        measured.is_some_and(|m| !set.is_some_and(|set| m.is_of(set)))
    }

    pub(in crate::web) fn row(&self, set: &RuleSet, rule: &Rule) -> Row {
        Row {
            id: rule.id().to_owned(),
            description: rule.description().to_owned(),
            origin: rule.origin().to_owned(),
            score: rule.score(),
            does: does(rule),
            cost: set.cost(rule.id()),
            hits: self.hits.get(rule.id()).copied().unwrap_or(0),
            lately: self.lately.get(rule.id()).copied(),
            measured: self
                .measured
                .as_ref()
                .and_then(|m| m.rule(rule.id()).cloned()),
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
    measured: Option<Arc<Measured>>,
    /// Whether the rules have changed since they were measured.
    is_old: bool,
    unmeasured: Option<String>,
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

/// Words that people look for rules with; as many as [`WORDS`].
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn of(text: &str) -> Words {
        let lower = text.to_lowercase();
        let words = lower.split_whitespace().take(WORDS);
        Words(words.map(str::to_owned).collect())
    }

    /// Whether all of them stand in what the rule is called, means, does or where it comes from.
    pub(super) fn find(&self, rule: &Rule) -> bool {
        let text = format!("{} {} {}", rule.id(), rule.description(), rule.origin());
        let text = format!("{} {}", text.to_lowercase(), does(rule).0);
        self.0.iter().all(|word| text.contains(word.as_str()))
    }
}

async fn list((State(console), visitor, Query(asked)): Look<Asked>) -> Answer {
    let engine = console.services.engine.load_full();
    let known = Known::new(&console).await?;
    let words = Words::of(&asked.q);
    let mut rows: Vec<Row> = Vec::new();
    let mut all = 0;
    if let Some(set) = engine.rules() {
        all = set.rules().len();
        rows = set
            .rules()
            .iter()
            .filter(|rule| words.find(rule))
            .map(|rule| known.row(set, rule))
            .collect();
    }
    match asked.sort.as_str() {
        "score" => rows.sort_by(|a, b| b.score.total_cmp(&a.score)),
        "hits" => rows.sort_by_key(|row| std::cmp::Reverse(row.hits)),
        "so" => rows.sort_by(|a, b| b.so().total_cmp(&a.so())),
        "cost" => rows.sort_by(|a, b| {
            let ((a, looks_at), (b, other)) = (a.time(), b.time());
            b.total_cmp(&a).then(other.cmp(&looks_at))
        }),
        _ => rows.sort_by(|a, b| a.id.cmp(&b.id)),
    }
    let found = rows.len();
    let pages = found.div_ceil(PAGE).max(1);
    let first = asked.page.min(pages - 1) * PAGE;
    let rows = rows.into_iter().skip(first).take(PAGE).collect();
    let problem = console.services.reload_problem.load();
    layout::render(&RulesPage {
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
        is_old: known.is_old(engine.rules().map(AsRef::as_ref)),
        measured: known.measured,
        unmeasured: known.problem,
    })
}
