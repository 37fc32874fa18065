//! The filter and its check: rules run once, when the message is complete.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prometheus::IntCounter;

use super::known::{Held, Known};
use super::ruleset::{Evaluated, RuleSet};
use crate::content;
use crate::filter::{Check, FailurePolicy, Filter, Outcome, Reason, Scan, compute};
use crate::mail::Flag;
use crate::metrics::Metrics;

/// The `rules` filter.
#[derive(Debug)]
pub struct RulesFilter {
    set: Arc<RuleSet>,
    policy: FailurePolicy,
    given_up: Option<IntCounter>,
    asks: Asks,
}

/// Which filters rules wait for.
#[derive(Clone, Copy, Debug)]
struct Asks {
    files: bool,
    authentication: bool,
    reputation: bool,
}

impl Asks {
    fn of(set: &RuleSet) -> Asks {
        Asks {
            files: set.asks_for_files(),
            authentication: set.asks_for_authentication(),
            reputation: set.asks_for_reputation(),
        }
    }

    /// What those filters hand on; waits for them, and for no others.
    async fn wait(self, scan: &Scan) -> Held {
        let mut held = Held::default();
        if self.files {
            held.content = scan.content.known().await;
        }
        if self.authentication {
            held.authentication = scan.authentication.known().await;
        }
        if self.reputation {
            held.reputation = scan.reputation.known().await;
        }
        held
    }
}

impl RulesFilter {
    /// A filter over a set of rules.
    pub fn new(set: Arc<RuleSet>, policy: FailurePolicy) -> RulesFilter {
        RulesFilter {
            asks: Asks::of(&set),
            set,
            policy,
            given_up: None,
        }
    }

    /// Counts in `counter` the texts on which a pattern that looks around or refers back reached its bound.
    pub fn counting(mut self, counter: IntCounter) -> RulesFilter {
        self.given_up = Some(counter);
        self
    }

    /// What the rules say of a message.
    pub fn outcome(&self, scan: &Scan) -> Outcome {
        outcome(&self.set, scan, Held::of(scan).known()).0
    }

    /// The rules in force.
    pub fn set(&self) -> &Arc<RuleSet> {
        &self.set
    }
}

impl Filter for RulesFilter {
    fn name(&self) -> &'static str {
        "rules"
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.policy
    }

    fn version(&self) -> Option<String> {
        Some(self.set.version().to_owned())
    }

    fn in_force(&self, metrics: &Metrics) {
        let rules = i64::try_from(self.set.rules().len()).unwrap_or(i64::MAX);
        metrics.rules_loaded.set(rules);
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(RulesCheck {
            set: self.set.clone(),
            given_up: self.given_up.clone(),
            asks: self.asks,
        })
    }
}

struct RulesCheck {
    set: Arc<RuleSet>,
    given_up: Option<IntCounter>,
    asks: Asks,
}

impl Check for RulesCheck {
    fn finish(self: Box<Self>, scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        finish(*self, scan).boxed()
    }
}

async fn finish(check: RulesCheck, scan: Arc<Scan>) -> Outcome {
    let mut held = check.asks.wait(&scan).await;
    compute(scan, move |scan| {
        // Without the filter that opens them the attachments are files too.
        held.content.get_or_insert_with(|| match check.asks.files {
            true => Arc::new(content::list(&scan.mail)),
            false => Arc::default(),
        });
        let (outcome, given_up) = outcome(&check.set, scan, held.known());
        if let Some(counter) = &check.given_up {
            counter.inc_by(given_up);
        }
        outcome
    })
    .await
}

/// What the rules say, and how many texts patterns gave up.
fn outcome(set: &RuleSet, scan: &Scan, known: Known<'_>) -> (Outcome, u64) {
    let Evaluated {
        hits,
        exhausted,
        given_up,
    } = set.evaluate_on(set.today(), &scan.envelope, &scan.mail, known);
    let left_out = if exhausted {
        Some("the message asks for more work than one may")
    } else if set.sees_only_beginning(&scan.mail) {
        Some("rules on the raw message saw only its beginning")
    } else {
        let limit = scan.mail.flags().iter().find(|f| LIMITS.contains(f));
        limit.map(|flag| flag.meaning())
    };
    let outcome = match left_out {
        Some(detail) => Outcome::Unscanned {
            reason: Reason::Limit,
            detail: detail.to_owned(),
            hits,
        },
        None => Outcome::Checked(hits),
    };
    (outcome, given_up)
}

/// Limits of parsing beyond which rules do not see all of a message.
const LIMITS: &[Flag] = &[
    Flag::TooManyFields,
    Flag::TooDeep,
    Flag::TooManyParts,
    Flag::TextTruncated,
    Flag::UrlsTruncated,
];
