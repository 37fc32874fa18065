//! Learning from clear verdicts, without a person: off unless it is switched on.
//!
//! In: a message and what every filter said of it. Out: at most one lesson for the journal. Only what the *other*
//! filters said counts, so the classifier cannot confirm itself; a message that any filter could not see whole
//! teaches nothing, nor one of which the classifier is sure of the opposite, nor one on which a decisive hit says the
//! opposite: a virus or a sender on a deny list is no ham whatever the score, and a sender whom the admin allows no spam. Neither
//! class is learned past `balance` times the other, lessons on their way included. A lesson of this kind never changes what a person said (see
//! [`lesson`](super::lesson)).

use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{Problem, Source, span_of};
use crate::filter::{Action, Hit, Outcome, Report, Scan};

use super::Class;
use super::engine::{Engine, Judgement};
use super::lesson::{Lesson, Origin, Teaching};

/// Of the opposite class with this probability: then the others may be wrong.
const SURE: f64 = 0.95;

/// The section `autolearn` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Autolearn {
    /// Whether it happens at all; default false.
    pub enabled: bool,
    /// A message is ham when the other filters' scores add up to this or less; default -1.
    pub ham_below: f64,
    /// A message is spam when the other filters' scores add up to this or more; default 15.
    pub spam_above: Spanned<f64>,
    /// Neither class is learned past so many times the other; 1 to 100, default 3.
    pub balance: Spanned<f64>,
}

impl Default for Autolearn {
    fn default() -> Self {
        Autolearn {
            enabled: false,
            ham_below: -1.0,
            spam_above: crate::config::unwritten(15.0),
            balance: crate::config::unwritten(3.0),
        }
    }
}

impl Autolearn {
    /// What is wrong with the values.
    pub(super) fn problems(&self, source: &Source) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (ham, spam) = (self.ham_below, self.spam_above.value);
        if !(ham.is_finite() && spam.is_finite() && ham + 1.0 <= spam) {
            problems.push(Problem::at(
                source,
                span_of(&self.spam_above),
                format!("spam_above must be at least 1 more than ham_below, which is {ham}"),
            ));
        }
        if !(1.0..=100.0).contains(&self.balance.value) {
            problems.push(Problem::at(
                source,
                span_of(&self.balance),
                format!("balance is between 1 and 100, not {}", self.balance.value),
            ));
        }
        problems
    }

    /// What a message teaches, if anything; `at` in seconds since 1970.
    pub(super) fn lesson(
        &self,
        engine: &Engine,
        scan: &Arc<Scan>,
        reports: &[Report],
        max_bytes: usize,
        at: u64,
    ) -> Option<Lesson> {
        if !self.enabled || reports.is_empty() {
            return None;
        }
        let unseen = |r: &Report| matches!(r.outcome, Outcome::Unscanned { .. });
        if reports.iter().any(unseen) {
            return None;
        }
        let others = reports.iter().filter(|r| r.filter != "bayes");
        let hits = || others.clone().flat_map(|r| r.outcome.hits());
        let score: f64 = hits().map(|hit| hit.score).sum();
        let class = if score <= self.ham_below {
            Class::Ham
        } else if score >= self.spam_above.value {
            Class::Spam
        } else {
            return None;
        };
        let decided_otherwise = |hit: &Hit| match class {
            Class::Ham => hit.ends(),
            Class::Spam => hit.decisive == Some(Action::Deliver),
        };
        if hits().any(decided_otherwise) {
            return None;
        }
        let facts = engine.facts();
        let (this, other) = match class {
            Class::Ham => (facts.ham, facts.spam),
            Class::Spam => (facts.spam, facts.ham),
        };
        if !self.balances(this, other) {
            return None;
        }
        let Judgement { probability, .. } = engine.judge(&scan.mail, max_bytes, 0);
        let opposite = match class {
            Class::Ham => probability,
            Class::Spam => 1.0 - probability,
        };
        if opposite >= SURE {
            return None;
        }
        engine.lesson(&scan.mail, Teaching::Learn(class), Origin::Auto, at)
    }

    /// Whether one more message of a class may be learned, when `this` many of it and `other` many of the other are.
    pub(super) fn balances(&self, this: u64, other: u64) -> bool {
        this as f64 + 1.0 <= self.balance.value * (other as f64 + 1.0)
    }
}
