//! The end of a message: join the checks, decide, route, make durable what must be.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::transaction::Transaction;
use crate::events::{Events, Judged, Kind, MessageJudged};
use crate::filter::{Action, Outcome, Report, Scan, offload};
use crate::history;
use crate::mail::{Envelope, Mail};
use crate::metrics::Metrics;
use crate::milter::{Modification, Reply};
use crate::policy::{Ruling, Settled};
use crate::quarantine::{Entry, Quarantine, Redeem};
use crate::router::{self, Context};
use crate::verdict::{DecidedBy, Verdict};

/// How a message came that came by milter, in the log.
const MILTER: &str = "milter";

/// For the quarantine to become durable; the copy is abandoned and the MTA keeps the message.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the MTA lets us do to a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grants {
    /// Put it on hold.
    pub(super) hold: bool,
    /// Drop recipients.
    pub(super) drop: bool,
}

/// A message that was released has passed.
#[derive(serde::Serialize)]
struct Released<'a> {
    message: &'a str,
}

/// What goes to the MTA.
#[derive(Debug)]
pub(super) struct Conclusion {
    pub(super) modifications: Vec<Modification>,
    pub(super) reply: Reply,
}

impl Transaction {
    /// Concludes a complete message. Dropping the future cancels what is in flight, except a copy that is
    /// being written, which comes to its end and is recognised when the MTA tries again.
    pub(super) async fn conclude(self, grants: Grants) -> Conclusion {
        let started = Instant::now();
        if let Some(sealed) = &self.sealed {
            match &sealed.verdict {
                Some(verdict) if !self.answered_early => {
                    let metrics = &self.services.metrics;
                    self.count_message(verdict.action);
                    count_reports(metrics, &verdict.reports);
                    metrics.count_hits(verdict.hits());
                    for policy in &self.selected {
                        metrics.count_recipients(policy.name(), verdict.action, 1);
                    }
                    self.log(verdict, started);
                }
                Some(verdict) => self.count_message(verdict.action),
                None if sealed.permanent => self.count_message(Action::Reject),
                None => self.count_message(Action::Tempfail),
            }
            let reply = sealed.reply.clone();
            self.record_early();
            return Conclusion {
                modifications: Vec::new(),
                reply,
            };
        }
        let raw = self.spool.complete();
        let bytes = raw.len();

        let Transaction {
            id,
            received,
            engine,
            envelope,
            selected,
            field_names,
            forged_results,
            release_mark,
            checks,
            services,
            share,
            refused,
            heard,
            ..
        } = self;

        services.metrics.message_bytes.observe(bytes as f64);
        let limits = engine.mail_limits.clone();
        let whole = raw.clone();
        let mail = offload(bytes, move || Mail::parse(whole, &limits)).await;

        let released = match &release_mark {
            Some(mark) => redeem(&services.quarantine, &id, mark, mail.raw()).await,
            None => None,
        };
        let scan = Arc::new(Scan {
            envelope,
            mail,
            ..Scan::default()
        });
        // Before the model learns from this message.
        let versions = engine.versions();
        let ruling = if let Some(verdict) = released {
            if verdict.action == Action::Deliver {
                let released = Released { message: &id };
                services.events.tell(Kind::Released, &released);
            }
            let required = selected.first().and_then(|p| p.thresholds().tag);
            Ruling::whole(verdict, required)
        } else {
            let deadline = started + engine.deadline;
            let reports = checks.finish(scan.clone(), deadline).await;
            count_reports(&services.metrics, &reports);
            engine.rule(&selected, &scan, reports, grants.drop)
        };
        if ruling.not_granted {
            tracing::warn!(
                %id,
                settled = ruling.settled.name(),
                "the mail server does not let recipients be dropped; one verdict holds for all of them"
            );
        }
        let dropped = ruling.held.as_ref().map_or(&[][..], |h| &h.recipients);
        let results = engine.results(&scan);
        let context = Context {
            id: &id,
            scanner: engine.scanner(),
            required: ruling.required,
            version: engine.version(),
            hold: engine.hold,
            can_hold: grants.hold,
            dropped,
            field_names: &field_names,
            forged_results: &forged_results,
            results: results.as_deref(),
        };
        let plan = router::route(&ruling.verdict, &context);
        let subject = scan.mail.subject();
        let (mut reply, mut modifications) = (plan.reply, plan.modifications);
        let mut not_kept = None;
        if plan.store {
            let entry = match &ruling.held {
                None => {
                    let verdict = &ruling.verdict;
                    Entry::new(&id, received, &scan.envelope, &subject, verdict, bytes)
                }
                Some(held) => {
                    let mut envelope = scan.envelope.clone();
                    envelope.recipients.clone_from(&held.recipients);
                    Entry::new(&id, received, &envelope, &subject, &held.verdict, bytes)
                }
            };
            let entry = entry.ruled(&ruling);
            if let Err(why) = keep(&services.quarantine, entry, raw).await {
                tracing::error!(%id, why, "quarantine failed; the message is answered tempfail");
                reply = router::store_failed(&id);
                modifications.clear();
                not_kept = Some(ruling.verdict.clone().not_kept());
            }
        }
        let answered = not_kept.as_ref().unwrap_or(&ruling.verdict);
        count_verdict(&services.metrics, &ruling, answered);
        count_ruling(&services.metrics, &ruling, not_kept.is_none());
        tell(
            &services.events,
            &Line {
                protocol: MILTER,
                id: &id,
                version: engine.version(),
                envelope: &scan.envelope,
                subject: &subject,
                bytes,
                verdict: answered,
                ruling: Some(&ruling),
                started,
            },
        );
        if services.history.is_enabled() {
            let whole = scan.mail.raw().clone();
            let digest = offload(bytes, move || history::digest(&whole)).await;
            let transaction = history::Transaction {
                id: &id,
                received,
                envelope: &scan.envelope,
                stage: history::Stage::End,
                mail: Some(&scan.mail),
                refused: refused.all(),
                digest: Some(digest),
                bytes,
                reply: &reply,
                versions: &versions,
                took: started.elapsed(),
            };
            let held = plan.store && not_kept.is_none();
            let entry = history::Entry::new(&transaction, answered, Some(&ruling), held);
            heard.can_drop(grants.drop);
            services.history.record(entry, heard.take());
        }
        for filter in engine.chain.members() {
            filter.concluded(&scan, &answered.reports, answered.action);
        }
        drop(share);
        Conclusion {
            modifications,
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

    /// The line of a message that was answered before its end.
    pub(super) fn log(&self, verdict: &Verdict, started: Instant) {
        tell(
            &self.services.events,
            &Line {
                protocol: MILTER,
                id: &self.id,
                version: self.engine.version(),
                envelope: &self.envelope,
                subject: "",
                bytes: self.bytes(),
                verdict,
                ruling: None,
                started,
            },
        );
    }
}

/// Makes a copy durable, or says why there is none.
pub(super) async fn keep(
    quarantine: &Arc<Quarantine>,
    entry: Entry,
    raw: Bytes,
) -> Result<(), String> {
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

/// What a mark of release decides about this message; `None` where it is not good, and the message is checked like
/// any other.
async fn redeem(
    quarantine: &Arc<Quarantine>,
    id: &str,
    mark: &[u8],
    raw: &Bytes,
) -> Option<Verdict> {
    match quarantine.redeem(&String::from_utf8_lossy(mark), raw).await {
        Ok(Redeem::Pass) => Some(Verdict::released()),
        Ok(Redeem::Superseded) => {
            tracing::warn!(
                id,
                "a released message was sent once more since; this copy is dropped"
            );
            Some(Verdict::superseded())
        }
        Ok(Redeem::Refused(why)) => {
            tracing::warn!(id, why = ?why, "mark of release refused");
            None
        }
        Err(e) => {
            tracing::error!(id, error = %e, "mark of release cannot be checked");
            None
        }
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
pub(super) fn count_verdict(metrics: &Metrics, ruling: &Ruling, answered: &Verdict) {
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
pub(super) fn count_ruling(metrics: &Metrics, ruling: &Ruling, stored: bool) {
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

/// What is logged of a message.
pub(super) struct Line<'a> {
    /// How the message came.
    pub(super) protocol: &'static str,
    pub(super) id: &'a str,
    pub(super) version: &'a str,
    pub(super) envelope: &'a Envelope,
    pub(super) subject: &'a str,
    pub(super) bytes: usize,
    /// What was answered.
    pub(super) verdict: &'a Verdict,
    /// How it came about; `None` for an answer before the end of the message.
    pub(super) ruling: Option<&'a Ruling>,
    pub(super) started: Instant,
}

/// Tells what became of a message: a line of the log, an event.
pub(super) fn tell(events: &Events, line: &Line<'_>) {
    log(line);
    if events.wants(Kind::Verdict) {
        let judged = MessageJudged::from(Judged {
            id: line.id,
            protocol: line.protocol,
            envelope: line.envelope,
            subject: line.subject,
            bytes: line.bytes,
            verdict: line.verdict,
            ruling: line.ruling,
            version: line.version,
            took: line.started.elapsed(),
        });
        events.tell(Kind::Verdict, &judged);
    }
}

/// One line for each message. What comes from outside is written by its `Debug` form, which escapes, and
/// is cut.
fn log(line: &Line<'_>) {
    let Line {
        protocol,
        id,
        version,
        envelope,
        subject,
        bytes,
        verdict,
        ruling,
        started,
    } = line;
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
    let policy = verdict.policy.as_ref();
    let listed = policy.and_then(|p| p.listed.as_ref());
    let listed = listed.map_or(String::new(), ToString::to_string);
    // Names of policies hold nothing that needs escaping.
    let shares: Vec<String> = ruling
        .map_or(&[][..], |r| &r.shares)
        .iter()
        .map(|s| {
            format!(
                "{}:{}:{}",
                s.policy.name(),
                s.verdict.action,
                s.recipients.len()
            )
        })
        .collect();
    let several = shares.len() > 1;
    let held = ruling.and_then(|r| r.held.as_ref());
    let held = held.filter(|_| verdict.decided_by != DecidedBy::NotKept);
    let sender = envelope.sender.as_ref().map_or("", |a| a.text());
    let first = envelope.recipients.first().map_or("", |a| a.text());
    tracing::info!(
        id,
        protocol,
        direction = envelope.direction.name(),
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
        policy = policy.map_or("", |p| &*p.policy),
        listed = ?listed,
        policies = if several { shares.join(",") } else { String::new() },
        settled = ruling.filter(|_| several).map_or("", |r| r.settled.name()),
        dropped = held.map_or(0, |h| h.recipients.len()),
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

/// One line for the last recipient, which was refused before the message came, as another one was.
pub(super) fn log_refused(id: &str, envelope: &crate::mail::Envelope, verdict: &Verdict) {
    let recipient = envelope.recipients.last();
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
