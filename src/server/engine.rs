//! What sessions run with, replaced as a whole on reload.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::config::{Config, FilterName, Problems};
use crate::dns::Dns;
use crate::filter::auth::Authserv;
use crate::filter::bayes::Teacher;
use crate::filter::rules::RuleSet;
use crate::filter::{
    self, Build, Chain, Checks, FailureAction, FailurePolicy, Filter, Reason, Report, Scan, offload,
};
use crate::heard::{Heard, Record};
use crate::history::Versions;
use crate::mail::{Direction, Envelope, Limits, Mail, Spool};
use crate::metrics::Metrics;
use crate::policy::{Policies, Policy, Ruling, SKIPPED};
use crate::router::Hold;
use crate::store::Facts;
use crate::verdict::{Thresholds, Verdict};

/// Digits of the version of an engine.
const VERSION_DIGITS: usize = 12;

/// A message behind the last filter.
pub(super) struct Passed {
    /// All that is known of it.
    pub(super) scan: Arc<Scan>,
    /// The policies of its recipients, in their order.
    pub(super) selected: Vec<Arc<Policy>>,
    /// What every filter said, whatever policies make of it.
    pub(super) reports: Vec<Report>,
}

/// Filters that do not see a message, for a reason that reports give.
#[derive(Clone, Copy, Debug)]
pub struct Left<'a> {
    /// Their names.
    pub filters: &'a [&'static str],
    /// The reason.
    pub why: &'static str,
}

impl Left<'_> {
    /// All filters see it.
    pub const NONE: Left<'static> = Left {
        filters: &[],
        why: "",
    };
}

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
    /// Builds every filter of the chain and puts the policy of a configuration around it.
    ///
    /// # Errors
    /// The problems of all filters together.
    pub fn build(config: &Config, metrics: &Arc<Metrics>) -> Result<Engine, Problems> {
        Engine::build_beside(config, metrics, None, None)
    }

    /// As [`Engine::build`]; where the configuration file is the one that `old` was built from, the filters
    /// that ask others over the network are taken over from it, with what they have learned of them: servers
    /// and lists left alone. The resolver with its answers is taken over while its own section is the same. Filters that
    /// remember senders do so in `facts`, and skip every message without.
    ///
    /// # Errors
    /// As [`Engine::build`].
    pub fn build_beside(
        config: &Config,
        metrics: &Arc<Metrics>,
        old: Option<&Engine>,
        facts: Option<&Arc<Facts>>,
    ) -> Result<Engine, Problems> {
        let dns = match old.and_then(|old| old.dns.clone()) {
            Some(dns) if dns.serves(&config.file.dns, &config.source) => dns,
            _ => Dns::new(&config.file.dns, &config.source, metrics)?,
        };
        let unchanged = |old: &Config| old.source.text() == config.source.text();
        let old = old.filter(|old| old.config().is_some_and(unchanged));
        let kept = |name: &str| {
            let members = old?.chain.members();
            members.iter().find(|m| m.name() == name).cloned()
        };
        let build = Build {
            source: &config.source,
            metrics,
            base: &config.base,
            data_dir: &config.data_dir,
        };
        let mut rules = None;
        let mut members = Vec::new();
        let mut problems = Vec::new();
        for name in &config.chain {
            let built = match name {
                FilterName::Dnsbl => match kept("dnsbl") {
                    Some(member) => Ok(member),
                    None => filter::dnsbl::build(&config.file.dnsbl, &dns, &build),
                },
                FilterName::Auth => match kept("auth") {
                    Some(member) => Ok(member),
                    None => filter::auth::build(&config.file.auth, &dns, &build),
                },
                FilterName::Attachments => {
                    filter::attachments::build(&config.file.attachments, &build)
                }
                FilterName::Greylist => {
                    filter::greylist::build(&config.file.greylist, facts, &build)
                }
                FilterName::Rates => filter::rates::build(&config.file.rates, facts, &build),
                FilterName::Reputation => {
                    filter::reputation::build(&config.file.reputation, facts, &build)
                }
                FilterName::Rules => {
                    filter::rules::filter(&config.file.rules, &build).map(|member| {
                        rules = Some(member.set().clone());
                        Arc::new(member) as Arc<dyn Filter>
                    })
                }
                FilterName::Bayes => filter::bayes::build(&config.file.bayes, &build),
                FilterName::Clamav => match kept("clamav") {
                    Some(member) => Ok(member),
                    None => filter::clamav::build(&config.file.clamav, &build),
                },
            };
            match built {
                Ok(member) => {
                    metrics.filter_starts_at_zero(member.name());
                    members.push(member);
                }
                Err(found) => problems.extend(found.0),
            }
        }
        let policies = match config.policies() {
            Ok(policies) => policies,
            Err(found) => {
                problems.extend(found.0);
                Policies::one(config.thresholds)
            }
        };
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let mut engine = Engine::new(
            Chain::new(members),
            config.thresholds,
            config.file.hold,
            config.deadline,
            config.mail_limits.clone(),
        );
        let text = config.source.text();
        let mut digest = blake3::Hasher::new();
        digest.update(&(text.len() as u64).to_le_bytes());
        digest.update(text.as_bytes());
        for member in engine.chain.members() {
            let version = member.version().unwrap_or_default();
            digest.update(format!("{} {version}\n", member.name()).as_bytes());
        }
        digest.update(policies.version().as_bytes());
        let digest = digest.finalize().to_hex();
        engine.version = digest.chars().take(VERSION_DIGITS).collect();
        engine.policies = policies;
        engine.config = Some(Arc::new(config.clone()));
        engine.rules = rules;
        engine.dns = Some(dns);
        engine.facts = facts.cloned();
        Ok(engine)
    }

    /// The files and folders that a configuration is made from, itself included, whether they are there or
    /// not: what a change of is a change of the engine.
    pub fn files(config: &Config) -> Vec<PathBuf> {
        let file = &config.file;
        let mut files = vec![config.source.path().to_path_buf()];
        files.extend(Policies::files(file, &config.base));
        for name in &config.chain {
            match name {
                FilterName::Rules => files.extend(file.rules.files(&config.base)),
                FilterName::Bayes => {
                    files.push(file.bayes.model_path(&config.base, &config.data_dir))
                }
                FilterName::Greylist => {
                    files.extend(filter::greylist::files(&file.greylist, &config.base));
                }
                FilterName::Dnsbl
                | FilterName::Auth
                | FilterName::Attachments
                | FilterName::Rates
                | FilterName::Reputation
                | FilterName::Clamav => {}
            }
        }
        files
    }

    /// It has come into force: shows in the metrics what it works with.
    pub fn in_force(&self, metrics: &Metrics) {
        for member in self.chain.members() {
            member.in_force(metrics);
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

    /// Begins the checks of one transaction, with what is known of its session. What they hear from outside goes through
    /// `heard`.
    pub fn begin(&self, envelope: &Envelope, heard: &Heard) -> Checks {
        self.begin_without(envelope, heard, Left::NONE)
    }

    fn begin_without(&self, envelope: &Envelope, heard: &Heard, left: Left<'_>) -> Checks {
        let mut checks = self.chain.begin();
        checks.leave(left.filters, left.why);
        checks.hears(heard);
        self.pass_by(envelope, &mut checks);
        checks.connect(envelope);
        if envelope.helo.is_some() {
            checks.helo(envelope);
        }
        checks
    }

    /// Whether a message, or one of its recipients, may be refused before its end.
    pub fn may_decide_early(&self) -> bool {
        self.chain.may_decide_early() || self.policies.may_decide_early()
    }

    /// Leaves the filters that mail of this direction does not pass.
    pub fn pass_by(&self, envelope: &Envelope, checks: &mut Checks) {
        let never = self.policies.never(envelope.direction);
        let why = match envelope.direction {
            Direction::Inbound => "not for inbound mail",
            Direction::Outbound => "not for outbound mail",
        };
        checks.leave(never, why);
    }

    /// All recipients are known, with their policies: leaves the filters that none of them wants.
    pub fn prepare(selected: &[Arc<Policy>], checks: &mut Checks) {
        checks.leave(&Policies::unwanted(selected), SKIPPED);
        checks.optional(Policies::skipped_by_some(selected), |filter| {
            selected.iter().map(|p| !p.skips(filter)).collect()
        });
    }

    /// Examines a message that is there as a whole, as if it came by milter.
    pub async fn examine(&self, envelope: Envelope, raw: Bytes) -> (Arc<Scan>, Verdict) {
        let (scan, ruling) = self.examine_by_policy(envelope, raw).await;
        (scan, ruling.verdict)
    }

    /// The same, and gives what the policy of each recipient says.
    pub async fn examine_by_policy(&self, envelope: Envelope, raw: Bytes) -> (Arc<Scan>, Ruling) {
        self.hear(envelope, raw, &Heard::default(), true).await
    }

    /// The same, but for the filters of `left`: so that a trial leaves no trace in what filters remember.
    pub async fn examine_without(
        &self,
        envelope: Envelope,
        raw: Bytes,
        left: Left<'_>,
    ) -> (Arc<Scan>, Ruling) {
        self.whole(envelope, raw, &Heard::default(), true, left)
            .await
    }

    /// The same, from what was heard when the message came. Nobody is asked.
    pub async fn replay(
        &self,
        envelope: Envelope,
        raw: Bytes,
        record: Record,
    ) -> (Arc<Scan>, Ruling, Heard) {
        let can_drop = record.can_drop();
        let heard = Heard::telling(record);
        let (scan, ruling) = self.hear(envelope, raw, &heard, can_drop).await;
        (scan, ruling, heard)
    }

    /// As [`Engine::examine_by_policy`]; what filters hear from outside is kept in `heard`, or comes from it. `can_drop`: whether
    /// recipients can be dropped.
    pub async fn hear(
        &self,
        envelope: Envelope,
        raw: Bytes,
        heard: &Heard,
        can_drop: bool,
    ) -> (Arc<Scan>, Ruling) {
        self.whole(envelope, raw, heard, can_drop, Left::NONE).await
    }

    async fn whole(
        &self,
        envelope: Envelope,
        raw: Bytes,
        heard: &Heard,
        can_drop: bool,
        left: Left<'_>,
    ) -> (Arc<Scan>, Ruling) {
        let spool = Spool::new();
        spool.push(&raw);
        drop(raw);
        let Passed {
            scan,
            selected,
            reports,
        } = self.pass(envelope, spool, heard, can_drop, left).await;
        let ruling = self.rule(&selected, &scan, reports, can_drop);
        (scan, ruling)
    }

    /// Lets a message that is there as a whole pass every filter but those of `left`, as if it came by milter.
    pub(super) async fn pass(
        &self,
        mut envelope: Envelope,
        spool: Spool,
        heard: &Heard,
        can_drop: bool,
        left: Left<'_>,
    ) -> Passed {
        envelope.direction = self.policies.direction(&envelope);
        heard.can_drop(can_drop);
        let mut checks = self.begin_without(&envelope, heard, left);
        checks.mail(&envelope);
        let mut growing = envelope.clone();
        growing.recipients.clear();
        for recipient in &envelope.recipients {
            growing.recipients.push(recipient.clone());
            checks.rcpt(&growing);
        }
        let selected = self.select(&envelope);
        Engine::prepare(&selected, &mut checks);
        let spool = Arc::new(spool);
        checks.headers(&envelope, &spool);
        let raw = spool.complete();
        let limits = self.mail_limits.clone();
        let mail = offload(raw.len(), move || Mail::parse(raw, &limits)).await;
        let scan = Arc::new(Scan {
            envelope,
            mail,
            ..Scan::default()
        });
        let deadline = Instant::now() + self.deadline;
        let reports = checks.finish(scan.clone(), deadline).await;
        Passed {
            scan,
            selected,
            reports,
        }
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
