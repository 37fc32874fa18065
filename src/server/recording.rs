//! What goes into the history of transactions that end before their message does: those whose recipients were all
//! refused, and those whose answer was known before all of the message had come.

use super::transaction::Transaction;
use crate::filter::Action;
use crate::history::{self, DecidedBy, Refused, Stage};
use crate::mail::Address;
use crate::milter::Reply;
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
        let stage = if at_rcpt { Stage::Rcpt } else { Stage::Body };
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
}
