//! Counters that are shown before anything has happened: a counter that is first seen at 1 has not grown for Prometheus,
//! so the first failure would raise no alert.

use super::{Counters, Metrics};
use crate::events::Kind;
use crate::filter::{Action, Reason};
use crate::policy::Settled;
use crate::scanners;

/// Shows `counters` under each of the values of its last label, behind the labels before it; where there are no values
/// those are all.
pub(super) fn show(counters: &Counters, before: &[&str], values: &[&str]) {
    for labels in series(before, values) {
        counters.with_label_values(&labels);
    }
}

/// The labels of each series: those before the last, and each value of the last.
pub(super) fn series<'l>(
    before: &'l [&'l str],
    values: &'l [&'l str],
) -> impl Iterator<Item = Vec<&'l str>> {
    let alone = values.is_empty().then(|| before.to_vec());
    let with = values.iter().map(move |value| [before, &[*value]].concat());
    alone.into_iter().chain(with)
}

impl Metrics {
    /// Shows all whose labels are fixed.
    pub(super) fn start_at_zero(&self) {
        let actions = Action::ALL.map(Action::name);
        let kinds = Kind::ALL.map(Kind::name);
        let fixed: &[(&Counters, &[&str])] = &[
            (
                &self.dns_queries,
                &["answered", "no_records", "timeout", "error", "down"],
            ),
            (
                &self.session_ends,
                &[
                    "quit",
                    "eof",
                    "idle",
                    "read_timeout",
                    "write_timeout",
                    "protocol",
                    "io",
                    "drain",
                    "panic",
                ],
            ),
            (&self.messages, &actions),
            (&self.over_limit, &["message", "total"]),
            (
                &self.quarantine_operations,
                &[
                    "stored",
                    "shared",
                    "released",
                    "forwarded",
                    "deleted",
                    "expired",
                    "redeemed",
                    "moved",
                    "brought_back",
                ],
            ),
            (
                &self.quarantine_failures,
                &[
                    "store", "read", "release", "forward", "delete", "expire", "redeem", "objects",
                ],
            ),
            (&self.quarantine_digests, &["sent", "failed"]),
            (
                &self.quarantine_links,
                &[
                    "shown", "released", "before", "expired", "gone", "invalid", "failed",
                ],
            ),
            (&self.console_refused, &["all", "address"]),
            (&self.console_requests, &["2xx", "3xx", "4xx", "5xx"]),
            (
                &self.console_logins,
                &["ok", "wrong", "throttled", "refused", "failed"],
            ),
            (&self.console_oidc_requests, &["ok", "error", "timeout"]),
            (&self.reloads, &["ok", "failed"]),
            (&self.policy_conflicts, &Settled::CONFLICTS),
            (&self.policy_senders, &["allow", "unproven", "deny"]),
            (&self.events, &kinds),
            (&self.events_dropped, &["queue", "file", "webhook"]),
            (
                &self.webhook_requests,
                &["taken", "refused", "timeout", "error"],
            ),
        ];
        for (counters, values) in fixed {
            show(counters, &[], values);
        }
        for operation in ["put", "get", "delete", "list"] {
            let results = ["ok", "absent", "failed", "wrong"];
            show(&self.quarantine_object_requests, &[operation], &results);
            self.quarantine_object_seconds
                .with_label_values(&[operation]);
        }
        for protocol in ["spamd", "rspamd"] {
            show(
                &self.scanner_requests,
                &[protocol, "check"],
                &scanners::OUTCOMES,
            );
            show(
                &self.scanner_refused,
                &[protocol],
                &["connections", "network"],
            );
            for gauges in [&self.scanner_connections, &self.scanner_connections_limit] {
                gauges.with_label_values(&[protocol]);
            }
        }
        self.reload_ok.set(1);
    }

    /// Shows those of a filter.
    pub fn filter_starts_at_zero(&self, filter: &str) {
        let reasons = Reason::ALL.map(Reason::name);
        show(&self.outcomes, &[filter], &["checked", "skipped"]);
        show(&self.outcomes, &[filter], &reasons);
        show(&self.unscanned, &[filter], &reasons);
    }

    /// Shows those of a policy.
    pub fn policy_starts_at_zero(&self, policy: &str) {
        let actions = Action::ALL.map(Action::name);
        show(&self.policy_recipients, &[policy], &actions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_with_fixed_labels_are_seen_before_their_first_event() {
        let metrics = Metrics::new().unwrap();
        metrics.filter_starts_at_zero("clamav");
        let text = String::from_utf8(metrics.encode().unwrap()).unwrap();
        for reason in crate::filter::Reason::ALL {
            let line =
                format!(r#"mailweir_unscanned_total{{filter="clamav",reason="{reason}"}} 0"#);
            assert!(text.contains(&line), "{line}");
        }
        for line in [
            r#"mailweir_quarantine_failures_total{operation="store"} 0"#,
            r#"mailweir_messages_total{verdict="tempfail"} 0"#,
            r#"mailweir_over_limit_total{bound="total"} 0"#,
            r#"mailweir_reloads_total{result="failed"} 0"#,
            "mailweir_reload_ok 1",
        ] {
            assert!(text.contains(line), "{line}");
        }
    }
}
