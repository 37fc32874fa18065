//! Options checked and turned into what the filter runs with. In: [`Options`] and their file. Out:
//! [`Settings`], or every problem found, each with its place.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use super::options::Options;
use super::sources::Sources;
use super::zone::Zone;
use super::zone_settings::ZoneChecker;
use crate::config::{Findings, Problems, Source};
use crate::dns::domain;
use crate::filter::breaker::Patience;
use crate::filter::{FailureAction, FailurePolicy, trusted};

/// Most questions that one message may be allowed.
const QUERIES: usize = 10_000;
/// Shortest time between two tests of a list: they are questions to somebody else.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// What the filter runs with.
#[derive(Debug)]
pub(super) struct Settings {
    /// Those that are enabled.
    pub(super) zones: Vec<Zone>,
    pub(super) sources: Sources,
    pub(super) timeout: Duration,
    pub(super) queries_per_message: usize,
    pub(super) verify_lists: bool,
    pub(super) guard: Guarding,
    pub(super) on_failure: FailurePolicy,
}

/// When a list is taken out of use, and how it comes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarding {
    pub(super) interval: Duration,
    pub(super) slow: Duration,
    pub(super) patience: Patience,
}

impl Settings {
    /// Checks `options`; files that they name are relative to `base`.
    pub(super) fn check(
        options: &Options,
        source: &Source,
        base: &Path,
    ) -> Result<Settings, Problems> {
        let mut findings = Findings::new(source);
        moved(options, &mut findings);
        let zones: Vec<Zone> = ZoneChecker::new(&mut findings, base).zones(&options.zones);
        if options.timeout.value.0.is_zero() {
            findings.wrong(&options.timeout, "no look-up can be made in no time");
        }
        findings.within(&options.queries_per_message, 1, QUERIES, "queries");
        let sources = Sources {
            wanted: zones.iter().flat_map(|z| z.subjects.clone()).collect(),
            trusted: trusted::networks(options.trusted_networks.as_deref(), &mut findings),
            skip_domains: skip_domains(options, &mut findings),
        };
        let settings = Settings {
            zones,
            sources,
            timeout: options.timeout.value.0,
            queries_per_message: options.queries_per_message.value,
            verify_lists: options.verify_lists,
            guard: guarding(options, &mut findings),
            on_failure: options.on_failure.over(FailureAction::Deliver),
        };
        findings.finish(settings)
    }
}

fn moved(options: &Options, findings: &mut Findings<'_>) {
    for (key, written) in [
        ("resolvers", &options.resolvers),
        ("attempts", &options.attempts),
        ("cache_entries", &options.cache_entries),
        ("cache_min_ttl", &options.cache_min_ttl),
        ("cache_max_ttl", &options.cache_max_ttl),
        ("queries_in_flight", &options.queries_in_flight),
    ] {
        if let Some(written) = written {
            findings.wrong_with_help(
                written,
                format!("`dnsbl.{key}` is `dns.{key}` now: all filters share one resolver"),
                format!(
                    "move the key into a section `dns` at the top of the file:\ndns:\n  {key}: ..."
                ),
            );
        }
    }
}

fn guarding(options: &Options, findings: &mut Findings<'_>) -> Guarding {
    let guard = &options.guard;
    findings.within(&guard.failures, 1, 1000, "failures");
    for time in [&guard.interval, &guard.retry_after] {
        if time.value.0 < LEAST_INTERVAL {
            findings.wrong(time, "must be 100ms or longer");
        }
    }
    if guard.slow.value.0.is_zero() {
        findings.wrong(&guard.slow, "no list answers in no time");
    }
    Guarding {
        interval: guard.interval.value.0,
        slow: guard.slow.value.0,
        patience: Patience {
            failures: guard.failures.value,
            retry_after: guard.retry_after.value.0,
        },
    }
}

fn skip_domains(options: &Options, findings: &mut Findings<'_>) -> HashSet<String> {
    let mut domains = HashSet::new();
    for entry in &options.skip_domains {
        match domain::name(entry.value.trim()) {
            Some(domain) => {
                domains.insert(domain);
            }
            None => findings.wrong_with_help(
                entry,
                "not a domain",
                "write example.org; everything below it is skipped too",
            ),
        }
    }
    domains
}
