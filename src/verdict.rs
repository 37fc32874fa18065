//! From the outcomes of the chain to one verdict: a pure function.
//!
//! A decisive hit wins outright, the first in the order of the chain; one that delivers only sets the score
//! aside, and what could not be checked is still looked at. Otherwise the strictest of what
//! the score and the failures ask for: deliver, tag, quarantine, tempfail, reject. So a message that
//! is certain to be refused is refused although ClamAV is down, but nothing is delivered or quarantined
//! on the strength of a scan that did not happen.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

pub use crate::filter::Report;
use crate::filter::{Action, FailureAction, Hit, Outcome, Reason};

/// Scores from which on an action is taken; `None` never takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Mark as spam.
    pub tag: Option<f64>,
    /// Hold back.
    pub quarantine: Option<f64>,
    /// Refuse.
    pub reject: Option<f64>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            tag: Some(5.0),
            quarantine: Some(8.0),
            reject: Some(15.0),
        }
    }
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// The score stayed below every threshold.
    Nothing,
    /// The score reached this threshold.
    Score(f64),
    /// A decisive hit.
    Hit {
        /// The filter that had it.
        filter: &'static str,
        /// Its rule.
        rule: Arc<str>,
    },
    /// A filter could not check the message, and its failure policy asks for this.
    Failure {
        /// The filter.
        filter: &'static str,
        /// Why it could not.
        reason: Reason,
    },
    /// Somebody released the message from the quarantine.
    Release,
    /// The message was to be held back or discarded, and no copy could be made durable.
    NotKept,
}

/// The entry of an allow or deny list that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// `allow` or `deny`.
    pub list: &'static str,
    /// File and line: `lists/partners.txt:12`.
    pub place: String,
    /// The entry.
    pub entry: String,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.list, self.place, self.entry)
    }
}

/// The policy under which a verdict was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Its name, `[a-z0-9_-]`.
    pub policy: Arc<str>,
    /// The entry of an allow or deny list, if one decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<Listed>,
}

/// The end of a transaction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What becomes of the message.
    pub action: Action,
    /// Sum of the scores of all hits, rounded to hundredths.
    pub score: f64,
    /// What decided.
    pub decided_by: DecidedBy,
    /// Under which policy; `None` where there is only one for all mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Decision>,
    /// What each filter said, in the order of the chain.
    pub reports: Vec<Report>,
}

impl Verdict {
    /// Every hit with the filter that had it, in the order of the chain.
    pub fn hits(&self) -> impl Iterator<Item = (&'static str, &Hit)> + Clone {
        self.reports
            .iter()
            .flat_map(|r| r.outcome.hits().iter().map(|h| (r.filter, h)))
    }

    /// The labels that hits put on the message, each once, sorted.
    pub fn labels(&self) -> Vec<&str> {
        labels(self.hits())
    }

    /// Filters that could not check the message, with the reason.
    pub fn unscanned(&self) -> impl Iterator<Item = (&'static str, Reason)> {
        self.reports.iter().filter_map(|r| match r.outcome {
            Outcome::Unscanned { reason, .. } => Some((r.filter, reason)),
            _ => None,
        })
    }

    /// A verdict that a person made by releasing the message.
    pub fn released() -> Verdict {
        Verdict {
            action: Action::Deliver,
            score: 0.0,
            decided_by: DecidedBy::Release,
            policy: None,
            reports: Vec::new(),
        }
    }

    /// The verdict on a copy of a released message that was sent once more since: the newer one is delivered.
    pub fn superseded() -> Verdict {
        Verdict {
            action: Action::Discard,
            ..Verdict::released()
        }
    }

    /// The verdict when no durable copy could be made of a message that was to be held back or discarded:
    /// what the filters said stays, and the client is told to try again.
    pub fn not_kept(self) -> Verdict {
        Verdict {
            action: Action::Tempfail,
            decided_by: DecidedBy::NotKept,
            ..self
        }
    }

    /// The verdict that a decisive hit gives before the message has come.
    pub fn early(filter: &'static str, hit: Hit) -> Verdict {
        Verdict {
            action: hit.decisive.unwrap_or(Action::Reject),
            score: rounded(hit.score),
            decided_by: DecidedBy::Hit {
                filter,
                rule: hit.rule.clone(),
            },
            policy: None,
            reports: vec![Report {
                filter,
                outcome: Outcome::Checked(vec![hit]),
                elapsed: std::time::Duration::ZERO,
            }],
        }
    }
}

/// The labels that hits put on a message, each once, sorted.
pub fn labels<'a>(hits: impl Iterator<Item = (&'static str, &'a Hit)>) -> Vec<&'a str> {
    let mut labels: Vec<&str> = hits
        .flat_map(|(_, hit)| hit.labels.iter().map(|l| &**l))
        .collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}

/// Sums of decimal fractions in binary: 0.1 + 0.2 must not miss a threshold of 0.3. The sum of nothing, which is -0 by
/// IEEE 754, is 0.
pub(crate) fn rounded(score: f64) -> f64 {
    let rounded = (score * 100.0).round() / 100.0;
    if rounded == 0.0 { 0.0 } else { rounded }
}

/// Decides. `failure` gives the policy of a filter for a reason.
pub fn decide(
    reports: Vec<Report>,
    thresholds: &Thresholds,
    failure: impl Fn(&str, Reason) -> FailureAction,
) -> Verdict {
    let score = rounded(
        reports
            .iter()
            .flat_map(|r| r.outcome.hits())
            .map(|h| h.score)
            .sum(),
    );
    let decisive = |ends: bool| {
        reports.iter().find_map(|r| {
            let mut hits = r.outcome.hits().iter();
            let hit = hits.find(|h| h.decisive.is_some() && h.ends() == ends)?;
            let rule = hit.rule.clone();
            let filter = r.filter;
            Some((hit.decisive?, DecidedBy::Hit { filter, rule }))
        })
    };
    let (action, decided_by) = decisive(true).unwrap_or_else(|| {
        let mut strictest = decisive(false).unwrap_or_else(|| by_score(score, thresholds));
        for report in &reports {
            if let Outcome::Unscanned { reason, .. } = report.outcome {
                let action = failure(report.filter, reason).action();
                if action > strictest.0 {
                    let filter = report.filter;
                    strictest = (action, DecidedBy::Failure { filter, reason });
                }
            }
        }
        strictest
    });
    Verdict {
        action,
        score,
        decided_by,
        policy: None,
        reports,
    }
}

fn by_score(score: f64, thresholds: &Thresholds) -> (Action, DecidedBy) {
    [
        (Action::Reject, thresholds.reject),
        (Action::Quarantine, thresholds.quarantine),
        (Action::Tag, thresholds.tag),
    ]
    .into_iter()
    .find_map(|(action, threshold)| {
        let threshold = threshold.filter(|t| score >= *t)?;
        Some((action, DecidedBy::Score(threshold)))
    })
    .unwrap_or((Action::Deliver, DecidedBy::Nothing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn report(filter: &'static str, outcome: Outcome) -> Report {
        Report {
            filter,
            outcome,
            elapsed: Duration::ZERO,
        }
    }

    fn scored(score: f64) -> Report {
        report("rules", Outcome::Checked(vec![Hit::new("R", score, "")]))
    }

    fn down() -> Report {
        report("clamav", Outcome::unscanned(Reason::Down, ""))
    }

    fn action(reports: Vec<Report>, failure: FailureAction) -> Action {
        decide(reports, &Thresholds::default(), |_, _| failure).action
    }

    #[test]
    fn the_score_chooses_the_action() {
        use Action::*;
        for (score, expected) in [
            (-3.0, Deliver),
            (4.99, Deliver),
            (5.0, Tag),
            (7.99, Tag),
            (8.0, Quarantine),
            (14.99, Quarantine),
            (15.0, Reject),
        ] {
            assert_eq!(
                action(vec![scored(score)], FailureAction::Deliver),
                expected,
                "{score}"
            );
        }
        let sum = vec![scored(4.9), scored(0.1)];
        assert_eq!(action(sum, FailureAction::Deliver), Tag);
    }

    #[test]
    fn failure_and_score_give_the_stricter_action() {
        use Action::*;
        use FailureAction as F;
        for (score, failure, expected) in [
            (0.0, F::Deliver, Deliver),
            (0.0, F::Quarantine, Quarantine),
            (0.0, F::Tempfail, Tempfail),
            (6.0, F::Deliver, Tag),
            (6.0, F::Quarantine, Quarantine),
            (9.0, F::Deliver, Quarantine),
            (9.0, F::Tempfail, Tempfail),
            (15.0, F::Tempfail, Reject),
        ] {
            assert_eq!(action(vec![scored(score), down()], failure), expected);
        }
    }

    #[test]
    fn the_first_decisive_hit_wins_outright() {
        let virus = Hit::new("VIRUS", 0.0, "Eicar").decisive(Action::Reject);
        let listed = Hit::new("DNSBL", 0.0, "").decisive(Action::Quarantine);
        let verdict = decide(
            vec![
                down(),
                report("dnsbl", Outcome::Checked(vec![listed])),
                report("clamav", Outcome::Checked(vec![virus])),
            ],
            &Thresholds::default(),
            |_, _| FailureAction::Tempfail,
        );
        assert_eq!(verdict.action, Action::Quarantine);
        let DecidedBy::Hit { filter, .. } = verdict.decided_by else {
            panic!("{:?}", verdict.decided_by)
        };
        assert_eq!(filter, "dnsbl");
    }

    #[test]
    fn a_hit_that_delivers_sets_the_score_aside_and_nothing_else() {
        let friend = || {
            let hit = Hit::new("FRIEND", 0.0, "").decisive(Action::Deliver);
            let score = Hit::new("R", 20.0, "");
            report("rules", Outcome::Checked(vec![hit, score]))
        };
        let virus = Hit::new("VIRUS", 0.0, "Eicar").decisive(Action::Reject);
        let virus = report("clamav", Outcome::Checked(vec![virus]));
        assert_eq!(
            action(vec![friend()], FailureAction::Deliver),
            Action::Deliver
        );
        assert_eq!(
            action(vec![friend(), virus], FailureAction::Deliver),
            Action::Reject
        );
        assert_eq!(
            action(vec![friend(), down()], FailureAction::Tempfail),
            Action::Tempfail
        );
    }

    #[test]
    fn hits_of_an_unscanned_filter_count() {
        let partial = Outcome::Unscanned {
            reason: Reason::Timeout,
            detail: String::new(),
            hits: vec![Hit::new("DNSBL_A", 5.0, "")],
        };
        assert_eq!(
            action(vec![report("dnsbl", partial)], FailureAction::Deliver),
            Action::Tag
        );
    }
}
