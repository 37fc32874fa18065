//! The filter `reputation`: what mail a client's network, a sender's domain and the domains that sign have brought so
//! far, and whom our users write with.
//!
//! In: the client, the sender as far as it is proven, and, when a verdict has been reached, what the other filters said.
//! Out: `REPUTATION_...` with points for or against, by a formula that knows how little few messages tell
//! ([`standing`]); `KNOWN_CORRESPONDENT`, `REPLY_TO_OURS` and `FIRST_CONTACT`.
//!
//! Promises: reputation is learned from the points of the *other* filters only, so it never feeds on itself; what anybody can
//! claim is kept apart from what is proven; all of it fades, is bounded, and outlasts a restart. By the points that are
//! shipped no reputation marks a message as spam by itself.

mod check;
mod correspondence;
mod lesson;
mod options;
mod settings;
mod standing;

use std::sync::Arc;

pub use check::HITS;
pub(in crate::filter) use check::words;
pub use options::{CorrespondentOptions, Options, PointsOptions, SubjectPoints};

use crate::config::Problems;
use crate::filter::idle::Idle;
use crate::filter::{Action, Build, Check, FailurePolicy, Filter, Report, Scan};
use crate::metrics::Metrics;
use crate::store::{Facts, Kind};
use check::ReputationCheck;
use settings::Settings;

/// Its name in configuration, metrics, logs and headers.
pub const NAME: &str = "reputation";

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
    let settings = Settings::check(options, build.source)?;
    let Some(facts) = facts else {
        return Ok(Idle::outside(NAME, settings.on_failure));
    };
    for kind in [
        Kind::Network,
        Kind::Domain,
        Kind::UnprovenDomain,
        Kind::SigningDomain,
    ] {
        facts.allow(kind, settings.entries);
    }
    for kind in [Kind::Correspondent, Kind::Contact, Kind::SentMessage] {
        facts.allow(kind, settings.correspondents.entries);
    }
    for lesson in lesson::NAMES {
        build
            .metrics
            .reputation_lessons
            .with_label_values(&[lesson]);
    }
    Ok(Arc::new(Reputation(Arc::new(Shared {
        settings,
        facts: Arc::clone(facts),
        metrics: Arc::clone(build.metrics),
    }))))
}

struct Reputation(Arc<Shared>);

/// What all checks share.
struct Shared {
    settings: Settings,
    facts: Arc<Facts>,
    metrics: Arc<Metrics>,
}

impl Filter for Reputation {
    fn name(&self) -> &'static str {
        NAME
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.0.settings.on_failure
    }

    fn concluded(&self, scan: &Arc<Scan>, reports: &[Report], action: Action) {
        self.0
            .learn(scan, reports, action, crate::clock::milliseconds());
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(ReputationCheck::new(Arc::clone(&self.0)))
    }
}
