//! A filter that has nothing to work with, say ClamAV without a server: every message is skipped, and the
//! reason is said.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Check, FailurePolicy, Filter, Outcome, Scan};

/// The filter called `name`, which skips every message because of `why`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    name: &'static str,
    why: &'static str,
    on_failure: FailurePolicy,
}

impl Idle {
    /// Makes it, and says so in the log: nobody should believe that a filter works which does not.
    pub(super) fn filter(
        name: &'static str,
        why: &'static str,
        on_failure: FailurePolicy,
    ) -> Arc<dyn Filter> {
        tracing::warn!(filter = name, why, "this filter skips every message");
        Arc::new(Idle {
            name,
            why,
            on_failure,
        })
    }

    /// What stands for a filter that remembers senders where nobody does.
    pub(super) fn outside(name: &'static str, on_failure: FailurePolicy) -> Arc<dyn Filter> {
        Idle::filter(name, "only the daemon remembers senders", on_failure)
    }
}

impl Filter for Idle {
    fn name(&self) -> &'static str {
        self.name
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.on_failure
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(*self)
    }
}

impl Check for Idle {
    fn finish(self: Box<Self>, _scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        Box::pin(std::future::ready(Outcome::Skipped(self.why)))
    }
}
