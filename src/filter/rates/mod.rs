//! The filter `rates`: how much mail a client network, a domain, a user sends in a time, and a recipient gets.
//!
//! In: client, login, envelope, the sender as far as it is proven. Out: the decisive hit `RATE_<NAME>`, tempfail, or the
//! same hit with points, for a message or a recipient beyond a limit. Each limit is a leaky bucket for each of its
//! subjects: it holds `burst` messages or recipients, and empties within `per`.
//!
//! Promises: what is refused does not count, so whoever slows down gets through; a domain that anybody may have put into
//! an envelope has a bucket of its own for each network, so that nobody fills that of another; buckets are bounded and
//! outlast a restart.

mod bucket;
mod check;
mod limit;
mod options;

use std::sync::Arc;

pub use options::{By, Count, LimitOptions, Options, RateAction};

use crate::config::Problems;
use crate::filter::idle::Idle;
use crate::filter::{Build, Check, FailurePolicy, Filter};
use crate::metrics::Metrics;
use crate::store::{Facts, Kind};
use check::RatesCheck;
use limit::Settings;

/// Its name in configuration, metrics, logs and headers.
pub const NAME: &str = "rates";

/// Checks `options` and builds the filter, which remembers in `facts`; without them, outside of the daemon, and without
/// limits, it skips every message.
///
/// # Errors
/// Every problem in `options`, with its place.
pub fn build(
    options: &Options,
    facts: Option<&Arc<Facts>>,
    build: &Build<'_>,
) -> Result<Arc<dyn Filter>, Problems> {
    let settings = Settings::check(options, build.source)?;
    if settings.limits.is_empty() {
        return Ok(Idle::filter(
            NAME,
            "no limits configured",
            settings.on_failure,
        ));
    }
    let Some(facts) = facts else {
        return Ok(Idle::outside(NAME, settings.on_failure));
    };
    facts.allow(Kind::Rate, settings.entries);
    for limit in &settings.limits {
        let exceeded = &build.metrics.rates_exceeded;
        exceeded.with_label_values(&[limit.name.as_str()]);
    }
    Ok(Arc::new(Rates(Arc::new(Shared {
        settings,
        facts: Arc::clone(facts),
        metrics: Arc::clone(build.metrics),
    }))))
}

struct Rates(Arc<Shared>);

/// What all checks share.
struct Shared {
    settings: Settings,
    facts: Arc<Facts>,
    metrics: Arc<Metrics>,
}

impl Filter for Rates {
    fn name(&self) -> &'static str {
        NAME
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.0.settings.on_failure
    }

    fn may_decide_early(&self) -> bool {
        self.0.settings.limits.iter().any(|limit| limit.at_rcpt())
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(RatesCheck::new(Arc::clone(&self.0)))
    }
}
