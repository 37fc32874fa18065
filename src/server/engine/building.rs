//! How an engine is made from a configuration.

use std::path::PathBuf;
use std::sync::Arc;

use super::Engine;
use crate::config::{Config, FilterName, Problems};
use crate::dns::Dns;
use crate::filter::{self, Build, Chain, Filter};
use crate::metrics::Metrics;
use crate::policy::Policies;
use crate::store::Facts;

/// Digits of the version of an engine.
const VERSION_DIGITS: usize = 12;

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
}
