//! Filters: members of the chain. Each is configured once and shared by all sessions; for each
//! transaction it gives a [`Check`], which sees the transaction as it unfolds and ends in one
//! [`Outcome`].
//!
//! Contract of a check: the stage methods return at once (they start work, they never wait);
//! [`Check::finish`] may wait, within the filter's own timeout and the deadline of the chain. Work that
//! is still in flight when a check is dropped is cancelled with it. Every failure is an
//! `Outcome::Unscanned` with its reason: a check never calls a message clean that it has not seen.

pub mod attachments;
pub mod auth;
pub mod bayes;
mod breaker;
mod chain;
pub mod clamav;
pub mod dnsbl;
mod failure;
pub mod greylist;
mod handed;
mod idle;
mod network;
mod outcome;
mod probe;
pub mod rates;
pub mod reputation;
pub mod rules;
mod scores;
mod sender;
mod told;
pub(crate) mod trusted;

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use chain::{Chain, Checks, ENDED, Report};
pub use failure::{FailureAction, FailurePolicy, OnFailure};
pub use handed::Handed;
pub use network::PrefixOptions;
pub use outcome::{Action, EVIDENCE_BYTES, Hit, Outcome, Reason};
pub use probe::{Probe, ProbeError};
pub(crate) use sender::address as remembered_address;

use crate::config::Source;
use crate::content::Content;
use crate::heard::Heard;
use crate::mail::{Envelope, Mail, Spool};
use crate::metrics::Metrics;

/// How many facts of a kind a filter may be allowed: the fewest and the most.
const ENTRIES: (usize, usize) = (crate::store::Facts::FEWEST, 10_000_000);

/// A member of the chain.
pub trait Filter: Send + Sync + 'static {
    /// The name used in configuration, metrics, logs and headers: `dnsbl`, `rules`, ...
    fn name(&self) -> &'static str;

    /// What becomes of a message that this filter could not check.
    fn failure_policy(&self) -> &FailurePolicy;

    /// Whether its checks begin work at CONNECT, HELO or MAIL. Where none does, the MTA may keep these for
    /// itself until there is more to say.
    fn begins_early(&self) -> bool {
        false
    }

    /// Whether its checks may be decisive before the end of a message. Where no filter may, the MTA is
    /// told not to wait for answers before it.
    fn may_decide_early(&self) -> bool {
        false
    }

    /// Which rules or which model it works with, a short word; `None` where the configuration file says all.
    fn version(&self) -> Option<String> {
        None
    }

    /// Whose `Authentication-Results` it writes, and removes where they are forged; `None` for a filter that has
    /// nothing to do with them.
    fn authserv(&self) -> Option<&Arc<auth::Authserv>> {
        None
    }

    /// Who takes lessons about single messages; `None` for a filter that does not learn from people.
    fn teacher(&self) -> Option<bayes::Teacher> {
        None
    }

    /// It has come into force: shows in the metrics what it works with.
    fn in_force(&self, _metrics: &Metrics) {}

    /// A verdict was reached on a message, from what every filter said, and this has become of it. For filters that
    /// learn; returns at once.
    fn concluded(&self, _scan: &Arc<Scan>, _reports: &[Report], _action: Action) {}

    /// Begins a check for one transaction.
    fn check(&self) -> Box<dyn Check>;
}

/// A filter at work on one transaction. Stages arrive in the order of the methods; `rcpt` once for each
/// accepted recipient. `connect` and `helo` are called for every transaction, also for the second of a
/// session.
pub trait Check: Send {
    /// Comes before all stages: through this it hears what it asks others, so that it can be kept, or told again.
    fn hears(&mut self, _heard: &Heard) {}

    /// The client is known.
    fn connect(&mut self, _envelope: &Envelope) {}

    /// HELO or EHLO was given; again if it is repeated before MAIL.
    fn helo(&mut self, _envelope: &Envelope) {}

    /// MAIL was given; authentication is known.
    fn mail(&mut self, _envelope: &Envelope) {}

    /// RCPT was given; the new recipient is the last.
    fn rcpt(&mut self, _envelope: &Envelope) {}

    /// Whether the recipient that was given last is refused for now, while the message goes on to the others. Asked
    /// right after [`Check::rcpt`], of filters that [may decide early](Filter::may_decide_early); a recipient that is
    /// refused is in no envelope from then on. Never waits.
    fn refuse_rcpt(&mut self) -> Option<Hit> {
        None
    }

    /// All recipients are known, and some of them do not use this filter: which of them do, in their order.
    fn wanted_by(&mut self, _recipients: Vec<bool>) {}

    /// The header is complete and in the spool, with the empty line after it; the body follows there.
    fn headers(&mut self, _envelope: &Envelope, _spool: &Arc<Spool>) {}

    /// A decisive hit, if one is known already. Never waits.
    fn decisive(&mut self) -> Option<Hit> {
        None
    }

    /// Whether its outcome depends on what the others say: then it is asked for it by [`Check::weigh`], after them.
    fn weighs(&self) -> bool {
        false
    }

    /// The outcome of a check that [weighs](Check::weighs), from what those that do not have said, unless one of them
    /// was decisive. Never waits.
    fn weigh(self: Box<Self>, _scan: &Arc<Scan>, _reports: &[Report]) -> Outcome {
        Outcome::Checked(Vec::new())
    }

    /// The message is complete. Gives the outcome of a check that does not [weigh](Check::weighs).
    fn finish(self: Box<Self>, scan: Arc<Scan>) -> BoxFuture<'static, Outcome>;
}

/// What a filter is built with, beside its own options. Each filter's module has
/// `Options` (serde, strict, with defaults for every key) and
/// `build(&Options, &Build<'_>) -> Result<Arc<dyn Filter>, Problems>`.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The configuration file, for problems with a place in it.
    pub source: &'a Source,
    /// Where the metrics go.
    pub metrics: &'a Arc<Metrics>,
    /// Relative paths of the configuration are relative to this folder.
    pub base: &'a Path,
    /// Where the daemon keeps its own files.
    pub data_dir: &'a Path,
}

/// All that is known at end of message.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// The envelope.
    pub envelope: Envelope,
    /// The message.
    pub mail: Mail,
    /// Who it comes from, once the filter `auth` knows.
    pub authentication: Handed<auth::Authenticated>,
    /// Its files, once the filter `attachments` has opened them.
    pub content: Handed<Content>,
    /// What the filter `reputation` says, once it has spoken: its hits.
    pub reputation: Handed<Vec<Hit>>,
}

impl Scan {
    /// A filter is in the chain.
    fn expect(&self, filter: &str) {
        match filter {
            auth::NAME => self.authentication.expect(),
            attachments::NAME => self.content.expect(),
            reputation::NAME => self.reputation.expect(),
            _ => {}
        }
    }

    /// A filter has come to its end.
    fn settle(&self, filter: &str) {
        match filter {
            auth::NAME => self.authentication.settle(),
            attachments::NAME => self.content.settle(),
            reputation::NAME => self.reputation.settle(),
            _ => {}
        }
    }
}

/// Messages up to this size are worked on where they are.
const INLINE_BYTES: usize = 256 << 10;

/// Runs CPU work of a check on `scan`, off the async threads when the message is large.
pub async fn compute<T, F>(scan: Arc<Scan>, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce(&Scan) -> T + Send + 'static,
{
    offload(scan.mail.raw().len(), move || work(&scan)).await
}

/// Runs CPU work on a message of so many bytes: where it is, or, for a large one, in the blocking pool, so
/// that it does not hold up the sessions that share its thread.
pub async fn offload<T, F>(bytes: usize, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    if bytes <= INLINE_BYTES {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // The panic belongs to the session, which answers tempfail and counts it.
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}
