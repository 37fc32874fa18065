//! Why a message got its verdict, as a part of a page: for messages of the history, of the quarantine, and for those
//! that are tried out.

use askama::Template;

use super::filters;
use crate::filter::rules::RuleSet;
use crate::filter::{Action, Hit};
use crate::history::{Entry, Outcome, State};
use crate::verdict::rounded;

/// Hits of a message that are shown.
const HITS: usize = 500;
/// Recipients that are shown.
const RECIPIENTS: usize = 100;

/// A hit, with what the rules in force know of its rule.
#[derive(Debug)]
struct HitRow {
    filter: String,
    hit: Hit,
    /// Description and place of the rule, when it is in force still.
    rule: Option<(String, String)>,
    /// What is special about it.
    notes: Vec<String>,
}

/// A filter and what it said.
#[derive(Debug)]
struct OutcomeRow {
    filter: String,
    class: &'static str,
    state: String,
    detail: String,
    points: f64,
    milliseconds: f64,
}

/// The explanation.
#[derive(Debug, Template)]
#[template(path = "explanation.html")]
pub(super) struct Explanation {
    entry: Entry,
    /// Class of the verdict.
    class: &'static str,
    decided: String,
    hits: Vec<HitRow>,
    /// Hits that are not shown.
    more_hits: usize,
    outcomes: Vec<OutcomeRow>,
    more_recipients: usize,
    /// Whether it is about a message that came, and not about a trial.
    is_real: bool,
}

impl Explanation {
    /// Of an entry of the history. `rules` are those in force.
    pub(super) fn new(entry: Entry, rules: Option<&RuleSet>, is_real: bool) -> Explanation {
        let mut hits: Vec<HitRow> = entry
            .hits()
            .map(|(filter, hit)| HitRow {
                filter: filter.to_owned(),
                rule: rules
                    .filter(|_| filter == "rules")
                    .and_then(|set| set.rule(&hit.rule))
                    .map(|rule| (rule.description().to_owned(), rule.origin().to_owned())),
                notes: notes(hit),
                hit: hit.clone(),
            })
            .collect();
        // What weighs most comes first; what decides before that.
        hits.sort_by(|a, b| {
            let key = |row: &HitRow| (row.hit.decisive.is_none(), -row.hit.score.abs());
            let ((a, x), (b, y)) = (key(a), key(b));
            a.cmp(&b).then(x.total_cmp(&y))
        });
        let more_hits = hits.len().saturating_sub(HITS);
        hits.truncate(HITS);
        Explanation {
            class: verdict_class(entry.verdict),
            decided: entry.decided_by.alone(),
            outcomes: entry.outcomes.iter().map(outcome).collect(),
            more_recipients: entry.recipient_count.saturating_sub(RECIPIENTS),
            more_hits,
            hits,
            entry,
            is_real,
        }
    }

    fn recipients(&self) -> impl Iterator<Item = &String> {
        self.entry.recipients.iter().take(RECIPIENTS)
    }
}

/// The class of a verdict, as the style names colours.
pub(super) fn verdict_class(verdict: Action) -> &'static str {
    match verdict {
        Action::Deliver => "v-deliver",
        Action::Tag => "v-tag",
        Action::Quarantine => "v-quarantine",
        Action::Tempfail => "v-tempfail",
        Action::Discard => "v-discard",
        Action::Reject => "v-reject",
    }
}

fn notes(hit: &Hit) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(hit.decisive.map(|action| format!("decides: {action}")));
    notes.extend(
        hit.shadow
            .map(|points| format!("on trial, would be {points:.2}")),
    );
    notes.extend(
        hit.uncapped
            .map(|points| format!("{points:.2} before the cap of its group")),
    );
    notes.extend(hit.labels.iter().map(|label| format!("label {label}")));
    notes
}

fn outcome(outcome: &Outcome) -> OutcomeRow {
    let (class, state) = match outcome.outcome {
        State::Checked => ("good", "checked".to_owned()),
        State::Skipped => ("", "skipped".to_owned()),
        State::Unscanned(reason) => ("bad", format!("not scanned: {reason}")),
    };
    OutcomeRow {
        filter: outcome.filter.clone(),
        class,
        state,
        detail: outcome.detail.clone(),
        points: rounded(outcome.hits.iter().map(|hit| hit.score).sum()),
        milliseconds: outcome.milliseconds,
    }
}
