//! The filter `attachments`: opens what is attached, and hands the files to the filters behind it.
//!
//! In: the message when it is complete. Out: [`Content`](crate::content::Content) for the filters behind it, which rules ask about files; no
//! hits of its own. What a limit kept closed and what is encrypted is `Unscanned`, never passed as seen.
//!
//! Promises: messages without files cost nothing but a look at their parts; all others are opened off the threads of the
//! sessions, so many at a time as there are processors, each within its limits; who waits for nobody any more is stopped.

mod check;
mod options;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub use options::Options;

use crate::config::Problems;
use crate::content::{Kind, Limit, Limits};
use crate::filter::{Build, Check, FailurePolicy, Filter};
use crate::metrics::Metrics;
use check::AttachmentsCheck;

/// Its name in configuration, metrics, logs and headers.
pub const NAME: &str = "attachments";

/// Checks `options` and builds the filter.
///
/// # Errors
/// Every problem in `options`, with its place.
pub fn build(options: &Options, build: &Build<'_>) -> Result<Arc<dyn Filter>, Problems> {
    let (limits, concurrent, on_failure) = options.check(build.source)?;
    start_at_zero(build.metrics);
    Ok(Arc::new(Attachments {
        shared: Arc::new(Shared {
            limits,
            permits: Arc::new(Semaphore::new(concurrent)),
            on_failure,
            metrics: Arc::clone(build.metrics),
        }),
    }))
}

struct Attachments {
    shared: Arc<Shared>,
}

/// What all checks share.
#[derive(Debug)]
struct Shared {
    limits: Limits,
    /// Messages that are opened at one time.
    permits: Arc<Semaphore>,
    on_failure: FailurePolicy,
    metrics: Arc<Metrics>,
}

impl Filter for Attachments {
    fn name(&self) -> &'static str {
        NAME
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.shared.on_failure
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(AttachmentsCheck::new(Arc::clone(&self.shared)))
    }
}

/// Shows what may be counted before it has happened.
fn start_at_zero(metrics: &Metrics) {
    for limit in Limit::ALL {
        metrics
            .attachments_limits
            .with_label_values(&[limit.name()]);
    }
    for kind in Kind::ALL {
        metrics.attachments_opened.with_label_values(&[kind.name()]);
    }
}
