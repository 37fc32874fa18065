//! What filters and policies said, as it is kept: the same words as in the output of `scan --json`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::entry::ListedBy;
use super::transaction::milliseconds;
use crate::filter::{self, Action, Hit, Reason, Report};
use crate::{policy, verdict};

/// What one filter said of one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its name.
    pub filter: String,
    /// Whether it has checked the message.
    pub outcome: State,
    /// Why it has not; to be escaped wherever it is shown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What it found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<Hit>,
    /// From the end of the message to its outcome, milliseconds.
    #[serde(default)]
    pub milliseconds: f64,
}

/// Whether a filter has checked a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has.
    Checked,
    /// It had no need to.
    Skipped,
    /// It should have, and could not.
    Unscanned(Reason),
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// The score stayed below every threshold.
    Nothing,
    /// The score reached this threshold.
    Score(f64),
    /// A decisive hit.
    Hit {
        /// The filter that had it.
        filter: String,
        /// Its rule.
        rule: String,
    },
    /// A filter could not check the message.
    Failure {
        /// The filter.
        filter: String,
        /// Why it could not.
        reason: Reason,
    },
    /// Somebody released the message from the quarantine.
    Release,
    /// No copy of a message that was to be held back could be made durable.
    NotKept,
    /// The message was larger than one may be, or than there was room for.
    Size,
}

/// What the policy of some recipients said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Its name.
    pub policy: String,
    /// The recipients for whom it holds.
    pub recipients: Vec<String>,
    /// What it asked for.
    pub verdict: Action,
    /// The score under it.
    pub score: f64,
    /// What decided.
    pub decided_by: DecidedBy,
    /// The entry of an allow or deny list that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<ListedBy>,
    /// What the filters said under it, where that is not what stands with the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<Outcome>,
}

impl Outcome {
    /// What a report says.
    pub fn new(report: &Report) -> Outcome {
        let (outcome, detail) = match &report.outcome {
            filter::Outcome::Checked(_) => (State::Checked, ""),
            filter::Outcome::Skipped(why) => (State::Skipped, *why),
            filter::Outcome::Unscanned { reason, detail, .. } => {
                (State::Unscanned(*reason), detail.as_str())
            }
        };
        Outcome {
            filter: report.filter.to_owned(),
            outcome,
            detail: detail.to_owned(),
            hits: report.outcome.hits().iter().map(kept).collect(),
            milliseconds: milliseconds(report.elapsed),
        }
    }

    /// Whether it says the same, however long it took.
    pub fn says_the_same(&self, other: &Outcome) -> bool {
        let timeless = |o: &Outcome| (o.filter.clone(), o.outcome, o.detail.clone());
        timeless(self) == timeless(other) && self.hits == other.hits
    }
}

/// Every report, as it is kept.
pub(super) fn all(reports: &[Report]) -> Vec<Outcome> {
    reports.iter().map(Outcome::new).collect()
}

/// A hit with numbers that JSON has.
fn kept(hit: &Hit) -> Hit {
    Hit {
        score: finite(hit.score),
        shadow: hit.shadow.map(finite),
        uncapped: hit.uncapped.map(finite),
        ..hit.clone()
    }
}

/// In words, behind a verdict: `reject, score 20.00, at or above 15`. To be escaped wherever it is shown.
impl fmt::Display for DecidedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecidedBy::Nothing => f.write_str("below every threshold"),
            DecidedBy::Score(threshold) => write!(f, "at or above {threshold}"),
            DecidedBy::Hit { filter, rule } => write!(f, "decided by {filter} {rule}"),
            DecidedBy::Failure { filter, reason } => {
                write!(f, "because {filter} could not check it ({reason})")
            }
            DecidedBy::Release => f.write_str("because it was released from the quarantine"),
            DecidedBy::NotKept => f.write_str("because no copy of it could be kept"),
            DecidedBy::Size => f.write_str("because it is larger than there was room for"),
        }
    }
}

impl DecidedBy {
    /// In words that need no score before them: `score at or above 15`. To be escaped wherever it is shown.
    pub fn alone(&self) -> String {
        match self {
            DecidedBy::Nothing | DecidedBy::Score(_) => format!("score {self}"),
            other => other.to_string(),
        }
    }
}

impl From<&verdict::DecidedBy> for DecidedBy {
    fn from(by: &verdict::DecidedBy) -> DecidedBy {
        match by {
            verdict::DecidedBy::Nothing => DecidedBy::Nothing,
            verdict::DecidedBy::Score(threshold) => DecidedBy::Score(finite(*threshold)),
            verdict::DecidedBy::Hit { filter, rule } => DecidedBy::Hit {
                filter: (*filter).to_owned(),
                rule: rule.to_string(),
            },
            verdict::DecidedBy::Failure { filter, reason } => DecidedBy::Failure {
                filter: (*filter).to_owned(),
                reason: *reason,
            },
            verdict::DecidedBy::Release => DecidedBy::Release,
            verdict::DecidedBy::NotKept => DecidedBy::NotKept,
        }
    }
}

impl Share {
    /// What a policy said of a message whose filters have said `outcomes` under the policy that decided.
    pub(super) fn new(share: &policy::Share, outcomes: &[Outcome]) -> Share {
        let verdict = &share.verdict;
        let own = all(&verdict.reports);
        let listed = verdict.policy.as_ref().and_then(|p| p.listed.as_ref());
        Share {
            policy: share.policy.name().to_string(),
            recipients: share
                .recipients
                .iter()
                .map(|r| r.text().to_owned())
                .collect(),
            verdict: verdict.action,
            score: finite(verdict.score),
            decided_by: DecidedBy::from(&verdict.decided_by),
            listed: listed.map(ListedBy::from),
            outcomes: if own == outcomes { Vec::new() } else { own },
        }
    }
}

/// JSON has no other numbers.
pub(super) fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}
