//! An exporter in which every metric has values that move, made from the daemon's own metrics.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use mailweir::filter::{Action, Reason};
use mailweir::metrics::Metrics;

/// Serves `/metrics` until the test process ends.
pub(crate) struct Exporter {
    pub(crate) address: SocketAddr,
}

impl Exporter {
    pub(crate) fn start() -> Exporter {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Metrics::new().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).unwrap();
                something_happens(&metrics);
                let body = metrics.encode().unwrap();
                everything_is_there(&body);
                let head = "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n";
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(&body).unwrap();
            }
        });
        Exporter { address }
    }
}

fn everything_is_there(exposition: &[u8]) {
    let text = String::from_utf8_lossy(exposition);
    for (name, _) in Metrics::CATALOGUE {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name} is empty");
    }
}

/// Each counter grows, each gauge has a value; called for each scrape.
fn something_happens(m: &Metrics) {
    for counter in [
        &m.sessions,
        &m.sessions_refused,
        &m.transactions_aborted,
        &m.panics,
        &m.journal_errors,
        &m.rules_given_up,
        &m.attachments_files,
        &m.attachments_encrypted,
        &m.dns_cached,
        &m.dnsbl_over_limit,
        &m.dnsbl_unresolved,
        &m.facts_written,
        &m.facts_dropped,
        &m.facts_failures,
        &m.facts_set_aside,
        &m.history_written,
        &m.webhook_events,
        &m.history_dropped,
        &m.history_removed,
        &m.history_failures,
        &m.history_set_aside,
        &m.policy_dropped,
        &m.policy_not_granted,
        &m.http_refused,
    ] {
        counter.inc();
    }
    let labelled: &[(&mailweir::metrics::Counters, &[&str])] = &[
        (&m.session_ends, &["quit"]),
        (&m.session_ends, &["protocol"]),
        (&m.early_answers, &["rcpt", "reject"]),
        (&m.over_limit, &["total"]),
        (&m.console_refused, &["address"]),
        (&m.hits, &["SUBJ_ALL_CAPS", "live"]),
        (&m.hits, &["VIRUS", "live"]),
        (&m.labels, &["newsletter"]),
        (&m.policy_recipients, &["default", "deliver"]),
        (&m.policy_conflicts, &["split"]),
        (&m.policy_senders, &["unproven"]),
        (&m.dns_queries, &["answered"]),
        (&m.dns_queries, &["timeout"]),
        (&m.dnsbl_lookups, &["bl.example.org", "listed"]),
        (&m.dnsbl_lookups, &["bl.example.org", "cached"]),
        (&m.dnsbl_lookups, &["bl.example.org", "refused"]),
        (&m.dnsbl_trips, &["bl.example.org", "refused"]),
        (&m.dnsbl_left_out, &["bl.example.org"]),
        (&m.auth_results, &["spf", "pass"]),
        (&m.auth_results, &["dkim", "none"]),
        (&m.auth_dispositions, &["reject"]),
        (&m.attachments_opened, &["zip"]),
        (&m.attachments_limits, &["ratio"]),
        (&m.greylist, &["deferred"]),
        (&m.greylist, &["passed"]),
        (&m.rates_exceeded, &["client_network"]),
        (&m.reputation_lessons, &["ham"]),
        (&m.facts_evicted, &["rate"]),
        (&m.clamav_scans, &["127.0.0.1:3310", "clean"]),
        (&m.clamav_hedges, &["127.0.0.1:3310", "won"]),
        (&m.clamav_cached, &["127.0.0.1:3310"]),
        (&m.quarantine_operations, &["stored"]),
        (&m.quarantine_failures, &["store"]),
        (&m.quarantine_object_requests, &["put", "ok"]),
        (&m.scanner_requests, &["spamd", "check", "answered"]),
        (&m.scanner_requests, &["rspamd", "check", "failed"]),
        (&m.scanner_refused, &["spamd", "network"]),
        (&m.events, &["verdict"]),
        (&m.events_dropped, &["queue"]),
        (&m.webhook_requests, &["taken"]),
        (&m.console_requests, &["2xx"]),
        (&m.console_logins, &["ok"]),
        (&m.console_oidc_requests, &["error"]),
        (&m.quarantine_digests, &["sent"]),
        (&m.quarantine_links, &["released"]),
        (&m.reloads, &["ok"]),
        (&m.lessons, &["human", "spam"]),
    ];
    for (counters, labels) in labelled {
        counters.with_label_values(labels).inc();
    }
    for action in [
        Action::Deliver,
        Action::Tag,
        Action::Quarantine,
        Action::Reject,
    ] {
        m.messages.with_label_values(&[action.name()]).inc();
    }
    for filter in ["dnsbl", "auth", "attachments", "rules", "bayes", "clamav"] {
        m.filter_starts_at_zero(filter);
        m.outcomes.with_label_values(&[filter, "checked"]).inc();
        let seconds = m.filter_seconds.with_label_values(&[filter]);
        seconds.observe(0.003);
    }
    for reason in Reason::ALL {
        let labels = ["clamav", reason.name()];
        m.unscanned.with_label_values(&labels).inc();
        m.outcomes.with_label_values(&labels).inc();
    }
    m.end_of_message_seconds.observe(0.2);
    m.message_bytes.observe(3000.0);
    m.dns_seconds.observe(0.02);
    m.attachments_seconds.observe(0.004);
    m.facts_seconds.observe(0.02);
    m.history_seconds.observe(0.02);
    for operation in ["put", "get", "delete", "list"] {
        let seconds = m.quarantine_object_seconds.with_label_values(&[operation]);
        seconds.observe(0.05);
    }
    m.webhook_taken.set(1_790_000_000.0);
    for (gauge, value) in [
        (&m.scanner_connections, 2),
        (&m.scanner_connections_limit, 64),
    ] {
        gauge.with_label_values(&["spamd"]).set(value);
    }
    let zone = m.dnsbl_seconds.with_label_values(&["bl.example.org"]);
    zone.observe(0.02);
    let server = m.clamav_seconds.with_label_values(&["127.0.0.1:3310"]);
    server.observe(0.1);
    for (gauge, value) in [
        (&m.sessions_open, 3),
        (&m.sessions_limit, 512),
        (&m.bytes_in_flight, 4096),
        (&m.bytes_limit, 1 << 29),
        (&m.dns_cache_entries, 7),
        (&m.dns_cache_limit, 10_000),
        (&m.clamav_cache_entries, 7),
        (&m.clamav_cache_limit, 10_000),
        (&m.dns_in_flight, 3),
        (&m.dns_queries_limit, 256),
        (&m.rules_loaded, 150),
        (&m.facts_waiting, 20),
        (&m.facts_up, 1),
        (&m.history_rows, 9_000),
        (&m.history_bytes, 40_000_000),
        (&m.history_bytes_limit, 1 << 31),
        (&m.history_waiting, 20),
        (&m.events_waiting, 3_000),
        (&m.events_waiting_limit, 64 << 20),
        (&m.history_up, 1),
        (&m.history_enabled, 1),
        (&m.journal_bytes, 5_000),
        (&m.quarantine_messages, 12),
        (&m.quarantine_digests_waiting, 1),
        (&m.quarantine_messages_limit, 100_000),
        (&m.quarantine_bytes, 90_000),
        (&m.quarantine_objects, 9),
        (&m.quarantine_objects_waiting, 3),
        (&m.quarantine_objects_waiting_bytes, 9_000),
        (&m.quarantine_objects_waiting_bytes_limit, 1 << 31),
        (&m.quarantine_bytes_limit, 1 << 31),
    ] {
        gauge.set(value);
    }
    for (gauges, label, value) in [
        (&m.clamav_up, "127.0.0.1:3310", 1),
        (&m.dnsbl_up, "bl.example.org", 1),
        (&m.clamav_running, "127.0.0.1:3310", 2),
        (&m.clamav_signatures, "127.0.0.1:3310", 27_800),
        (&m.clamav_signatures_built, "127.0.0.1:3310", 1_700_000_000),
        (&m.facts_entries, "rate", 700),
        (&m.facts_limit, "rate", 1000),
        (&m.model_messages, "ham", 400),
        (&m.model_messages, "spam", 300),
        (&m.build, "0.1.0", 1),
    ] {
        gauges.with_label_values(&[label]).set(value);
    }
    m.model_trained.set(1_700_000_000.0);
    m.configuration_loaded.set(1_700_000_000.0);
    m.reload_failed.set(1_690_000_000.0);
    let versions = ["0123456789ab", "ba9876543210"];
    m.configuration.with_label_values(&versions).set(1);
}
