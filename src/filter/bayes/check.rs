//! The filter and its check.

use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::clock;
use crate::filter::{Action, Check, FailurePolicy, Filter, Hit, Outcome, Report, Scan, compute};

use super::autolearn::Autolearn;
use super::curve::Curve;
use super::engine::Judgement;
use super::live::Live;
use super::teacher::Teacher;
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

pub(super) struct Shared {
    pub(super) live: Arc<Live>,
    pub(super) autolearn: Autolearn,
    /// Automatic lessons that may wait for the disk at one time.
    pub(super) teaching: Arc<Semaphore>,
    pub(super) curve: Curve,
    pub(super) min_messages: u64,
    pub(super) max_bytes: usize,
}

/// Automatic lessons that wait at one time; past it a message teaches nothing.
pub(super) const TEACHING: usize = 16;

impl BayesFilter {
    pub(super) fn new(shared: Shared, policy: FailurePolicy) -> BayesFilter {
        BayesFilter {
            shared: Arc::new(shared),
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
        let engine = self.shared.live.engine()?;
        let facts = engine.facts();
        Some(format!("{}-{}-{}", facts.trained_at, facts.ham, facts.spam))
    }

    fn in_force(&self, metrics: &Metrics) {
        self.shared.live.show(metrics);
    }

    fn teacher(&self) -> Option<Teacher> {
        Some(Teacher::of(&self.shared.live))
    }

    fn check(&self) -> Box<dyn Check> {
        self.shared.live.tick();
        Box::new(BayesCheck(Arc::clone(&self.shared)))
    }

    fn concluded(&self, scan: &Arc<Scan>, reports: &[Report], _action: Action) {
        let Some(engine) = self.shared.live.engine() else {
            return;
        };
        let shared = &self.shared;
        let at = clock::unsigned_seconds();
        let lesson = shared
            .autolearn
            .lesson(&engine, scan, reports, shared.max_bytes, at);
        let (Some(lesson), Ok(permit)) = (lesson, Arc::clone(&shared.teaching).try_acquire_owned())
        else {
            return;
        };
        let fits = |this, other| shared.autolearn.balances(this, other);
        if !shared.live.promise(&lesson, fits) {
            return;
        }
        let live = Arc::clone(&shared.live);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = live.teach(lesson) {
                tracing::error!(%error, "an automatic lesson was not taken");
            }
            drop(permit);
        });
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
        let Some(engine) = self.live.engine() else {
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
