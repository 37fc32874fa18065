//! One message on its way: envelope, bytes so far, checks at work. Nothing is shared with the next.

use std::sync::Arc;

use jiff::Timestamp;

use super::budget::Share;
use super::early::Refusals;
use super::engine::Engine;
use super::services::Services;
use crate::filter::auth::FIELD;
use crate::filter::{Action, Checks};
use crate::heard::Heard;
use crate::mail::{Address, Envelope, Spool, push_with_crlf};
use crate::milter::{Reply, ReplyText};
use crate::policy::Policy;
use crate::router::{self, RELEASE_HEADER};
use crate::verdict::Verdict;

/// A transaction from MAIL (its checks: from CONNECT) to its end.
pub(super) struct Transaction {
    pub(super) id: String,
    pub(super) received: Timestamp,
    pub(super) engine: Arc<Engine>,
    pub(super) envelope: Envelope,
    /// The policies of the recipients, in their order.
    pub(super) selected: Vec<Arc<Policy>>,
    pub(super) field_names: Vec<Vec<u8>>,
    /// Fields `Authentication-Results` so far, and those of them that are forged.
    results_fields: u32,
    pub(super) forged_results: Vec<u32>,
    pub(super) release_mark: Option<Vec<u8>>,
    pub(super) sealed: Option<Sealed>,
    pub(super) answered_early: bool,
    /// Recipients who were refused, and what was said of the first.
    pub(super) refused: Refusals,
    pub(super) checks: Checks,
    /// What they hear from outside.
    pub(super) heard: Heard,
    pub(super) spool: Arc<Spool>,
    pub(super) services: Arc<Services>,
    pub(super) share: Share,
    line: Vec<u8>,
}

/// The answer is known before the end of the message.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) reply: Reply,
    /// Whether a reply without a verdict refuses for good.
    pub(super) permanent: bool,
    pub(super) verdict: Option<Verdict>,
}

/// A bound on bytes that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// That of one message.
    Message,
    /// That of all messages together.
    Total,
}

impl Bound {
    fn name(self) -> &'static str {
        match self {
            Bound::Message => "message",
            Bound::Total => "total",
        }
    }
}

impl Transaction {
    /// Begins the checks with what is known of the session.
    pub(super) fn begin(services: &Arc<Services>, session: &Envelope) -> Self {
        let engine = services.engine.load_full();
        let mut envelope = session.clone();
        envelope.direction = engine.policies.direction(session);
        let heard = match services.history.keeps_answers() {
            true => Heard::keeping(),
            false => Heard::default(),
        };
        let checks = engine.begin(&envelope, &heard);
        Transaction {
            id: ulid::Ulid::new().to_string(),
            received: Timestamp::now(),
            engine,
            envelope,
            selected: Vec::new(),
            field_names: Vec::new(),
            results_fields: 0,
            forged_results: Vec::new(),
            release_mark: None,
            sealed: None,
            answered_early: false,
            refused: Refusals::default(),
            checks,
            heard,
            spool: Arc::new(Spool::new()),
            services: services.clone(),
            share: services.budget.share(),
            line: Vec::new(),
        }
    }

    pub(super) fn helo(&mut self, session: &Envelope) {
        self.take(session.clone());
        self.checks.helo(&self.envelope);
    }

    pub(super) fn mail(&mut self, envelope: Envelope) {
        self.take(envelope);
        self.checks.mail(&self.envelope);
    }

    fn take(&mut self, envelope: Envelope) {
        self.envelope = envelope;
        self.envelope.direction = self.engine.policies.direction(&self.envelope);
        self.engine.pass_by(&self.envelope, &mut self.checks);
    }

    pub(super) fn rcpt(&mut self, recipient: Address) {
        let policy = self
            .engine
            .policies
            .select(&self.envelope, Some(&recipient));
        self.selected.push(policy);
        self.envelope.recipients.push(recipient);
        self.checks.rcpt(&self.envelope);
    }

    /// Adds a header field as it stands in the message: LF becomes CRLF.
    pub(super) fn header(&mut self, name: &[u8], value: &[u8], leading_space: bool) {
        if self.sealed.is_none() {
            if name.eq_ignore_ascii_case(RELEASE_HEADER.as_bytes()) {
                // The first is ours, put on top; one below was in the message before its release.
                self.release_mark
                    .get_or_insert_with(|| value.trim_ascii().to_vec());
            }
            if name.eq_ignore_ascii_case(FIELD.as_bytes()) {
                self.results_field(value);
            }
            self.field_names.push(name.to_vec());
        }
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        line.extend_from_slice(name);
        line.push(b':');
        if !leading_space {
            line.push(b' ');
        }
        push_with_crlf(value, &mut line);
        line.extend_from_slice(b"\r\n");
        // What is kept of a field beside its bytes counts too: many tiny fields must not be cheap.
        self.push(&line, name.len() + 48);
        self.line = line;
    }

    fn results_field(&mut self, value: &[u8]) {
        self.results_fields += 1;
        let authserv = self.engine.authserv();
        if authserv.is_some_and(|a| a.is_forged(value, &self.envelope)) {
            self.forged_results.push(self.results_fields);
        }
    }

    pub(super) fn end_of_headers(&mut self) {
        self.push(b"\r\n", 0);
        if self.sealed.is_none() {
            if self.selected.is_empty() {
                self.selected = self.engine.select(&self.envelope);
            }
            Engine::prepare(&self.selected, &mut self.checks);
            self.checks.headers(&self.envelope, &self.spool);
        }
    }

    pub(super) fn body(&mut self, chunk: &[u8]) {
        self.push(chunk, 0);
    }

    fn push(&mut self, bytes: &[u8], overhead: usize) {
        if self.sealed.is_some() {
            return;
        }
        let over =
            if self.share.bytes() + bytes.len() + overhead > self.services.settings.message_bytes {
                Some(Bound::Message)
            } else if !self.share.grow(bytes.len() + overhead) {
                Some(Bound::Total)
            } else {
                None
            };
        match over {
            None => self.spool.push(bytes),
            Some(bound) => self.seal_over(bound),
        }
    }

    fn seal_over(&mut self, bound: Bound) {
        let id = &self.id;
        let reply = match bound {
            Bound::Message => Reply::Text(ReplyText::too_large(&format!(
                "Message is larger than this server accepts (id {id})"
            ))),
            Bound::Total => Reply::Text(ReplyText::no_room(&format!(
                "Server is busy, please try again later (id {id})"
            ))),
        };
        tracing::warn!(id = %self.id, bound = bound.name(), "message over the limit");
        self.services
            .metrics
            .over_limit
            .with_label_values(&[bound.name()])
            .inc();
        self.seal(Sealed {
            reply,
            permanent: bound == Bound::Message,
            verdict: None,
        });
    }

    fn seal(&mut self, sealed: Sealed) {
        self.sealed = Some(sealed);
        self.spool.abort();
        self.share.release();
    }

    /// Whether the last recipient would refuse the message whatever comes, or a filter refuses it for now: gives the
    /// answer to it.
    pub(super) fn refuses_last(&mut self) -> Option<(Reply, Verdict)> {
        if let Some(Sealed { reply, verdict, .. }) = &self.sealed {
            return Some((reply.clone(), verdict.clone()?));
        }
        let policy = self.selected.last()?.clone();
        let refused = self.checks.refuse_rcpt(|filter| !policy.skips(filter));
        if let Some(answer) = self.early_for(&policy) {
            return Some(answer);
        }
        let (filter, hit) = refused?;
        let verdict = Verdict::early(filter, hit);
        let reply = router::early_reply(&verdict, &self.id)?;
        Some((reply, verdict))
    }

    /// The last recipient was refused and is none of the message's.
    pub(super) fn drop_last(&mut self) {
        self.envelope.recipients.pop();
        self.selected.pop();
    }

    /// Looks whether all recipients would refuse the message whatever comes, so that an answer can be given now.
    pub(super) fn early(&mut self) -> Option<&Sealed> {
        if self.sealed.is_none() {
            if !self.engine.may_decide_early() {
                return None;
            }
            let mut policies: Vec<Arc<Policy>> = Vec::new();
            for policy in &self.selected {
                if !policies.iter().any(|known| Arc::ptr_eq(known, policy)) {
                    policies.push(policy.clone());
                }
            }
            let mut answers = Vec::new();
            for policy in &policies {
                answers.push(self.early_for(policy)?);
            }
            // Where one may want the message later, it must come again for all.
            let later = answers
                .iter()
                .position(|(_, verdict)| verdict.action == Action::Tempfail);
            if !answers.is_empty() {
                let (reply, verdict) = answers.swap_remove(later.unwrap_or(0));
                self.seal(Sealed {
                    reply,
                    permanent: verdict.action == Action::Reject,
                    verdict: Some(verdict),
                });
            }
        }
        self.sealed.as_ref()
    }

    fn early_for(&mut self, policy: &Policy) -> Option<(Reply, Verdict)> {
        let decisive = self.checks.decisive(|filter| !policy.skips(filter));
        let policies = &self.engine.policies;
        let verdict = policies.early(policy, &self.envelope, decisive)?;
        let reply = router::early_reply(&verdict, &self.id)?;
        Some((reply, verdict))
    }

    /// Bytes of the message so far.
    pub(super) fn bytes(&self) -> usize {
        self.spool.len()
    }
}
