//! [`Comparison`]: two results for one message, and where they differ.

use serde::Serialize;

use super::{Entry, Outcome, Share, State};
use crate::filter::{Action, Hit};

/// How the result of then and that of now compare. Texts come from outside unless said otherwise: to be escaped wherever
/// they are shown.
#[derive(Debug, Serialize)]
pub struct Comparison<'a> {
    /// Id of the message.
    pub id: &'a str,
    /// Verdict, score, what decided, outcomes and hits are the same, for each policy.
    pub same: bool,
    /// The result of then.
    pub then: Reached<'a>,
    /// The result of now.
    pub now: Reached<'a>,
    /// Hits that are not the same.
    pub hits: Vec<HitChange<'a>>,
    /// Filters whose outcome is not the same, hits aside.
    pub outcomes: Vec<OutcomeChange<'a>>,
    /// Policies that say something else.
    pub policies: Vec<PolicyChange<'a>>,
    /// What filters ask now and did not hear then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_heard: Vec<String>,
}

/// A result, and with what it was reached.
#[derive(Debug, Serialize)]
pub struct Reached<'a> {
    /// The verdict.
    pub verdict: Action,
    /// Total score.
    pub score: f64,
    /// What decided, in words.
    pub decided_by: String,
    /// Version of the rules.
    pub rules: Option<&'a str>,
    /// Version of the classifier's model.
    pub model: Option<&'a str>,
    /// Configuration, rules and model together.
    pub version: &'a str,
}

impl Reached<'_> {
    fn new(entry: &Entry) -> Reached<'_> {
        Reached {
            verdict: entry.verdict,
            score: entry.score,
            decided_by: entry.decided_by.to_string(),
            rules: entry.rules.as_deref(),
            model: entry.model.as_deref(),
            version: &entry.version,
        }
    }
}

/// A hit that came, went or changed.
#[derive(Debug, Serialize)]
pub struct HitChange<'a> {
    /// The filter that has it.
    pub filter: &'a str,
    /// Its rule.
    pub rule: &'a str,
    /// As it was.
    pub then: Option<&'a Hit>,
    /// As it is.
    pub now: Option<&'a Hit>,
}

/// A filter that says something else.
#[derive(Debug, Serialize)]
pub struct OutcomeChange<'a> {
    /// Its name.
    pub filter: &'a str,
    /// What it said.
    pub then: Option<Said<'a>>,
    /// What it says.
    pub now: Option<Said<'a>>,
}

/// What a filter says, hits aside.
#[derive(Debug, PartialEq, Serialize)]
pub struct Said<'a> {
    /// Whether it has checked the message.
    pub outcome: State,
    /// Why it has not.
    pub detail: &'a str,
}

/// A policy that says something else: verdict and score.
#[derive(Debug, Serialize)]
pub struct PolicyChange<'a> {
    /// Its name.
    pub policy: &'a str,
    /// What it said.
    pub then: Option<(Action, f64)>,
    /// What it says.
    pub now: Option<(Action, f64)>,
}

impl<'a> Comparison<'a> {
    /// Compares two results; `not_heard` is what filters asked for the second and had not heard for the first.
    pub fn new(then: &'a Entry, now: &'a Entry, not_heard: Vec<String>) -> Comparison<'a> {
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
            then: Reached::new(then),
            now: Reached::new(now),
            hits,
            outcomes,
            policies,
            not_heard,
        }
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
    let said = |outcome: &'a Outcome| Said {
        outcome: outcome.outcome,
        detail: &outcome.detail,
    };
    let changes = differing(then, now, |o| o.filter.as_str(), said).into_iter();
    changes
        .map(|(filter, then, now)| OutcomeChange { filter, then, now })
        .collect()
}

fn policies<'a>(then: &'a [Share], now: &'a [Share]) -> Vec<PolicyChange<'a>> {
    let said = |share: &'a Share| (share.verdict, share.score);
    let changes = differing(then, now, |s| s.policy.as_str(), said).into_iter();
    changes
        .map(|(policy, then, now)| PolicyChange { policy, then, now })
        .collect()
}

/// The names that do not say the same then and now, those of then first, with what they say.
fn differing<'a, Named, Told: PartialEq>(
    then: &'a [Named],
    now: &'a [Named],
    name: impl Fn(&'a Named) -> &'a str,
    told: impl Fn(&'a Named) -> Told,
) -> Vec<(&'a str, Option<Told>, Option<Told>)> {
    let of = |all: &'a [Named], wanted: &str| all.iter().find(|n| name(n) == wanted).map(&told);
    let new = now
        .iter()
        .filter(|n| then.iter().all(|t| name(t) != name(n)));
    let names = then.iter().chain(new).map(&name);
    names
        .map(|name| (name, of(then, name), of(now, name)))
        .filter(|(_, then, now)| then != now)
        .collect()
}
