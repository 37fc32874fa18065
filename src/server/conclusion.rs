//! The end of a message: join the checks, decide, route, make durable what must be.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::transaction::Transaction;
use crate::filter::{Action, Scan, offload};
use crate::mail::Mail;
use crate::milter::{Modification, Reply};
use crate::quarantine::{Entry, Quarantine, Redeem};
use crate::router::{self, Context};
use crate::verdict::{DecidedBy, Verdict};

/// For the quarantine to become durable; the copy is abandoned and the MTA keeps the message.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);

/// What goes to the MTA.
#[derive(Debug)]
pub(super) struct Conclusion {
    pub(super) modifications: Vec<Modification>,
    pub(super) reply: Reply,
}

impl Transaction {
    /// Concludes a complete message. Dropping the future cancels what is in flight, except a copy that is
    /// being written, which comes to its end and is recognised when the MTA tries again.
    pub(super) async fn conclude(self, can_hold: bool) -> Conclusion {
        let started = Instant::now();
        if let Some(sealed) = &self.sealed {
            match &sealed.verdict {
                Some(verdict) if !self.answered_early => {
                    self.count(verdict);
                    self.log(verdict, "", started);
                }
                Some(verdict) => self.count_message(verdict.action),
                None if sealed.permanent => self.count_message(Action::Reject),
                None => self.count_message(Action::Tempfail),
            }
            return Conclusion {
                modifications: Vec::new(),
                reply: sealed.reply.clone(),
            };
        }
        let raw = self.spool.complete();
        let bytes = raw.len();

        let Transaction {
            id,
            received,
            engine,
            envelope,
            field_names,
            forged_results,
            release_mark,
            checks,
            services,
            share,
            ..
        } = self;

        services.metrics.message_bytes.observe(bytes as f64);
        let limits = engine.mail_limits.clone();
        let whole = raw.clone();
        let mail = offload(bytes, move || Mail::parse(whole, &limits)).await;

        let released = match &release_mark {
            Some(mark) => redeem(&services.quarantine, &id, mark, mail.raw()).await,
            None => false,
        };
        let scan = Arc::new(Scan {
            envelope,
            mail,
            ..Scan::default()
        });
        let verdict = if released {
            Verdict::released()
        } else {
            let reports = checks.finish(scan.clone(), started + engine.deadline).await;
            engine.decide(reports)
        };
        let results = engine
            .authserv()
            .filter(|authserv| authserv.writes())
            .and_then(|_| scan.authentication.get())
            .map(|found| found.header.clone())
            .filter(|header| !header.is_empty());
        let context = Context {
            id: &id,
            scanner: engine.scanner(),
            required: engine.thresholds.tag,
            version: engine.version(),
            hold: engine.hold,
            can_hold,
            field_names: &field_names,
            forged_results: &forged_results,
            results: results.as_deref(),
        };
        let plan = router::route(&verdict, &context);
        let subject = scan.mail.subject();
        let (mut reply, mut answered) = (plan.reply, verdict);
        if plan.store {
            let entry = Entry::new(&id, received, &scan.envelope, &subject, &answered, bytes);
            if let Err(why) = keep(&services.quarantine, entry, raw).await {
                tracing::error!(%id, why, "quarantine failed; the message is answered tempfail");
                reply = router::store_failed(&id);
                answered = answered.not_kept();
            }
        }
        count(&services.metrics, &answered);
        log(
            &id,
            engine.version(),
            &scan.envelope,
            &subject,
            bytes,
            &answered,
            started,
        );
        for filter in engine.chain.members() {
            filter.concluded(&scan, &answered.reports, answered.action);
        }
        drop(share);
        Conclusion {
            modifications: plan.modifications,
            reply,
        }
    }

    fn count_message(&self, action: Action) {
        self.services
            .metrics
            .messages
            .with_label_values(&[action.name()])
            .inc();
    }

    fn count(&self, verdict: &Verdict) {
        count(&self.services.metrics, verdict);
    }

    fn log(&self, verdict: &Verdict, subject: &str, started: Instant) {
        log(
            &self.id,
            self.engine.version(),
            &self.envelope,
            subject,
            self.bytes(),
            verdict,
            started,
        );
    }
}

/// Makes a copy durable, or says why there is none.
async fn keep(quarantine: &Arc<Quarantine>, entry: Entry, raw: Bytes) -> Result<(), String> {
    let quarantine = quarantine.clone();
    // A task of its own: when the MTA gives up meanwhile, the copy is finished, not torn.
    let stored = tokio::spawn(async move { quarantine.store(&entry, raw).await });
    match tokio::time::timeout(STORE_TIMEOUT, stored).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(e))) => Err(e.to_string()),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => Err("not durable in time".to_owned()),
    }
}

/// Whether a mark of release is good for this message.
async fn redeem(quarantine: &Arc<Quarantine>, id: &str, mark: &[u8], raw: &Bytes) -> bool {
    match quarantine.redeem(&String::from_utf8_lossy(mark), raw).await {
        Ok(Redeem::Pass) => true,
        Ok(Redeem::Refused(why)) => {
            tracing::warn!(id, why = ?why, "mark of release refused");
            false
        }
        Err(e) => {
            tracing::error!(id, error = %e, "mark of release cannot be checked");
            false
        }
    }
}

fn count(metrics: &crate::metrics::Metrics, verdict: &Verdict) {
    metrics
        .messages
        .with_label_values(&[verdict.action.name()])
        .inc();
    for report in &verdict.reports {
        let label = report.outcome.label();
        metrics
            .outcomes
            .with_label_values(&[report.filter, label])
            .inc();
        metrics
            .filter_seconds
            .with_label_values(&[report.filter])
            .observe(report.elapsed.as_secs_f64());
    }
    metrics.count_hits(verdict);
    for (filter, reason) in verdict.unscanned() {
        metrics
            .unscanned
            .with_label_values(&[filter, reason.name()])
            .inc();
    }
}

/// One line for each message. What comes from outside is written by its `Debug` form, which escapes, and
/// is cut.
pub(super) fn log(
    id: &str,
    version: &str,
    envelope: &crate::mail::Envelope,
    subject: &str,
    bytes: usize,
    verdict: &Verdict,
    started: Instant,
) {
    let hits: Vec<String> = verdict
        .hits()
        .map(|(_, h)| match h.shadow {
            Some(points) => format!("{}(shadow {points:.2})", h.rule),
            None => format!("{}({:.2})", h.rule, h.score),
        })
        .collect();
    let unscanned: Vec<String> = verdict
        .unscanned()
        .map(|(f, r)| format!("{f}:{r}"))
        .collect();
    let sender = envelope.sender.as_ref().map_or("", |a| a.text());
    let first = envelope.recipients.first().map_or("", |a| a.text());
    tracing::info!(
        id,
        queue_id = ?cut(envelope.queue_id.as_deref().unwrap_or("")),
        client = ?envelope.client.addr,
        from = ?cut(sender),
        to = ?cut(first),
        recipients = envelope.recipients.len(),
        subject = ?cut(subject),
        bytes,
        verdict = verdict.action.name(),
        score = verdict.score,
        decided_by = decided_by(verdict),
        hits = hits.join(","),
        labels = verdict.labels().join(","),
        unscanned = unscanned.join(","),
        version,
        ms = started.elapsed().as_secs_f64() * 1000.0,
        "message"
    );
}

fn decided_by(verdict: &Verdict) -> String {
    match &verdict.decided_by {
        DecidedBy::Nothing => "nothing".to_owned(),
        DecidedBy::Score(t) => format!("score>={t}"),
        DecidedBy::Hit { rule, .. } => rule.to_string(),
        DecidedBy::Failure { filter, reason } => format!("{filter}:{reason}"),
        DecidedBy::Release => "release".to_owned(),
        DecidedBy::NotKept => "quarantine failed".to_owned(),
    }
}

/// One line for a recipient that was refused before the message came.
pub(super) fn log_refused(
    id: &str,
    envelope: &crate::mail::Envelope,
    recipient: Option<&crate::mail::Address>,
    verdict: &Verdict,
) {
    let evidence = verdict.hits().next().map(|(_, hit)| hit.evidence.as_str());
    tracing::info!(
        id,
        queue_id = ?cut(envelope.queue_id.as_deref().unwrap_or("")),
        client = ?envelope.client.addr,
        from = ?cut(envelope.sender.as_ref().map_or("", |a| a.text())),
        to = ?cut(recipient.map_or("", |a| a.text())),
        verdict = verdict.action.name(),
        decided_by = decided_by(verdict),
        evidence = ?evidence.unwrap_or_default(),
        "recipient refused"
    );
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}
