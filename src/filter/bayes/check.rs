//! The filter and its check.

use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::filter::{Check, FailurePolicy, Filter, Hit, Outcome, Scan, compute};

use super::curve::Curve;
use super::engine::{Engine, Judgement};
use super::model::Facts;
use crate::metrics::Metrics;

/// How many features a hit names.
const TELLING: usize = 5;
/// Longest name of a feature in a hit, bytes.
const NAME_BYTES: usize = 40;

/// The filter `bayes`.
pub(super) struct BayesFilter {
    shared: Arc<Shared>,
    policy: FailurePolicy,
}

struct Shared {
    engine: Option<Engine>,
    curve: Curve,
    min_messages: u64,
    max_bytes: usize,
}

impl BayesFilter {
    pub(super) fn new(
        engine: Option<Engine>,
        curve: Curve,
        min_messages: u64,
        max_bytes: usize,
        policy: FailurePolicy,
    ) -> BayesFilter {
        BayesFilter {
            shared: Arc::new(Shared {
                engine,
                curve,
                min_messages,
                max_bytes,
            }),
            policy,
        }
    }
}

impl Filter for BayesFilter {
    fn name(&self) -> &'static str {
        "bayes"
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.policy
    }

    fn version(&self) -> Option<String> {
        let facts = self.shared.engine.as_ref()?.facts();
        Some(format!("{}-{}-{}", facts.trained_at, facts.ham, facts.spam))
    }

    fn in_force(&self, metrics: &Metrics) {
        let nothing = Facts::default();
        let facts = self.shared.engine.as_ref().map_or(&nothing, Engine::facts);
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        for (class, messages) in [("ham", facts.ham), ("spam", facts.spam)] {
            let learned = metrics.model_messages.with_label_values(&[class]);
            learned.set(gauge(messages));
        }
        metrics.model_trained.set(facts.trained_at as f64);
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(BayesCheck(Arc::clone(&self.shared)))
    }
}

struct BayesCheck(Arc<Shared>);

impl Check for BayesCheck {
    fn finish(self: Box<Self>, scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        compute(scan, move |scan| self.0.outcome(scan)).boxed()
    }
}

impl Shared {
    fn outcome(&self, scan: &Scan) -> Outcome {
        let Some(engine) = &self.engine else {
            return Outcome::Skipped("no model");
        };
        let facts = engine.facts();
        if facts.ham.min(facts.spam) < self.min_messages {
            let evidence = format!(
                "{} ham and {} spam learned, {} of each needed",
                facts.ham, facts.spam, self.min_messages
            );
            return Outcome::Checked(vec![Hit::new("BAYES_UNSURE", 0.0, evidence)]);
        }
        let judgement = engine.judge(&scan.mail, self.max_bytes, TELLING);
        let score = self.curve.score(judgement.probability);
        let rule = if score > 0.0 {
            "BAYES_SPAM"
        } else if score < 0.0 {
            "BAYES_HAM"
        } else {
            "BAYES_UNSURE"
        };
        Outcome::Checked(vec![Hit::new(rule, score, evidence(&judgement))])
    }
}

/// Probability, then the telling features, each with the ham and spam messages that had it in training.
fn evidence(judgement: &Judgement) -> String {
    let mut text = format!("{:.4}", judgement.probability);
    for (i, telling) in judgement.telling.iter().enumerate() {
        let between = if i == 0 { ": " } else { ", " };
        let end = telling.name.floor_char_boundary(NAME_BYTES);
        let name = telling.name.get(..end).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "{between}{name} ({} ham {} spam)",
            telling.ham, telling.spam
        );
    }
    text
}
