//! Transactions that are answered before the end of their message, because all recipients were refused or because the
//! answer was known before all of it had come: what is counted and logged of them, and what goes into the history.

use tokio::time::Instant;

use super::answered::count_reports;
use super::conclusion::Conclusion;
use super::message_line::{self, Line, MILTER, tell};
use super::transaction::{Sealed, Transaction};
use crate::filter::Action;
use crate::history::{self, DecidedBy, Refused};
use crate::mail::Address;
use crate::milter::{Reply, Stage};
use crate::verdict::Verdict;

/// Most refused recipients of a transaction that are remembered.
const MOST: usize = 1_000;

/// Recipients who were refused.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    all: Vec<Refused>,
    first: Option<(Reply, Verdict)>,
}

impl Refusals {
    /// One more.
    pub(super) fn add(&mut self, recipient: &Address, verdict: &Verdict, reply: &Reply) {
        if self.all.len() < MOST {
            self.all.push(Refused::new(recipient, verdict, reply));
        }
        self.first
            .get_or_insert_with(|| (reply.clone(), verdict.clone()));
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Refused] {
        &self.all
    }
}

impl Transaction {
    /// The transaction ends without the end of its message having been looked at: keeps what was answered, if anything
    /// was.
    pub(super) fn record_early(self) {
        if !self.services.history.is_enabled() {
            return;
        }
        let sealed = self.sealed.as_ref();
        let (reply, verdict) = match (sealed, &self.refused.first) {
            (Some(sealed), _) => (&sealed.reply, sealed.verdict.as_ref()),
            (None, Some((reply, verdict))) => (reply, Some(verdict)),
            (None, None) => return,
        };
        let at_rcpt = sealed.is_none() || self.envelope.recipients.is_empty();
        let stage = match at_rcpt {
            true => history::Stage::Rcpt,
            false => history::Stage::Body,
        };
        let over = Verdict {
            action: match sealed.is_some_and(|s| s.permanent) {
                true => Action::Reject,
                false => Action::Tempfail,
            },
            ..Verdict::released()
        };
        let versions = self.engine.versions();
        let transaction = history::Transaction {
            id: &self.id,
            received: self.received,
            envelope: &self.envelope,
            stage,
            mail: None,
            refused: self.refused.all(),
            digest: None,
            bytes: self.bytes(),
            reply,
            versions: &versions,
            took: std::time::Duration::ZERO,
        };
        let mut entry = history::Entry::new(&transaction, verdict.unwrap_or(&over), None, false);
        if verdict.is_none() {
            entry.decided_by = DecidedBy::Size;
        }
        self.services.history.record(entry, None);
    }

    /// A recipient was refused: it is counted for the policy of each, and once for each transaction counted and logged
    /// as an answer.
    pub(super) fn count_refused(&mut self, verdict: &Verdict, reply: &Reply) {
        if let Some(policy) = self.selected.last() {
            self.services
                .metrics
                .count_recipients(policy.name(), verdict.action, 1);
        }
        if let Some(recipient) = self.envelope.recipients.last() {
            self.refused.add(recipient, verdict, reply);
        }
        if self.answered_early {
            message_line::log_refused(&self.id, &self.envelope, verdict);
        }
        self.count_early(Stage::Rcpt, Some(verdict));
    }

    /// Counts an answer for all recipients before end of message.
    pub(super) fn count_sealed(&mut self, stage: Stage) {
        let verdict = self.sealed.as_ref().and_then(|s| s.verdict.clone());
        self.count_early(stage, verdict.as_ref());
    }

    /// Counts an answer before end of message, once for each transaction.
    fn count_early(&mut self, stage: Stage, verdict: Option<&Verdict>) {
        if std::mem::replace(&mut self.answered_early, true) {
            return;
        }
        let permanent = self.sealed.as_ref().is_some_and(|s| s.permanent);
        let mut action = match permanent {
            true => Action::Reject,
            false => Action::Tempfail,
        };
        if let Some(verdict) = verdict {
            action = verdict.action;
            self.log(verdict, Instant::now());
            self.services.metrics.count_hits(verdict.hits());
        }
        self.services
            .metrics
            .early_answers
            .with_label_values(&[stage.name(), action.name()])
            .inc();
    }

    /// The line of a message that was answered before its end.
    fn log(&self, verdict: &Verdict, started: Instant) {
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

    fn count_message(&self, action: Action) {
        self.services
            .metrics
            .messages
            .with_label_values(&[action.name()])
            .inc();
    }

    /// The end of a message whose answer was known before.
    pub(super) fn conclude_sealed(self, sealed: &Sealed, started: Instant) -> Conclusion {
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
        self.record_early();
        Conclusion {
            modifications: Vec::new(),
            reply: sealed.reply.clone(),
        }
    }
}
