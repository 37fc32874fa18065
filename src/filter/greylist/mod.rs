//! The filter `greylist`: who delivers for the first time is asked to come again. Mail servers do, much of what sends
//! spam does not, and when it does the lists know of it by then.
//!
//! In: client, envelope sender and recipients, the score so far. Out: the decisive hit `GREYLISTED`, tempfail, for a
//! delivery whose triplet of origin, sender and recipient is new or came back too early; `GREYLIST_PASSED`, worth
//! nothing, for one that came back in time.
//!
//! With a `band` the decision is made when the other filters have spoken, and only where their scores add up to
//! something in it; without, each recipient is answered at RCPT, before the body comes. Promises: clients of our own
//! networks and authenticated ones are never put off; a failure of the disk never is a reason to put off anybody twice
//! within the life of the process; triplets are bounded.

mod address;
mod check;
mod options;
mod providers;
mod settings;
mod triplet;

use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use address::sender as remembered_sender;
pub use options::{BandOptions, Options};

use crate::config::Problems;
use crate::filter::idle::Idle;
use crate::filter::{Build, Check, FailurePolicy, Filter};
use crate::metrics::Metrics;
use crate::store::{Facts, Kind};
use check::GreylistCheck;
use settings::Settings;
use triplet::{Result as Sight, Triplets};

/// Its name in configuration, metrics, logs and headers.
pub const NAME: &str = "greylist";

/// Checks `options` and builds the filter, which remembers in `facts`; without them, outside of the daemon, it skips
/// every message.
///
/// # Errors
/// Every problem in `options`, with its place.
pub fn build(
    options: &Options,
    facts: Option<&Arc<Facts>>,
    build: &Build<'_>,
) -> Result<Arc<dyn Filter>, Problems> {
    let settings = Settings::check(options, build.source, build.base)?;
    let Some(facts) = facts else {
        return Ok(Idle::outside(NAME, settings.on_failure));
    };
    for kind in [
        Kind::GreylistWaiting,
        Kind::GreylistPassed,
        Kind::GreylistOrigin,
    ] {
        facts.allow(kind, settings.entries);
    }
    for result in Sight::NAMES {
        build.metrics.greylist.with_label_values(&[result]);
    }
    Ok(Arc::new(Greylist(Arc::new(Shared {
        triplets: Triplets::new(Arc::clone(facts), settings.patience),
        settings,
        metrics: Arc::clone(build.metrics),
    }))))
}

/// Files that `options` name, relative to `base`.
pub(crate) fn files(options: &Options, base: &std::path::Path) -> Vec<PathBuf> {
    let file = options.exempt_file.iter();
    file.map(|file| base.join(&file.value)).collect()
}

struct Greylist(Arc<Shared>);

/// What all checks share.
struct Shared {
    settings: Settings,
    triplets: Triplets,
    metrics: Arc<Metrics>,
}

impl Filter for Greylist {
    fn name(&self) -> &'static str {
        NAME
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.0.settings.on_failure
    }

    fn may_decide_early(&self) -> bool {
        self.0.settings.band.is_none()
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(GreylistCheck::new(Arc::clone(&self.0)))
    }
}
