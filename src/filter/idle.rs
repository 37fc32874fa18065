//! A filter that has nothing to work with, say ClamAV without a server: every message is skipped, and the
//! reason is said.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Check, FailurePolicy, Filter, Outcome, Scan};

/// The filter called `name`, which skips every message because of `why`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
    pub(super) on_failure: FailurePolicy,
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
