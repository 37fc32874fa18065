//! Two results for one message, and where they differ.

use std::io::Write;

use serde::Serialize;

use crate::filter::{Action, Hit};
use crate::history::{Entry, Outcome, Share, State};
use crate::printable::printable;

/// Longest text from a message in a line, characters.
const SHOWN: usize = 160;

/// How the result of then and that of now compare.
#[derive(Debug, Serialize)]
pub(super) struct Comparison<'a> {
    id: &'a str,
    /// Verdict, score, what decided, outcomes and hits are the same, for each policy.
    pub(super) same: bool,
    then: Result_<'a>,
    now: Result_<'a>,
    /// Hits that are not the same.
    hits: Vec<HitChange<'a>>,
    /// Filters whose outcome is not the same, hits aside.
    outcomes: Vec<OutcomeChange<'a>>,
    /// Policies that say something else.
    policies: Vec<PolicyChange<'a>>,
    /// What filters ask now and did not hear then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_heard: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Result_<'a> {
    verdict: Action,
    score: f64,
    decided_by: String,
    rules: Option<&'a str>,
    model: Option<&'a str>,
    version: &'a str,
}

impl Result_<'_> {
    fn new(entry: &Entry) -> Result_<'_> {
        Result_ {
            verdict: entry.verdict,
            score: entry.score,
            decided_by: entry.decided_by.to_string(),
            rules: entry.rules.as_deref(),
            model: entry.model.as_deref(),
            version: &entry.version,
        }
    }
}

#[derive(Debug, Serialize)]
struct HitChange<'a> {
    filter: &'a str,
    rule: &'a str,
    then: Option<&'a Hit>,
    now: Option<&'a Hit>,
}

#[derive(Debug, Serialize)]
struct OutcomeChange<'a> {
    filter: &'a str,
    then: Option<Said<'a>>,
    now: Option<Said<'a>>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Said<'a> {
    outcome: State,
    detail: &'a str,
}

#[derive(Debug, Serialize)]
struct PolicyChange<'a> {
    policy: &'a str,
    then: Option<(Action, f64)>,
    now: Option<(Action, f64)>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(then: &'a Entry, now: &'a Entry, not_heard: Vec<String>) -> Comparison<'a> {
        let hits = hits(&then.outcomes, &now.outcomes);
        let outcomes = outcomes(&then.outcomes, &now.outcomes);
        let policies = policies(&then.policies, &now.policies);
        let same = hits.is_empty()
            && outcomes.is_empty()
            && policies.is_empty()
            && then.verdict == now.verdict
            && then.score == now.score
            && then.decided_by == now.decided_by
            && then.dropped == now.dropped;
        Comparison {
            id: &then.id,
            same,
            then: Result_::new(then),
            now: Result_::new(now),
            hits,
            outcomes,
            policies,
            not_heard,
        }
    }

    pub(super) fn show(&self, out: &mut impl Write) -> std::io::Result<()> {
        let line = |r: &Result_<'_>| {
            let decided = printable(&r.decided_by, SHOWN);
            format!("{}, score {:.2}, {decided}", r.verdict, r.score)
        };
        if self.same {
            return writeln!(out, "{}: the same: {}", self.id, line(&self.now));
        }
        let versions = |r: &Result_<'_>| {
            let word = |version: Option<&str>| printable(version.unwrap_or("none"), SHOWN);
            format!("rules {}, model {}", word(r.rules), word(r.model))
        };
        writeln!(out, "{}:", self.id)?;
        for (what, result) in [("then", &self.then), ("now", &self.now)] {
            writeln!(out, "  {what:<5}  {} ({})", line(result), versions(result))?;
        }
        for change in &self.outcomes {
            let said = |said: &Option<Said<'_>>| match said {
                None => "not in the chain".to_owned(),
                Some(said) => {
                    let state = match said.outcome {
                        State::Checked => "checked".to_owned(),
                        State::Skipped => "skipped".to_owned(),
                        State::Unscanned(reason) => format!("not checked ({reason})"),
                    };
                    format!("{state} {}", printable(said.detail, SHOWN))
                }
            };
            let filter = printable(change.filter, SHOWN);
            let (then, now) = (said(&change.then), said(&change.now));
            writeln!(out, "  {filter}: {} -> {}", then.trim_end(), now.trim_end())?;
        }
        for change in &self.hits {
            let rule = printable(change.rule, SHOWN);
            let (sign, points, evidence) = match (change.then, change.now) {
                (None, Some(hit)) => ("+", format!("{:.2}", hit.score), &hit.evidence),
                (Some(hit), None) => ("-", format!("{:.2}", hit.score), &hit.evidence),
                (Some(then), Some(now)) => (
                    "~",
                    format!("{:.2} -> {:.2}", then.score, now.score),
                    &now.evidence,
                ),
                (None, None) => continue,
            };
            writeln!(
                out,
                "  {sign} {points:>14}  {} {rule}  {}",
                printable(change.filter, SHOWN),
                printable(evidence, SHOWN)
            )?;
        }
        for change in &self.policies {
            let said = |said: Option<(Action, f64)>| match said {
                Some((verdict, score)) => format!("{verdict} {score:.2}"),
                None => "does not take it".to_owned(),
            };
            let policy = printable(change.policy, SHOWN);
            writeln!(
                out,
                "  policy {policy}: {} -> {}",
                said(change.then),
                said(change.now)
            )?;
        }
        for missing in &self.not_heard {
            writeln!(
                out,
                "  not asked when the message came, so not known: {}",
                printable(missing, SHOWN)
            )?;
        }
        Ok(())
    }
}

/// Hits on one side only, or not the same on both. Of several hits of one rule the first is compared with the first.
fn hits<'a>(then: &'a [Outcome], now: &'a [Outcome]) -> Vec<HitChange<'a>> {
    fn all(outcomes: &[Outcome]) -> Vec<(&str, &Hit)> {
        let each = outcomes.iter();
        each.flat_map(|o| o.hits.iter().map(|h| (o.filter.as_str(), h)))
            .collect()
    }
    let mut left: Vec<Option<(&str, &Hit)>> = all(now).into_iter().map(Some).collect();
    let mut changes = Vec::new();
    for (filter, hit) in all(then) {
        let same = |other: &&mut Option<(&str, &Hit)>| {
            other.is_some_and(|(f, h)| f == filter && h.rule == hit.rule)
        };
        let other = left.iter_mut().find(same).and_then(Option::take);
        let now = other.map(|(_, hit)| hit);
        if now != Some(hit) {
            changes.push(HitChange {
                filter,
                rule: &hit.rule,
                then: Some(hit),
                now,
            });
        }
    }
    changes.extend(left.into_iter().flatten().map(|(filter, hit)| HitChange {
        filter,
        rule: &hit.rule,
        then: None,
        now: Some(hit),
    }));
    changes
}

fn outcomes<'a>(then: &'a [Outcome], now: &'a [Outcome]) -> Vec<OutcomeChange<'a>> {
    fn of<'a>(outcomes: &'a [Outcome], filter: &str) -> Option<Said<'a>> {
        let found = outcomes.iter().find(|o| o.filter == filter)?;
        Some(Said {
            outcome: found.outcome,
            detail: &found.detail,
        })
    }
    let new = now
        .iter()
        .filter(|n| then.iter().all(|t| t.filter != n.filter));
    let filters = then.iter().chain(new).map(|o| o.filter.as_str());
    let changes = filters.map(|filter| OutcomeChange {
        filter,
        then: of(then, filter),
        now: of(now, filter),
    });
    changes.filter(|c| c.then != c.now).collect()
}

fn policies<'a>(then: &'a [Share], now: &'a [Share]) -> Vec<PolicyChange<'a>> {
    fn of(shares: &[Share], policy: &str) -> Option<(Action, f64)> {
        let share = shares.iter().find(|s| s.policy == policy)?;
        Some((share.verdict, share.score))
    }
    let new = now
        .iter()
        .filter(|n| then.iter().all(|t| t.policy != n.policy));
    let policies = then.iter().chain(new).map(|s| s.policy.as_str());
    let changes = policies.map(|policy| PolicyChange {
        policy,
        then: of(then, policy),
        now: of(now, policy),
    });
    changes.filter(|c| c.then != c.now).collect()
}
