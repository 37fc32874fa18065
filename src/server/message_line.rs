//! The line of the log for each message, and the event beside it.

use tokio::time::Instant;

use crate::events::{Events, Judged, Kind, MessageJudged};
use crate::mail::Envelope;
use crate::policy::Ruling;
use crate::verdict::{DecidedBy, Verdict};

/// How a message came that came by milter.
pub(super) const MILTER: &str = "milter";

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

/// One line for each message. What comes from outside is a text, which either format of the log escapes, and is cut.
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
        queue_id = cut(envelope.queue_id.as_deref().unwrap_or("")),
        client = client(envelope),
        from = cut(sender),
        to = cut(first),
        recipients = envelope.recipients.len(),
        subject = cut(subject),
        bytes,
        verdict = verdict.action.name(),
        score = verdict.score,
        decided_by = decided_by(verdict),
        policy = policy.map_or("", |p| &*p.policy),
        listed,
        policies = if several {
            shares.join(",")
        } else {
            String::new()
        },
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
pub(super) fn log_refused(id: &str, envelope: &Envelope, verdict: &Verdict) {
    let recipient = envelope.recipients.last();
    let evidence = verdict.hits().next().map(|(_, hit)| hit.evidence.as_str());
    tracing::info!(
        id,
        queue_id = cut(envelope.queue_id.as_deref().unwrap_or("")),
        client = client(envelope),
        from = cut(envelope.sender.as_ref().map_or("", |a| a.text())),
        to = cut(recipient.map_or("", |a| a.text())),
        verdict = verdict.action.name(),
        decided_by = decided_by(verdict),
        evidence = evidence.unwrap_or_default(),
        "recipient refused"
    );
}

/// The address of the client; empty where it has none.
fn client(envelope: &Envelope) -> String {
    envelope
        .client
        .addr
        .map_or(String::new(), |a| a.to_string())
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}
