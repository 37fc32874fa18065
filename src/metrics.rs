//! Every metric in one place.
//!
//! Names begin with `mailweir_`; units are seconds and bytes; labels take values from configuration or
//! from fixed sets, never from a message. `docs/metrics.md` lists them for the people who read them.

mod series;
mod start;

use std::sync::Arc;

use prometheus::core::{AtomicF64, AtomicI64, AtomicU64};
use prometheus::core::{
    Collector, GenericCounter, GenericCounterVec, GenericGauge, GenericGaugeVec,
};
use prometheus::{Encoder, Histogram, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder};

use crate::filter::{Action, Hit};
use crate::verdict::labels;
pub use series::Series;

/// A counter.
pub type Counter = GenericCounter<AtomicU64>;
/// A counter with labels.
pub type Counters = GenericCounterVec<AtomicU64>;
/// An integer gauge.
pub type Gauge = GenericGauge<AtomicI64>;
/// Integer gauges with labels.
pub type Gauges = GenericGaugeVec<AtomicI64>;
/// A gauge of fractional values.
pub type FloatGauge = GenericGauge<AtomicF64>;

/// Bucket bounds for waits, seconds: half a millisecond to five minutes.
const WAITS: &[f64] = &[
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0,
];
/// Bucket bounds for message sizes, bytes: 1 KiB to 64 MiB.
const SIZES: &[f64] = &[
    1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0,
];

macro_rules! metrics {
    ($( $(#[doc = $doc:literal])+ $field:ident : $kind:ident = $name:literal $([$($label:literal),*])? $({$buckets:ident})? ;)*) => {
        /// All metrics of one daemon, with the registry that exports them.
        #[derive(Clone, Debug)]
        pub struct Metrics {
            registry: Registry,
            users: Arc<series::Users>,
            $( $(#[doc = $doc])+ pub $field: metrics!(@type $kind), )*
        }

        impl Metrics {
            /// Registers every metric.
            ///
            /// # Errors
            /// Only when two metrics share a name, which the unit test of this module rules out.
            pub fn new() -> Result<Metrics, prometheus::Error> {
                let registry = Registry::new();
                $(
                    let $field = metrics!(@make $kind, $name, concat!($($doc,)+), [$($($label),*)?], $($buckets)?);
                    registry.register(boxed(&$field))?;
                )*
                let metrics = Metrics { registry, users: Arc::default(), $($field),* };
                metrics.start_at_zero();
                Ok(metrics)
            }

            /// Name and help of each metric, in the order of declaration.
            pub const CATALOGUE: &'static [(&'static str, &'static str)] = &[$(($name, concat!($($doc,)+))),*];
        }
    };
    (@type counter) => { Counter };
    (@type counters) => { Counters };
    (@type gauge) => { Gauge };
    (@type gauges) => { Gauges };
    (@type float) => { FloatGauge };
    (@type histogram) => { Histogram };
    (@type histograms) => { HistogramVec };
    (@make counter, $n:expr, $d:expr, [],) => { Counter::with_opts(Opts::new($n, $d.trim()))? };
    (@make counters, $n:expr, $d:expr, [$($l:expr),+],) => { Counters::new(Opts::new($n, $d.trim()), &[$($l),+])? };
    (@make gauge, $n:expr, $d:expr, [],) => { Gauge::with_opts(Opts::new($n, $d.trim()))? };
    (@make gauges, $n:expr, $d:expr, [$($l:expr),+],) => { Gauges::new(Opts::new($n, $d.trim()), &[$($l),+])? };
    (@make float, $n:expr, $d:expr, [],) => { FloatGauge::with_opts(Opts::new($n, $d.trim()))? };
    (@make histogram, $n:expr, $d:expr, [], $b:ident) => { Histogram::with_opts(HistogramOpts::new($n, $d.trim()).buckets($b.to_vec()))? };
    (@make histograms, $n:expr, $d:expr, [$($l:expr),+], $b:ident) => { HistogramVec::new(HistogramOpts::new($n, $d.trim()).buckets($b.to_vec()), &[$($l),+])? };
}

fn boxed<C: Collector + Clone + 'static>(collector: &C) -> Box<dyn Collector> {
    Box::new(collector.clone())
}

metrics! {
    /// Milter connections accepted.
    sessions: counter = "mailweir_sessions_total";
    /// Milter connections open now.
    sessions_open: gauge = "mailweir_sessions_open";
    /// Milter connections allowed at one time.
    sessions_limit: gauge = "mailweir_sessions_limit";
    /// Milter connections closed at once because the bound on connections was reached.
    sessions_refused: counter = "mailweir_sessions_refused_total";
    /// Ends of milter connections, by cause: quit, eof, idle, read_timeout, write_timeout, protocol, io, drain, panic.
    session_ends: counters = "mailweir_session_ends_total"["cause"];
    /// Transactions given up before end of message (ABORT, lost connection).
    transactions_aborted: counter = "mailweir_transactions_aborted_total";
    /// Messages answered, by verdict.
    messages: counters = "mailweir_messages_total"["verdict"];
    /// Answers that came too early for a message, by milter stage and verdict.
    early_answers: counters = "mailweir_early_answers_total"["stage", "verdict"];
    /// Messages of which at least one filter has not seen all, by filter and reason.
    unscanned: counters = "mailweir_unscanned_total"["filter", "reason"];
    /// Outcomes by filter: checked, skipped, or the reason of a failure.
    outcomes: counters = "mailweir_filter_outcomes_total"["filter", "outcome"];
    /// Time from the end of the message to the outcome of a filter.
    filter_seconds: histograms = "mailweir_filter_seconds"["filter"] {WAITS};
    /// Time from end of message to the final reply.
    end_of_message_seconds: histogram = "mailweir_end_of_message_seconds" {WAITS};
    /// Size of messages.
    message_bytes: histogram = "mailweir_message_bytes" {SIZES};
    /// Bytes of messages held in memory now.
    bytes_in_flight: gauge = "mailweir_bytes_in_flight";
    /// Bytes of messages allowed in memory at one time.
    bytes_limit: gauge = "mailweir_bytes_in_flight_limit";
    /// Messages answered tempfail or reject because a bound on bytes was reached, by bound: message, total.
    over_limit: counters = "mailweir_over_limit_total"["bound"];
    /// Panics caught; each cost one session.
    panics: counter = "mailweir_panics_total";
    /// Hits by rule, list or signature family; mode is live, or shadow for rules on trial, which weigh nothing.
    hits: counters = "mailweir_hits_total"["rule", "mode"];
    /// Messages by label that rules put on them.
    labels: counters = "mailweir_labels_total"["label"];
    /// Recipients by the policy that took them and its verdict.
    policy_recipients: counters = "mailweir_policy_recipients_total"["policy", "verdict"];
    /// Messages whose recipients have policies that want different things, by how that was settled: split, held,
    /// tempfail, strictest, mildest.
    policy_conflicts: counters = "mailweir_policy_conflicts_total"["settled"];
    /// Messages that were to be split, and the MTA does not let recipients be dropped.
    policy_not_granted: counter = "mailweir_policy_drop_not_granted_total";
    /// Recipients who were dropped from a message that others got; a copy is held for them.
    policy_dropped: counter = "mailweir_policy_dropped_recipients_total";
    /// Verdicts of policies in which a list of senders had a say: allow, unproven (an allow entry that did not count
    /// because nothing proves the sender), deny.
    policy_senders: counters = "mailweir_policy_senders_total"["list"];
    /// Questions sent to the resolvers, by result: answered, no_records, timeout, error, down.
    dns_queries: counters = "mailweir_dns_queries_total"["result"];
    /// Look-ups answered from memory, or by an equal question that was on its way already.
    dns_cached: counter = "mailweir_dns_cached_total";
    /// Time of questions to the resolvers, attempts included.
    dns_seconds: histogram = "mailweir_dns_seconds" {WAITS};
    /// Questions on their way to the resolvers now.
    dns_in_flight: gauge = "mailweir_dns_queries_in_flight";
    /// Questions allowed on their way at one time.
    dns_queries_limit: gauge = "mailweir_dns_queries_in_flight_limit";
    /// DNS answers held in memory.
    dns_cache_entries: gauge = "mailweir_dns_cache_entries";
    /// DNS answers allowed in memory.
    dns_cache_limit: gauge = "mailweir_dns_cache_entries_limit";
    /// DNS list look-ups by list: listed, not_listed, cached, refused, bogus, timeout, error, skipped (the list
    /// is out of use).
    dnsbl_lookups: counters = "mailweir_dnsbl_lookups_total"["zone", "result"];
    /// Time of DNS list look-ups that went to the resolver.
    dnsbl_seconds: histograms = "mailweir_dnsbl_seconds"["zone"] {WAITS};
    /// Whether a DNS list is used (1) or its circuit breaker is open (0).
    dnsbl_up: gauges = "mailweir_dnsbl_up"["zone"];
    /// Times that a DNS list was taken out of use, by cause: refused, bogus, everything, gone, timeout, slow,
    /// error, down.
    dnsbl_trips: counters = "mailweir_dnsbl_trips_total"["zone", "cause"];
    /// Values that a DNS list was not asked about because a message had more of them than its `max`.
    dnsbl_left_out: counters = "mailweir_dnsbl_left_out_total"["zone"];
    /// Messages that would have cost more DNS list questions than one message may.
    dnsbl_over_limit: counter = "mailweir_dnsbl_over_limit_total";
    /// Hosts of URLs whose addresses or name servers could not be found out.
    dnsbl_unresolved: counter = "mailweir_dnsbl_unresolved_total";
    /// Results of sender authentication, by method (spf, dkim, dmarc, arc, iprev) and result.
    auth_results: counters = "mailweir_auth_results_total"["method", "result"];
    /// Messages that failed DMARC, by what became of the policy: none, quarantine, reject, spared (by pct), arc (a trusted
    /// sealer saw it pass), mailing_list.
    auth_dispositions: counters = "mailweir_auth_dmarc_failures_total"["disposition"];
    /// Fields Authentication-Results that claimed to be ours and came from outside; they were removed where the message
    /// was delivered.
    auth_forged: counter = "mailweir_auth_forged_results_total";
    /// Deliveries by greylisting: deferred (new), early (came back too early), passed (came back in time), known, white
    /// (deliveries of this origin come back as a rule), correspondent (the recipient has written to the sender).
    greylist: counters = "mailweir_greylist_total"["result"];
    /// Messages and recipients beyond a limit on rates, by limit.
    rates_exceeded: counters = "mailweir_rates_exceeded_total"["limit"];
    /// Messages from which reputation was learned, by what they counted as: ham, spam, between.
    reputation_lessons: counters = "mailweir_reputation_lessons_total"["lesson"];
    /// Files found: attachments, and what containers among them hold.
    attachments_files: counter = "mailweir_attachments_files_total";
    /// Containers opened, by kind: zip, gzip, bzip2, xz, lzma, lzip, zstd, tar, 7z, rar, iso, fat, cab, tnef, message,
    /// document.
    attachments_opened: counters = "mailweir_attachments_opened_total"["kind"];
    /// Messages of which a limit kept something closed, by limit: depth, files, file_bytes, bytes, ratio,
    /// document, time.
    attachments_limits: counters = "mailweir_attachments_limits_total"["limit"];
    /// Files that are encrypted.
    attachments_encrypted: counter = "mailweir_attachments_encrypted_total";
    /// Time spent on the files of a message that has any, without waiting for a processor.
    attachments_seconds: histogram = "mailweir_attachments_seconds" {WAITS};
    /// Ends of scans by ClamAV server: clean, found, too_large, limit, encrypted, error, timeout, down, closed, garbled,
    /// idle (it was tired of a slow sender), overtaken (a second server was quicker).
    clamav_scans: counters = "mailweir_clamav_scans_total"["server", "result"];
    /// Scans running now, by ClamAV server.
    clamav_running: gauges = "mailweir_clamav_running"["server"];
    /// Whether a ClamAV server is used (1) or its circuit breaker is open (0).
    clamav_up: gauges = "mailweir_clamav_up"["server"];
    /// Time of whole scans, connect to reply, by ClamAV server.
    clamav_seconds: histograms = "mailweir_clamav_seconds"["server"] {WAITS};
    /// Number of the signature database of a ClamAV server; 0 while it is not known.
    clamav_signatures: gauges = "mailweir_clamav_signatures_version"["server"];
    /// When the signature database of a ClamAV server was built, seconds since 1970; 0 while it is not known.
    clamav_signatures_built: gauges = "mailweir_clamav_signatures_timestamp_seconds"["server"];
    /// Messages sent to a second ClamAV server because the first took long, by the second server: sent; won, when it
    /// answered first.
    clamav_hedges: counters = "mailweir_clamav_hedges_total"["server", "result"];
    /// Messages that were not scanned again because a ClamAV server with the same signatures had found them clean.
    clamav_cached: counters = "mailweir_clamav_cached_total"["server"];
    /// Messages that are remembered as clean.
    clamav_cache_entries: gauge = "mailweir_clamav_cache_entries";
    /// Messages that may be remembered as clean.
    clamav_cache_limit: gauge = "mailweir_clamav_cache_entries_limit";
    /// Rules in force.
    rules_loaded: gauge = "mailweir_rules_loaded";
    /// Texts on which a pattern that looks around or refers back reached its bound; each counted as no match.
    rules_given_up: counter = "mailweir_rules_given_up_total";
    /// Messages learned into the model in force, by class: ham, spam.
    model_messages: gauges = "mailweir_model_messages"["class"];
    /// When the model in force was trained, seconds since 1970; 0 without a model.
    model_trained: float = "mailweir_model_trained_timestamp_seconds";
    /// Lessons applied to the model in force since start, by who gave them (human, auto) and what they say: ham,
    /// spam, forget.
    lessons: counters = "mailweir_model_lessons_total"["origin", "lesson"];
    /// Bytes of the journal of lessons that are not in the model file yet.
    journal_bytes: gauge = "mailweir_model_journal_bytes";
    /// Times that the journal of lessons could not be used; the model in force then stays as it is.
    journal_errors: counter = "mailweir_model_journal_errors_total";
    /// Messages in the quarantine.
    quarantine_messages: gauge = "mailweir_quarantine_messages";
    /// Bytes in the quarantine.
    quarantine_bytes: gauge = "mailweir_quarantine_bytes";
    /// Messages that the retention of the quarantine allows.
    quarantine_messages_limit: gauge = "mailweir_quarantine_messages_limit";
    /// Bytes that the retention of the quarantine allows.
    quarantine_bytes_limit: gauge = "mailweir_quarantine_bytes_limit";
    /// Quarantine operations: stored, shared (stored without writing its bytes again), released, forwarded, deleted,
    /// expired, redeemed, moved (to the object store), brought_back (from it).
    quarantine_operations: counters = "mailweir_quarantine_operations_total"["operation"];
    /// Quarantine operations that failed: store, read, release, forward, delete, expire, redeem, objects (moving bytes to
    /// the object store, or back); a failed store was answered tempfail.
    quarantine_failures: counters = "mailweir_quarantine_failures_total"["operation"];
    /// Messages of the quarantine whose bytes are in the object store.
    quarantine_objects: gauge = "mailweir_quarantine_objects";
    /// Messages of the quarantine that are to be moved to the object store.
    quarantine_objects_waiting: gauge = "mailweir_quarantine_objects_waiting";
    /// Bytes of messages that are to be moved to the object store.
    quarantine_objects_waiting_bytes: gauge = "mailweir_quarantine_objects_waiting_bytes";
    /// Bytes of messages that may wait for the object store; 0 where nothing is moved.
    quarantine_objects_waiting_bytes_limit: gauge = "mailweir_quarantine_objects_waiting_bytes_limit";
    /// Requests to the object store, by operation (put, get, delete, list) and result: ok, absent (no such object), failed,
    /// wrong (other bytes than were stored).
    quarantine_object_requests: counters = "mailweir_quarantine_object_requests_total"["operation", "result"];
    /// Time of requests to the object store, their repetitions included, by operation.
    quarantine_object_seconds: histograms = "mailweir_quarantine_object_seconds"["operation"] {WAITS};
    /// Requests in other protocols than milter, by protocol (spamd, rspamd), command and result: answered, failed (to come
    /// again later), bad, denied, incomplete.
    scanner_requests: counters = "mailweir_scanner_requests_total"["protocol", "command", "result"];
    /// Connections in other protocols than milter that are open now, by protocol.
    scanner_connections: gauges = "mailweir_scanner_connections_open"["protocol"];
    /// Connections in other protocols than milter that are allowed at one time, by protocol.
    scanner_connections_limit: gauges = "mailweir_scanner_connections_limit"["protocol"];
    /// Connections in other protocols than milter that were closed at once, by protocol and cause: connections (the bound
    /// on them was reached), network (who connects may not).
    scanner_refused: counters = "mailweir_scanner_refused_total"["protocol", "cause"];
    /// Events told to the outside, by kind: verdict, released, daemon, reload, model, dns_list, clamav.
    events: counters = "mailweir_events_total"["event"];
    /// Events that were lost, by where: queue (too many at a time), file (it could not be written), webhook (its spool has
    /// reached its bound or could not be written).
    events_dropped: counters = "mailweir_events_dropped_total"["sink"];
    /// Bytes of events that wait for the webhook.
    events_waiting: gauge = "mailweir_events_waiting_bytes";
    /// Bytes of events that may wait for the webhook.
    events_waiting_limit: gauge = "mailweir_events_waiting_bytes_limit";
    /// Requests to the webhook, by result: taken, refused (another status than 200 to 299), timeout, error.
    webhook_requests: counters = "mailweir_webhook_requests_total"["result"];
    /// Events that the webhook has taken.
    webhook_events: counter = "mailweir_webhook_events_total";
    /// When the webhook has taken events last, seconds since 1970; 0 for never.
    webhook_taken: float = "mailweir_webhook_last_taken_timestamp_seconds";
    /// Digests to recipients: sent, failed (and to be tried again).
    quarantine_digests: counters = "mailweir_quarantine_digests_total"["result"];
    /// Digests that are made and not sent.
    quarantine_digests_waiting: gauge = "mailweir_quarantine_digests_waiting";
    /// Links of digests that were opened or used: shown, released, before (released earlier), expired, gone, invalid,
    /// failed.
    quarantine_links: counters = "mailweir_quarantine_links_total"["result"];
    /// Facts about senders in memory, by kind.
    facts_entries: gauges = "mailweir_facts_entries"["kind"];
    /// Facts about senders allowed in memory, by kind.
    facts_limit: gauges = "mailweir_facts_entries_limit"["kind"];
    /// Facts about senders that went because there were more than are allowed, by kind.
    facts_evicted: counters = "mailweir_facts_evicted_total"["kind"];
    /// Changed facts that wait to be written.
    facts_waiting: gauge = "mailweir_facts_waiting";
    /// Changed facts that were written.
    facts_written: counter = "mailweir_facts_written_total";
    /// Changed facts that were not written because too many waited already; they are in memory.
    facts_dropped: counter = "mailweir_facts_dropped_total";
    /// Times that the file of facts could not be opened, read or written.
    facts_failures: counter = "mailweir_facts_failures_total";
    /// Files of facts that were damaged and set aside.
    facts_set_aside: counter = "mailweir_facts_set_aside_total";
    /// Whether facts are written (1), or there is none to write or no way to (0).
    facts_up: gauge = "mailweir_facts_up";
    /// Time to write the facts that have changed.
    facts_seconds: histogram = "mailweir_facts_write_seconds" {WAITS};
    /// Connections for metrics closed at once because 64 were open.
    http_refused: counter = "mailweir_http_connections_refused_total";
    /// Connections of the console open now.
    console_connections: gauge = "mailweir_console_connections";
    /// Connections of the console allowed at one time.
    console_connections_limit: gauge = "mailweir_console_connections_limit";
    /// Connections of the console closed at once because a bound was reached: all, address.
    console_refused: counters = "mailweir_console_connections_refused_total"["bound"];
    /// Requests to the console, by class of the answer: 2xx, 3xx, 4xx, 5xx.
    console_requests: counters = "mailweir_console_requests_total"["status"];
    /// Attempts to sign in to the console: ok, wrong (name and password, or what a provider sends), throttled (not looked
    /// at), refused (known to the provider, but not let in), failed (the provider, or we).
    console_logins: counters = "mailweir_console_logins_total"["result"];
    /// Requests of the console to the provider of sign-ins: ok (answered), error, timeout.
    console_oidc_requests: counters = "mailweir_console_oidc_requests_total"["result"];
    /// Messages in the history.
    history_rows: gauge = "mailweir_history_messages";
    /// Bytes of the history in use.
    history_bytes: gauge = "mailweir_history_bytes";
    /// Bytes that the history may use.
    history_bytes_limit: gauge = "mailweir_history_bytes_limit";
    /// Verdicts that wait to be written to the history.
    history_waiting: gauge = "mailweir_history_waiting";
    /// Verdicts that were written to the history.
    history_written: counter = "mailweir_history_written_total";
    /// Verdicts that are not in the history, because too many waited already.
    history_dropped: counter = "mailweir_history_dropped_total";
    /// Messages that were removed from the history because of their age or its size.
    history_removed: counter = "mailweir_history_removed_total";
    /// Times that the file of the history could not be opened, read or written.
    history_failures: counter = "mailweir_history_failures_total";
    /// Files of the history that were damaged and set aside.
    history_set_aside: counter = "mailweir_history_set_aside_total";
    /// Whether verdicts are written to the history (1), or it is switched off or cannot be written (0).
    history_up: gauge = "mailweir_history_up";
    /// Whether a history is kept at all (1) or switched off (0).
    history_enabled: gauge = "mailweir_history_enabled";
    /// Time to write a batch of verdicts to the history.
    history_seconds: histogram = "mailweir_history_write_seconds" {WAITS};
    /// Reloads by result: ok, failed.
    reloads: counters = "mailweir_reloads_total"["result"];
    /// Whether the last reload was taken (1) or refused, the old configuration going on (0).
    reload_ok: gauge = "mailweir_reload_ok";
    /// When a reload was refused last, seconds since 1970; 0 for never.
    reload_failed: float = "mailweir_reload_last_failure_timestamp_seconds";
    /// Always 1; version of configuration, rules and model together, and of the rules.
    configuration: gauges = "mailweir_configuration_info"["version", "rules"];
    /// When the configuration in force was taken, seconds since 1970.
    configuration_loaded: float = "mailweir_configuration_loaded_timestamp_seconds";
    /// Always 1; the version of the daemon.
    build: gauges = "mailweir_build_info"["version"];
}

impl Metrics {
    /// Counts recipients of a policy, by what it said.
    pub fn count_recipients(&self, policy: &str, action: Action, recipients: usize) {
        self.policy_recipients
            .with_label_values(&[policy, action.name()])
            .inc_by(recipients as u64);
    }

    /// Counts hits, given with their filters, and the labels that they put on a message, each once.
    pub fn count_hits<'a>(&self, hits: impl Iterator<Item = (&'static str, &'a Hit)> + Clone) {
        for (_, hit) in hits.clone() {
            let mode = match hit.shadow {
                Some(_) => "shadow",
                None => "live",
            };
            self.hits
                .with_label_values(&[hit.rule.as_ref(), mode])
                .inc();
        }
        for label in labels(hits) {
            self.labels.with_label_values(&[label]).inc();
        }
    }

    /// The text exposition format, version 0.0.4.
    ///
    /// # Errors
    /// When a metric cannot be encoded, which means a defect.
    pub fn encode(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut out = Vec::with_capacity(16 << 10);
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_registers_once_and_is_exported() {
        let metrics = Metrics::new().expect("no name is used twice");
        metrics.sessions.inc();
        let text = String::from_utf8(metrics.encode().unwrap()).unwrap();
        assert!(text.contains("mailweir_sessions_total 1"));
        assert!(text.contains("# HELP mailweir_sessions_total Milter connections accepted."));
    }
}
