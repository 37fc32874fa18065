//! The dashboard, the alerts and their documentation against a real Prometheus.
//!
//! What a query asks for must exist, must answer, and must answer with the labels that a panel shows; what
//! the daemon counts must be shown and explained. Prometheus and promtool come from the Debian package
//! `prometheus`; without it those tests say so and pass.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic
)]

mod daemon;
mod dashboard;
mod exporter;
mod prometheus;
mod queries;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use mailweir::metrics::Metrics;

use daemon::Daemon;
use exporter::Exporter;
use prometheus::Prometheus;
use queries::Query;

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/")).join(path)
}

fn catalogue() -> BTreeSet<String> {
    Metrics::CATALOGUE
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect()
}

#[test]
fn queries_name_only_metrics_that_exist_and_leave_none_out() {
    let known = catalogue();
    let mut shown = BTreeSet::new();
    for query in queries::all() {
        for name in query.metrics() {
            assert!(
                known.contains(&name),
                "{}: no metric {name}\n{}",
                query.origin,
                query.expr
            );
            shown.insert(name);
        }
    }
    let hidden: Vec<_> = known.difference(&shown).collect();
    assert!(
        hidden.is_empty(),
        "neither shown nor alerted on: {hidden:?}"
    );
}

#[test]
fn the_documentation_explains_every_metric_and_every_alert() {
    let docs = std::fs::read_to_string(repository("docs/metrics.md")).unwrap();
    for name in catalogue() {
        assert!(docs.contains(&format!("| `{name}`")), "no row for {name}");
    }
    let named = regex::Regex::new(r"mailweir_[a-z_]+[a-z]").unwrap();
    for found in named.find_iter(&docs) {
        let name = queries::family(found.as_str());
        assert!(catalogue().contains(&name), "there is no metric {name}");
    }
    for alert in queries::alerts() {
        let anchor = alert.runbook.strip_prefix("docs/metrics.md#").unwrap();
        let heading = docs
            .lines()
            .filter_map(|l| l.strip_prefix("### "))
            .any(|h| h.to_lowercase() == anchor);
        assert!(heading, "{}: no heading for {anchor}", alert.name);
        assert!(
            docs.contains(&alert.name),
            "{} is not explained",
            alert.name
        );
    }
}

#[test]
fn every_alert_says_what_is_wrong_and_what_to_do() {
    let mut names = BTreeSet::new();
    let cases = ["alerts.minutes.yaml", "alerts.days.yaml"]
        .map(|file| std::fs::read_to_string(repository("tests/prometheus").join(file)).unwrap())
        .concat();
    for alert in queries::alerts() {
        for text in [&alert.summary, &alert.description, &alert.action] {
            assert!(text.len() > 15, "{}: {text:?} says too little", alert.name);
        }
        assert!(
            ["critical", "warning", "info"].contains(&alert.severity.as_str()),
            "{}",
            alert.name
        );
        assert!(
            cases.contains(&format!("alertname=\"{}\"", alert.name)),
            "{}: no case makes it fire",
            alert.name
        );
        assert!(names.insert(alert.name.clone()), "{} twice", alert.name);
    }
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    if !prometheus::installed() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: &str| {
        let from = repository(from);
        let to = dir.path().join(from.file_name().unwrap());
        std::fs::copy(&from, &to).unwrap();
        to
    };
    let rules = copy("grafana/alerts.yaml");
    let cases = ["minutes", "days"].map(|c| copy(&format!("tests/prometheus/alerts.{c}.yaml")));
    let promtool = |kind: &str, files: &[PathBuf]| {
        let done = Command::new("/usr/bin/promtool")
            .args([kind, "rules"])
            .args(files)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "promtool {kind} rules\n{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
    };
    promtool("check", &[rules]);
    promtool("test", &cases);
}

#[test]
fn every_panel_shows_numbers_when_every_metric_has_some() {
    if !prometheus::installed() {
        return;
    }
    let exporter = Exporter::start();
    let prometheus = Prometheus::scraping(exporter.address);
    prometheus.wait_for_scrapes(4);
    for query in queries::dashboard() {
        let answer = prometheus.ask(&query);
        assert!(!answer.is_empty(), "{}\n{}", query.origin, query.expr);
        for series in &answer {
            assert!(
                series.value.is_finite(),
                "{}: {}\n{}",
                query.origin,
                series.value,
                query.expr
            );
            for label in query.legend_labels() {
                assert!(
                    series.labels.contains_key(&label),
                    "{}: the legend wants {label}, there is {:?}",
                    query.origin,
                    series.labels
                );
            }
        }
    }
    for query in queries::alerts().into_iter().map(Query::from) {
        prometheus.ask(&query);
    }
}

/// Metrics that the daemon shows after a few messages, whatever its chain.
const AFTER_SOME_MAIL: &[&str] = &[
    "mailweir_build_info",
    "mailweir_sessions_total",
    "mailweir_sessions_open",
    "mailweir_sessions_limit",
    "mailweir_sessions_refused_total",
    "mailweir_session_ends_total",
    "mailweir_transactions_aborted_total",
    "mailweir_messages_total",
    "mailweir_end_of_message_seconds",
    "mailweir_message_bytes",
    "mailweir_bytes_in_flight",
    "mailweir_bytes_in_flight_limit",
    "mailweir_over_limit_total",
    "mailweir_panics_total",
    "mailweir_reload_ok",
    "mailweir_reloads_total",
    "mailweir_configuration_loaded_timestamp_seconds",
    "mailweir_quarantine_messages",
    "mailweir_quarantine_bytes",
    "mailweir_quarantine_operations_total",
    "mailweir_quarantine_failures_total",
    "mailweir_rules_loaded",
];

#[test]
fn every_query_runs_on_the_real_daemon() {
    if !prometheus::installed() {
        return;
    }
    let daemon = Daemon::start();
    let prometheus = Prometheus::scraping(daemon.metrics);
    prometheus.wait_for_scrapes(2);
    let ham = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: minutes\r\n\r\nSee you.\r\n";
    for _ in 0..5 {
        daemon.send(ham);
    }
    daemon.give_up();
    prometheus.wait_until("five messages and one given up", |p| {
        p.number("sum(mailweir_messages_total)") == Some(5.0)
            && p.number("mailweir_end_of_message_seconds_count") == Some(5.0)
            && p.number("mailweir_transactions_aborted_total") == Some(1.0)
    });
    prometheus.wait_for_scrapes(2);
    for query in queries::all() {
        let answer = prometheus.ask(&query);
        let due = query.dashboard
            && query
                .metrics()
                .iter()
                .all(|m| AFTER_SOME_MAIL.contains(&m.as_str()));
        assert!(
            !due || !answer.is_empty(),
            "{} has no data\n{}",
            query.origin,
            query.expr
        );
    }
    let rate = prometheus.number("sum(rate(mailweir_end_of_message_seconds_count[1m]))");
    assert!(rate.unwrap() > 0.0);
    let p99 =
        "histogram_quantile(0.99, sum by (le) (rate(mailweir_end_of_message_seconds_bucket[1m])))";
    let p99 = prometheus.number(p99).unwrap();
    assert!(p99 > 0.0 && p99 < 300.0, "p99 {p99}");
    let kept = "mailweir_bytes_in_flight_limit - mailweir_bytes_in_flight";
    assert!(prometheus.number(kept).unwrap() > 0.0);
}
