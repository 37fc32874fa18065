//! Whether everything works that should: filters, DNS lists, ClamAV servers, and what is in force.

use std::collections::BTreeMap;

use jiff::Timestamp;
use prometheus::core::Collector;
use serde::Serialize;

use crate::filter::Reason;
use crate::server::ReloadProblem;
use crate::web::console::Console;
use crate::web::readings::{self, Labels, counts, distributions, levels};

/// A filter of the chain.
#[derive(Debug, Serialize)]
pub(in crate::web) struct FilterRow {
    pub(super) name: &'static str,
    pub(super) checked: u64,
    pub(super) skipped: u64,
    /// Messages that it did not scan, by reason.
    pub(super) unscanned: Counted,
    pub(super) seconds: Times,
}

/// How often what happened.
type Counted = BTreeMap<String, u64>;

/// Within how many seconds half of all and nearly all are answered; `None` where there were none.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(in crate::web) struct Times {
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
}

fn is(labels: &Labels, name: &str, value: &str) -> bool {
    labels.get(name).is_some_and(|v| v == value)
}

/// Counts of the series with `label` equal to `value`, by their other label.
fn by(counted: &[(Labels, u64)], [label, value, other]: [&str; 3]) -> Counted {
    let chosen = counted
        .iter()
        .filter(|(l, n)| *n > 0 && is(l, label, value));
    let named = chosen.filter_map(|(l, n)| Some((l.get(other)?.clone(), *n)));
    named.collect()
}

fn times(values: &[(Labels, readings::Distribution)], label: &str, value: &str) -> Times {
    let values = values.iter().find(|(labels, _)| is(labels, label, value));
    let quantile = |share| values.and_then(|(_, values)| values.quantile(share));
    Times {
        p50: quantile(0.5),
        p95: quantile(0.95),
    }
}

/// The filters of the chain, in order.
pub(in crate::web) fn filters(console: &Console) -> Vec<FilterRow> {
    let metrics = &console.services.metrics;
    let outcomes = counts(&metrics.outcomes);
    let seconds = distributions(&metrics.filter_seconds);
    let engine = console.services.engine.load();
    let row = |name: &'static str| {
        let mut unscanned = by(&outcomes, ["filter", name, "outcome"]);
        let mut one = |word: &str| unscanned.remove(word).unwrap_or(0);
        let (checked, skipped) = (one("checked"), one("skipped"));
        unscanned.retain(|outcome, _| Reason::ALL.iter().any(|r| r.name() == outcome));
        FilterRow {
            name,
            checked,
            skipped,
            unscanned,
            seconds: times(&seconds, "filter", name),
        }
    };
    engine
        .chain
        .members()
        .iter()
        .map(|m| row(m.name()))
        .collect()
}

/// What filters ask over the network: a DNS list, or a ClamAV server.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Service {
    pub(super) name: String,
    #[serde(rename = "in_use")]
    pub(super) is_up: bool,
    pub(super) seconds: Times,
}

/// The services that have a series of `up`, those out of use first; `label` is what their series are told apart by.
fn services(up: &impl Collector, seconds: &impl Collector, label: &str) -> Vec<Service> {
    let seconds = distributions(seconds);
    let service = |(labels, up): (Labels, f64)| {
        let name = labels.get(label)?.clone();
        Some(Service {
            is_up: up > 0.0,
            seconds: times(&seconds, label, &name),
            name,
        })
    };
    let mut services: Vec<_> = levels(up).into_iter().filter_map(service).collect();
    services.sort_by(|a, b| (a.is_up, &a.name).cmp(&(b.is_up, &b.name)));
    services
}

/// A DNS list.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ZoneRow {
    #[serde(flatten)]
    pub(super) service: Service,
    pub(super) asked: u64,
    pub(super) listed: u64,
    pub(super) failed: u64,
    /// Why it was taken out of use, and how often.
    #[serde(rename = "taken_out")]
    pub(super) trips: Counted,
}

/// The DNS lists.
pub(in crate::web) fn zones(console: &Console) -> Vec<ZoneRow> {
    let metrics = &console.services.metrics;
    let lookups = counts(&metrics.dnsbl_lookups);
    let trips = counts(&metrics.dnsbl_trips);
    let row = |service: Service| {
        let of = by(&lookups, ["zone", &service.name, "result"]);
        let sum = |words: &[&str]| words.iter().filter_map(|word| of.get(*word)).sum();
        ZoneRow {
            asked: of.values().sum(),
            listed: sum(&["listed"]),
            failed: sum(&["refused", "bogus", "timeout", "error"]),
            trips: by(&trips, ["zone", &service.name, "cause"]),
            service,
        }
    };
    let zones = services(&metrics.dnsbl_up, &metrics.dnsbl_seconds, "zone");
    zones.into_iter().map(row).collect()
}

/// A ClamAV server.
#[derive(Debug, Serialize)]
pub(in crate::web) struct ClamavRow {
    #[serde(flatten)]
    pub(super) service: Service,
    pub(super) running: u64,
    pub(super) scans: Counted,
    pub(super) signatures: Option<Signatures>,
}

/// What a ClamAV server works with.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Signatures {
    pub(super) version: u64,
    /// Seconds since 1970.
    pub(super) built: i64,
}

/// The ClamAV servers.
pub(in crate::web) fn clamav(console: &Console) -> Vec<ClamavRow> {
    let metrics = &console.services.metrics;
    let scans = counts(&metrics.clamav_scans);
    let level = |gauges: &[(Labels, f64)], name: &str| {
        let found = gauges.iter().find(|(labels, _)| is(labels, "server", name));
        found.map_or(0.0, |(_, value)| *value)
    };
    let running = levels(&metrics.clamav_running);
    let versions = levels(&metrics.clamav_signatures);
    let built = levels(&metrics.clamav_signatures_built);
    let row = |service: Service| {
        let name = &service.name;
        let version = level(&versions, name) as u64;
        ClamavRow {
            running: level(&running, name) as u64,
            scans: by(&scans, ["server", name, "result"]),
            signatures: (version > 0).then(|| Signatures {
                version,
                built: level(&built, name) as i64,
            }),
            service,
        }
    };
    let servers = services(&metrics.clamav_up, &metrics.clamav_seconds, "server");
    servers.into_iter().map(row).collect()
}

/// What the daemon works with.
#[derive(Debug)]
pub(in crate::web) struct InForce {
    pub(in crate::web) version: String,
    /// When it was taken, seconds since 1970.
    pub(in crate::web) since: i64,
    pub(in crate::web) rules: i64,
    /// Ham, spam and when it was trained; `None` without a model.
    pub(in crate::web) model: Option<(i64, i64, i64)>,
    pub(in crate::web) quarantine: (i64, i64),
    pub(in crate::web) quarantine_bytes: (u64, u64),
    pub(in crate::web) sessions: (i64, i64),
    pub(in crate::web) memory: (u64, u64),
    /// Why the last reload was refused, where it was.
    pub(in crate::web) problem: Option<(String, i64)>,
    /// The daemon itself.
    pub(in crate::web) program: &'static str,
}

impl InForce {
    pub(in crate::web) fn new(console: &Console) -> InForce {
        let services = &console.services;
        let metrics = &services.metrics;
        let trained = metrics.model_trained.get() as i64;
        let learned = |class: &str| metrics.model_messages.with_label_values(&[class]).get();
        let bytes = |gauge: &crate::metrics::Gauge| u64::try_from(gauge.get()).unwrap_or(0);
        let problem = services.reload_problem.load();
        let refused = |p: &ReloadProblem| (p.text.clone(), p.at.as_second());
        InForce {
            version: services.engine.load().version().to_owned(),
            since: metrics.configuration_loaded.get() as i64,
            rules: metrics.rules_loaded.get(),
            model: (trained > 0).then(|| (learned("ham"), learned("spam"), trained)),
            quarantine: (
                metrics.quarantine_messages.get(),
                metrics.quarantine_messages_limit.get(),
            ),
            quarantine_bytes: (
                bytes(&metrics.quarantine_bytes),
                bytes(&metrics.quarantine_bytes_limit),
            ),
            sessions: (metrics.sessions_open.get(), metrics.sessions_limit.get()),
            memory: (bytes(&metrics.bytes_in_flight), bytes(&metrics.bytes_limit)),
            problem: problem.as_deref().map(refused),
            program: env!("CARGO_PKG_VERSION"),
        }
    }

    /// How long it has been in force.
    pub(super) fn age(&self) -> String {
        ago(self.since)
    }
}

/// How long ago a time was, in one unit.
pub(super) fn ago(seconds: i64) -> String {
    let passed = Timestamp::now().as_second() - seconds;
    match passed {
        ..=89 => format!("{} s ago", passed.max(0)),
        90..5_400 => format!("{} min ago", passed / 60),
        5_400..172_800 => format!("{} h ago", passed / 3_600),
        _ => format!("{} days ago", passed / 86_400),
    }
}
