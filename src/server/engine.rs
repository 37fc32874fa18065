//! What sessions run with, replaced as a whole on reload.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::config::{Config, FilterName, Problems};
use crate::filter::{self, Build, Chain, FailureAction, FailurePolicy, Reason, Report, Scan};
use crate::mail::{Envelope, Limits, Mail, Spool};
use crate::metrics::Metrics;
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
    /// Builds every filter of the chain and puts the policy of a configuration around it.
    ///
    /// # Errors
    /// The problems of all filters together.
    pub fn build(config: &Config, metrics: &Arc<Metrics>) -> Result<Engine, Problems> {
        let build = Build {
            source: &config.source,
            metrics,
            base: &config.base,
            data_dir: &config.data_dir,
        };
        let mut members = Vec::new();
        let mut problems = Vec::new();
        for name in &config.chain {
            let built = match name {
                FilterName::Dnsbl => filter::dnsbl::build(&config.file.dnsbl, &build),
                FilterName::Rules => filter::rules::build(&config.file.rules, &build),
                FilterName::Bayes => filter::bayes::build(&config.file.bayes, &build),
                FilterName::Clamav => filter::clamav::build(&config.file.clamav, &build),
            };
            match built {
                Ok(member) => {
                    metrics.filter_starts_at_zero(member.name());
                    members.push(member);
                }
                Err(found) => problems.extend(found.0),
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Ok(Engine::new(
            Chain::new(members),
            config.thresholds,
            config.file.hold,
            config.deadline,
            config.mail_limits.clone(),
        ))
    }

    /// Examines a message that is there as a whole, as if it came by milter.
    pub async fn examine(&self, envelope: Envelope, raw: Bytes) -> (Arc<Scan>, Verdict) {
        let mut checks = self.chain.begin();
        checks.connect(&envelope);
        checks.helo(&envelope);
        checks.mail(&envelope);
        let mut growing = envelope.clone();
        growing.recipients.clear();
        for recipient in &envelope.recipients {
            growing.recipients.push(recipient.clone());
            checks.rcpt(&growing);
        }
        let spool = Arc::new(Spool::new());
        spool.push(&raw);
        checks.headers(&envelope, &spool);
        spool.complete();
        let mail = Mail::parse(raw, &self.mail_limits);
        let scan = Arc::new(Scan { envelope, mail });
        let deadline = Instant::now() + self.deadline;
        let reports = checks.finish(scan.clone(), deadline).await;
        (scan, self.decide(reports))
    }

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
