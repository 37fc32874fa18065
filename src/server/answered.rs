//! What is noted of a message that was judged and answered, however it came: metrics, the line of the log, an event, the
//! history, and what filters learn from it.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::engine::Engine;
use super::message_line::{Line, tell};
use super::services::Services;
use crate::filter::{Outcome, Report, Scan, offload};
use crate::heard::Heard;
use crate::history::{self, Refused, Versions};
use crate::metrics::Metrics;
use crate::milter::Reply;
use crate::policy::{Ruling, Settled};
use crate::verdict::Verdict;

/// A message at its end.
pub(super) struct Answered<'a> {
    /// How it came.
    pub(super) protocol: &'static str,
    pub(super) id: &'a str,
    pub(super) received: Timestamp,
    pub(super) engine: &'a Engine,
    /// Of the engine, when the message was judged.
    pub(super) versions: &'a Versions,
    pub(super) scan: &'a Arc<Scan>,
    /// Recipients who were refused before it came.
    pub(super) refused: &'a [Refused],
    pub(super) ruling: &'a Ruling,
    /// What was answered: the verdict of the ruling, or that no copy could be kept.
    pub(super) verdict: &'a Verdict,
    pub(super) reply: &'a Reply,
    /// Whether a copy is in the quarantine.
    pub(super) held: bool,
    /// When its last byte had come.
    pub(super) started: Instant,
}

impl Answered<'_> {
    /// Notes it everywhere. `heard`: what filters heard from outside.
    pub(super) async fn note(&self, services: &Services, heard: &Heard) {
        count_verdict(&services.metrics, self.ruling, self.verdict);
        count_ruling(&services.metrics, self.ruling, self.held);
        let mail = &self.scan.mail;
        tell(
            &services.events,
            &Line {
                protocol: self.protocol,
                id: self.id,
                version: self.engine.version(),
                envelope: &self.scan.envelope,
                subject: &mail.subject(),
                bytes: mail.raw().len(),
                verdict: self.verdict,
                ruling: Some(self.ruling),
                started: self.started,
            },
        );
        if services.history.is_enabled() {
            let entry = self.entry().await;
            services.history.record(entry, heard.take());
        }
        for filter in self.engine.chain.members() {
            filter.concluded(self.scan, &self.verdict.reports, self.verdict.action);
        }
    }

    async fn entry(&self) -> history::Entry {
        let took = self.started.elapsed();
        let raw = self.scan.mail.raw();
        let whole = raw.clone();
        let digest = offload(raw.len(), move || history::digest(&whole)).await;
        let transaction = history::Transaction {
            id: self.id,
            received: self.received,
            envelope: &self.scan.envelope,
            stage: history::Stage::End,
            mail: Some(&self.scan.mail),
            refused: self.refused,
            digest: Some(digest),
            bytes: raw.len(),
            reply: self.reply,
            versions: self.versions,
            took,
        };
        history::Entry::new(&transaction, self.verdict, Some(self.ruling), self.held)
    }
}

/// Counts what the filters did, whatever policies make of it.
pub(super) fn count_reports(metrics: &Metrics, reports: &[Report]) {
    for report in reports {
        let label = report.outcome.label();
        let labels = [report.filter, label];
        metrics.outcomes.with_label_values(&labels).inc();
        let seconds = metrics.filter_seconds.with_label_values(&[report.filter]);
        seconds.observe(report.elapsed.as_secs_f64());
        if let Outcome::Unscanned { reason, .. } = report.outcome {
            let labels = [report.filter, reason.name()];
            metrics.unscanned.with_label_values(&labels).inc();
        }
    }
}

/// Counts the answer, and the hits of all policies, each rule once.
fn count_verdict(metrics: &Metrics, ruling: &Ruling, answered: &Verdict) {
    let action = answered.action.name();
    metrics.messages.with_label_values(&[action]).inc();
    let verdicts: Vec<&Verdict> = match ruling.shares.as_slice() {
        [] => vec![answered],
        shares => shares.iter().map(|s| &s.verdict).collect(),
    };
    let mut seen: Vec<&str> = Vec::new();
    for verdict in verdicts {
        let new = verdict
            .hits()
            .filter(|(_, hit)| !seen.contains(&&*hit.rule));
        let new: Vec<_> = new.collect();
        metrics.count_hits(new.iter().copied());
        seen.extend(new.into_iter().map(|(_, hit)| &*hit.rule));
    }
}

/// Counts what policies said, and how they were settled. Nobody is dropped where no copy could be kept.
fn count_ruling(metrics: &Metrics, ruling: &Ruling, stored: bool) {
    for share in &ruling.shares {
        let (name, action) = (share.policy.name(), share.verdict.action);
        metrics.count_recipients(name, action, share.recipients.len());
        for list in share.sender_lists() {
            metrics.policy_senders.with_label_values(&[list]).inc();
        }
    }
    if ruling.settled != Settled::Agreed {
        let settled = ruling.settled.name();
        metrics.policy_conflicts.with_label_values(&[settled]).inc();
    }
    if ruling.not_granted {
        metrics.policy_not_granted.inc();
    }
    if let Some(held) = ruling.held.as_ref().filter(|_| stored) {
        metrics.policy_dropped.inc_by(held.recipients.len() as u64);
    }
}
