//! What sessions run with, replaced as a whole on reload.

mod building;
mod passing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::dns::Dns;
use crate::filter::auth::Authserv;
use crate::filter::bayes::Teacher;
use crate::filter::rules::RuleSet;
use crate::filter::{Chain, FailureAction, FailurePolicy, Reason, Report, Scan};
use crate::history::Versions;
use crate::mail::{Envelope, Limits};
use crate::metrics::Metrics;
use crate::policy::{Policies, Policy, Ruling};
use crate::router::Hold;
use crate::store::Facts;
use crate::verdict::{Thresholds, Verdict};

pub use passing::Left;
pub(super) use passing::Passed;

/// Chain and policy. Immutable: a transaction keeps the one it began with.
#[derive(Debug)]
pub struct Engine {
    /// The filters.
    pub chain: Chain,
    /// Where quarantined messages go.
    pub hold: Hold,
    /// From end of message to the verdict, at most.
    pub deadline: Duration,
    /// Bounds of parsing.
    pub mail_limits: Limits,
    /// What holds for which mail.
    pub policies: Policies,
    failures: HashMap<&'static str, FailurePolicy>,
    scanner: Option<&'static str>,
    /// The configuration that it was built from.
    config: Option<Arc<Config>>,
    rules: Option<Arc<RuleSet>>,
    authserv: Option<Arc<Authserv>>,
    /// The resolver that the filters share.
    dns: Option<Dns>,
    /// What its filters remember of senders.
    facts: Option<Arc<Facts>>,
    version: String,
}

impl Engine {
    /// It has come into force: shows in the metrics what it works with.
    pub fn in_force(&self, metrics: &Metrics) {
        for member in self.chain.members() {
            member.in_force(metrics);
        }
        if let Some(dns) = &self.dns {
            dns.in_force();
        }
        for policy in self.policies.names() {
            metrics.policy_starts_at_zero(policy);
        }
        metrics.configuration.reset();
        let rules = self.versions().rules.unwrap_or_default();
        metrics
            .configuration
            .with_label_values(&[self.version.as_str(), rules.as_str()])
            .set(1);
    }

    /// Which configuration, rules and model these are: the first 12 hexadecimal digits of a BLAKE3 digest of
    /// all of them. Empty where there is no configuration file behind it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Which configuration, rules and model a verdict is reached with now.
    pub fn versions(&self) -> Versions {
        let of = |name: &str| {
            let mut members = self.chain.members().iter();
            members.find(|m| m.name() == name).and_then(|m| m.version())
        };
        Versions {
            all: self.version.clone(),
            rules: of("rules"),
            model: of("bayes"),
        }
    }

    /// Whether a message, or one of its recipients, may be refused before its end.
    pub fn may_decide_early(&self) -> bool {
        self.chain.may_decide_early() || self.policies.may_decide_early()
    }

    /// The policies of the recipients, in their order; one for a message without any.
    pub fn select(&self, envelope: &Envelope) -> Vec<Arc<Policy>> {
        match envelope.recipients.as_slice() {
            [] => vec![self.policies.select(envelope, None)],
            recipients => recipients
                .iter()
                .map(|r| self.policies.select(envelope, Some(r)))
                .collect(),
        }
    }

    /// The verdict on outcomes of an earlier evaluation, under the policy of that name; where there is none, under that of
    /// the first recipient. What the policy itself found stands among the outcomes.
    pub fn judge(
        &self,
        policy: Option<&str>,
        envelope: &Envelope,
        reports: Vec<Report>,
    ) -> Verdict {
        let selected = self.select(envelope);
        let named = |p: &&Arc<Policy>| policy.is_some_and(|name| **p.name() == *name);
        let policy = selected.iter().find(named).or(selected.first());
        let failure = |filter: &str, reason| self.failure(filter, reason);
        match policy {
            Some(policy) => policy.judge(reports, failure),
            None => self.policies.select(envelope, None).judge(reports, failure),
        }
    }

    /// Rules on the outcomes of this engine's chain, for recipients with these policies. `can_drop`: whether the MTA
    /// lets us drop recipients.
    pub fn rule(
        &self,
        selected: &[Arc<Policy>],
        scan: &Scan,
        reports: Vec<Report>,
        can_drop: bool,
    ) -> Ruling {
        let failure = |filter: &str, reason| self.failure(filter, reason);
        self.policies
            .rule(selected, scan, reports, can_drop, failure)
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
        let authserv = chain.members().iter().find_map(|f| f.authserv().cloned());
        Engine {
            chain,
            authserv,
            hold,
            deadline,
            mail_limits,
            policies: Policies::one(thresholds),
            failures,
            scanner,
            config: None,
            rules: None,
            dns: None,
            facts: None,
            version: String::new(),
        }
    }

    /// What its filters remember of senders; `None` outside of the daemon.
    pub(super) fn facts(&self) -> Option<&Arc<Facts>> {
        self.facts.as_ref()
    }

    /// Who takes lessons for the classifier of the chain; `None` where there is none.
    pub fn teacher(&self) -> Option<Teacher> {
        self.chain.members().iter().find_map(|f| f.teacher())
    }

    /// The configuration that it was built from, if there is one behind it.
    pub fn config(&self) -> Option<&Config> {
        self.config.as_deref()
    }

    /// The rules of the chain, if it has any.
    pub fn rules(&self) -> Option<&Arc<RuleSet>> {
        self.rules.as_ref()
    }

    /// Whose `Authentication-Results` are ours, if a filter of the chain writes them.
    pub fn authserv(&self) -> Option<&Authserv> {
        self.authserv.as_deref()
    }

    /// The value of our own field `Authentication-Results` for a message, where we write one.
    pub(super) fn results(&self, scan: &Scan) -> Option<String> {
        self.authserv()
            .filter(|authserv| authserv.writes())
            .and_then(|_| scan.authentication.get())
            .map(|found| found.header.clone())
            .filter(|header| !header.is_empty())
    }

    /// The virus scanner's name, if the chain has one.
    pub fn scanner(&self) -> Option<&'static str> {
        self.scanner
    }

    fn failure(&self, filter: &str, reason: Reason) -> FailureAction {
        // Every report comes from a member of the chain; were there another, nothing would be known
        // about it, and what is not known is not delivered.
        self.failures
            .get(filter)
            .map_or(FailureAction::Tempfail, |p| p.for_reason(reason))
    }
}
