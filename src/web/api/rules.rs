//! The rules in force: what each is worth, what it costs and how often it has hit; one of them with its source; and a
//! message tried out.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use serde::{Deserialize, Serialize};

use super::super::console::Shared;
use super::super::refusal::Refusal;
use super::super::rules::trial::Tried;
use super::super::rules::{Known, Row, Source, Words};
use super::answer::{Json, Page, Problem, at, query};
use super::messages::limit;
use super::verdict;
use crate::filter::Action;
use crate::filter::rules::{Cost, Rule, RuleSet, Step};
use crate::history::Entry;

/// Rules of one page, at most.
const PAGE: usize = 1_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    text: String,
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
    lately: Option<Lately>,
    /// How much of each message it looks at.
    cost: Option<Cost>,
    measured: Option<OnSortedMail>,
}

/// What became of messages of the last seven days that a rule has hit.
#[derive(Serialize)]
struct Lately {
    messages: u64,
    stopped: u64,
}

/// What a rule came to on sorted mail.
#[derive(Serialize)]
struct OnSortedMail {
    at: Option<String>,
    /// Whether the rules in force are those that were measured.
    current: bool,
    ham: usize,
    spam: usize,
    so: Option<f64>,
    /// Microseconds for an average message.
    us: f64,
}

impl RuleInForce {
    fn new(known: &Known, set: &RuleSet, rule: &Rule) -> RuleInForce {
        let Row {
            id,
            description,
            origin,
            score,
            cost,
            hits,
            lately,
            measured,
            ..
        } = known.row(set, rule);
        let measured = known.measured.as_ref().zip(measured);
        RuleInForce {
            id,
            description,
            score,
            shadow: rule.is_shadow(),
            decisive: rule.decisive(),
            origin,
            hits,
            lately: lately.map(|(messages, stopped)| Lately { messages, stopped }),
            cost,
            measured: measured.map(|(all, one)| OnSortedMail {
                at: at(all.at),
                current: !known.is_old(Some(set)),
                ham: one.ham,
                spam: one.spam,
                so: one.so,
                us: one.us,
            }),
        }
    }
}

pub(super) async fn list(
    State(console): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Page<RuleInForce>>, Problem> {
    let asked: Asked = query(raw.as_deref())?;
    let most = limit(asked.limit, PAGE)?;
    let engine = console.services.engine.load_full();
    let Some(set) = engine.rules() else {
        let (items, next) = (Vec::new(), None);
        return Ok(Json(Page { items, next }));
    };
    let rules = set.rules();
    // The id of the last rule that was shown: another rule set may have come since.
    let begin = match &asked.cursor {
        None => 0,
        Some(last) => {
            let found = rules.iter().position(|rule| rule.id() == last);
            found.ok_or_else(|| Problem::invalid(&"the rules have changed: begin again"))? + 1
        }
    };
    let known = Known::new(&console).await?;
    let words = Words::of(&asked.text);
    let found = rules.iter().skip(begin).filter(|rule| words.find(rule));
    let found: Vec<&Rule> = found.take(most + 1).collect();
    let id = |rule: &&Rule| rule.id().to_owned();
    let shown = |rule: &Rule| RuleInForce::new(&known, set, rule);
    Ok(Json(Page::of(found, most, id, shown)))
}

/// A rule with its source.
#[derive(Serialize)]
pub(super) struct RuleWhole {
    #[serde(flatten)]
    rule: RuleInForce,
    /// As it stands in its file now.
    text: Option<String>,
    refers_to: Vec<String>,
    referred_by: Vec<String>,
    labels: Vec<String>,
    expires: Option<String>,
    group: Option<Group>,
}

/// Rules that have a cap together.
#[derive(Serialize)]
struct Group {
    name: String,
    cap: f64,
}

pub(super) async fn one(
    State(console): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<RuleWhole>, Problem> {
    let engine = console.services.engine.load_full();
    let set = engine.rules().ok_or(Refusal::NotFound)?;
    let rule = set.rule(&id).ok_or(Refusal::NotFound)?;
    let known = Known::new(&console).await?;
    let source = Source::of(&engine, id).await?;
    Ok(Json(RuleWhole {
        text: source.text,
        refers_to: source.refers_to,
        referred_by: source.referred_by,
        labels: rule.labels().iter().map(ToString::to_string).collect(),
        expires: rule.expires().map(|day| day.to_string()),
        group: set.group_of(rule).map(|group| Group {
            name: group.name().to_owned(),
            cap: group.cap(),
        }),
        rule: RuleInForce::new(&known, set, rule),
    }))
}

/// What becomes of a message that is tried out.
#[derive(Serialize)]
pub(super) struct Trial {
    /// Of configuration, rules and model.
    version: String,
    message: Entry,
    /// The conditions of the rule that was asked for.
    steps: Option<Vec<Step>>,
}

pub(super) async fn trial(
    State(console): State<Shared>,
    RawQuery(raw): RawQuery,
    body: Bytes,
) -> Result<Json<Trial>, Problem> {
    let (rule, envelope) = verdict::of_trial(raw.as_deref())?;
    if body.is_empty() {
        return Err(Problem::invalid(&"the message is missing"));
    }
    let tried = Tried::in_turn(&console, envelope, body).await?;
    let steps = match &rule {
        None => None,
        Some(rule) => {
            let steps = tried.steps(rule).await?;
            Some(steps.ok_or_else(|| Problem::invalid(&"there is no such rule in force"))?)
        }
    };
    Ok(Json(Trial {
        version: tried.engine.version().to_owned(),
        message: tried.entry,
        steps,
    }))
}
