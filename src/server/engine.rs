//! What sessions run with, replaced as a whole on reload.

use std::collections::HashMap;
use std::time::Duration;

use crate::filter::{Chain, FailureAction, FailurePolicy, Reason, Report};
use crate::mail::Limits;
use crate::router::Hold;
use crate::verdict::{Thresholds, Verdict, decide};

/// Chain and policy. Immutable: a transaction keeps the one it began with.
#[derive(Debug)]
pub struct Engine {
    /// The filters.
    pub chain: Chain,
    /// Scores from which on something happens.
    pub thresholds: Thresholds,
    /// Where quarantined messages go.
    pub hold: Hold,
    /// From end of message to the verdict, at most.
    pub deadline: Duration,
    /// Bounds of parsing.
    pub mail_limits: Limits,
    failures: HashMap<&'static str, FailurePolicy>,
    scanner: Option<&'static str>,
}

impl Engine {
    /// Puts a chain and a policy together.
    pub fn new(
        chain: Chain,
        thresholds: Thresholds,
        hold: Hold,
        deadline: Duration,
        mail_limits: Limits,
    ) -> Engine {
        let failures = chain
            .members()
            .iter()
            .map(|f| (f.name(), *f.failure_policy()))
            .collect();
        let scanner = chain
            .members()
            .iter()
            .map(|f| f.name())
            .find(|name| *name == "clamav");
        Engine {
            chain,
            thresholds,
            hold,
            deadline,
            mail_limits,
            failures,
            scanner,
        }
    }

    /// The virus scanner's name, if the chain has one.
    pub fn scanner(&self) -> Option<&'static str> {
        self.scanner
    }

    /// Decides on the outcomes of this engine's chain.
    pub fn decide(&self, reports: Vec<Report>) -> Verdict {
        decide(reports, &self.thresholds, |filter, reason| {
            self.failure(filter, reason)
        })
    }

    fn failure(&self, filter: &str, reason: Reason) -> FailureAction {
        // Every report comes from a member of the chain; were there another, nothing would be known
        // about it, and what is not known is not delivered.
        self.failures
            .get(filter)
            .map_or(FailureAction::Tempfail, |p| p.for_reason(reason))
    }
}
