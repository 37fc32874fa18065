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
#[path = "../dns_server/mod.rs"]
mod dns_server;
mod exporter;
#[path = "../fake_clamd/mod.rs"]
mod fake_clamd;
mod mta;
mod prometheus;
mod queries;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use mailweir::metrics::Metrics;
use mailweir::milter::MtaReply;

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

/// A message with that subject.
fn mail(subject: &str) -> String {
    format!(
        "From: Ann <a@example.net>\r\nTo: b@example.org\r\nSubject: {subject}\r\n\r\nSee you.\r\n"
    )
}

fn scanned(n: usize) -> &'static [u8] {
    match n {
        0 | 1 => b"stream: OK\0",
        2 => b"stream: Eicar-Test-Signature FOUND\0",
        _ => b"no answer of a clamd\0",
    }
}

/// One message for each verdict, one refused at RCPT, one given up.
fn send_mail(daemon: &Daemon) {
    let refused = |reply: &MtaReply, code: &str| {
        assert!(
            matches!(reply, MtaReply::Text(text) if text.starts_with(code)),
            "{reply:?}"
        );
    };
    let send = |subject: &str| {
        let mut session = daemon.connect();
        assert_eq!(session.envelope("192.0.2.1"), MtaReply::Continue);
        let reply = session.message(&mail(subject));
        session.quit();
        reply
    };
    assert_eq!(send("minutes"), MtaReply::Continue);
    assert_eq!(send("hold this"), MtaReply::Discard, "held");
    refused(&send("with a virus"), "550 ");
    refused(&send("clamd fails"), "451 ");

    let mut session = daemon.connect();
    session.envelope("192.0.2.1");
    session.give_up();

    // Nobody waits at RCPT for the list, so its answer may come too late once; then it is cached.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut session = daemon.connect();
        let reply = session.envelope(daemon::LISTED);
        session.give_up();
        if reply != MtaReply::Continue {
            refused(&reply, "550 ");
            return;
        }
        assert!(Instant::now() < deadline, "never refused at RCPT");
    }
}

#[test]
fn every_query_shows_what_the_real_daemon_did() {
    if !prometheus::installed() {
        return;
    }
    let daemon = Daemon::start(scanned);
    let prometheus = Prometheus::scraping(daemon.metrics);
    prometheus.wait_for_scrapes(2);
    send_mail(&daemon);
    let learned = f64::from(daemon::LEARNED);
    for (expr, expected) in [
        (r#"mailweir_messages_total{verdict="deliver"}"#, 1.0),
        (r#"mailweir_messages_total{verdict="quarantine"}"#, 1.0),
        (r#"mailweir_messages_total{verdict="reject"}"#, 1.0),
        (r#"mailweir_messages_total{verdict="tempfail"}"#, 1.0),
        ("mailweir_end_of_message_seconds_count", 4.0),
        (
            r#"mailweir_early_answers_total{stage="rcpt",verdict="reject"}"#,
            1.0,
        ),
        (
            r#"mailweir_unscanned_total{filter="clamav",reason="error"}"#,
            1.0,
        ),
        (
            r#"mailweir_quarantine_operations_total{operation="stored"}"#,
            1.0,
        ),
        ("mailweir_quarantine_messages", 1.0),
        ("mailweir_quarantine_messages_limit", 100_000.0),
        ("mailweir_quarantine_bytes_limit", f64::from(1 << 30) * 2.0),
        ("mailweir_bytes_in_flight_limit", f64::from(512 << 20)),
        ("mailweir_sessions_limit", 512.0),
        (r#"mailweir_hits_total{mode="live",rule="HOLD_THIS"}"#, 1.0),
        (r#"mailweir_labels_total{label="held"}"#, 1.0),
        ("mailweir_rules_loaded", 1.0),
        (r#"mailweir_model_messages{class="ham"}"#, learned),
        (r#"mailweir_model_messages{class="spam"}"#, learned),
        (
            r#"mailweir_filter_outcomes_total{filter="bayes",outcome="checked"}"#,
            4.0,
        ),
        ("mailweir_clamav_up", 1.0),
        ("mailweir_sessions_open", 0.0),
        ("mailweir_bytes_in_flight", 0.0),
    ] {
        prometheus.wait_until(&format!("{expr} == {expected}"), |p| {
            p.number(expr) == Some(expected)
        });
    }
    prometheus.wait_for_scrapes(2);
    for query in queries::all() {
        let answer = prometheus.ask(&query);
        // An alert has data when it fires; that each does is what promtool is asked.
        assert!(
            !query.dashboard || !answer.is_empty(),
            "{} has no data\n{}",
            query.origin,
            query.expr
        );
    }
    // The first failure of its kind has grown from 0, so it can raise an alert.
    let first = r#"increase(mailweir_unscanned_total{filter="clamav",reason="error"}[5m])"#;
    assert!(prometheus.number(first).unwrap() > 0.0);
    let p99 =
        "histogram_quantile(0.99, sum by (le) (rate(mailweir_end_of_message_seconds_bucket[1m])))";
    let p99 = prometheus.number(p99).unwrap();
    assert!(p99 > 0.0 && p99 < 300.0, "p99 {p99}");
}
