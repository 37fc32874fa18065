//! The filter `auth`: who a message really comes from (SPF, DKIM, DMARC, ARC, reverse DNS).
//!
//! In: the client at CONNECT, HELO and envelope sender at MAIL, the header, the body as it arrives. Out: a hit for
//! each result; [`Authenticated`] for the filters behind it; the value of `Authentication-Results`. Each question to
//! DNS leaves as soon as what it is about is known, and the body is hashed along with its arrival, so that at the end
//! of the message the signatures are left to verify.
//!
//! Promises: a temporary failure of DNS is `Unscanned` with its reason, never a result; questions, signatures and
//! time are bounded for each message; clients of our own networks and authenticated ones are not checked.

mod authserv;
mod check;
mod excuse;
mod header;
mod hits;
mod options;
mod settings;
mod signed;
mod summary;

use std::sync::Arc;

pub use authserv::{Authserv, FIELD};
pub use hits::HITS;
pub use options::{DmarcOptions, Honour, Options};
pub use summary::{Authenticated, Disposition};

use crate::config::Problems;
use crate::dns::{Dns, Share};
use crate::filter::idle::Idle;
use crate::filter::{Build, Check, FailurePolicy, Filter};
use crate::metrics::Metrics;
use check::AuthCheck;
use settings::Settings;

/// Its name in configuration, metrics, logs and headers.
pub const NAME: &str = "auth";

/// Checks `options` and builds the filter, which asks `dns`.
///
/// # Errors
/// Every problem in `options`, with its place; that there is no resolver.
pub fn build(options: &Options, dns: &Dns, build: &Build<'_>) -> Result<Arc<dyn Filter>, Problems> {
    let settings = Settings::check(options, build.source)?;
    start_at_zero(build.metrics);
    let idle = dns
        .usable()
        .is_err()
        .then(|| Idle::filter(NAME, "no resolver configured", settings.on_failure));
    Ok(Arc::new(Auth {
        idle,
        shared: Arc::new(Shared {
            settings,
            dns: dns.clone(),
            // Half of all questions: a domain whose servers are silent must not hold up the lists.
            share: Arc::new(dns.share(2)),
            metrics: Arc::clone(build.metrics),
        }),
    }))
}

struct Auth {
    shared: Arc<Shared>,
    /// Where there is nobody to ask, only forged results are removed.
    idle: Option<Arc<dyn Filter>>,
}

/// What all checks share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    dns: Dns,
    share: Arc<Share>,
    metrics: Arc<Metrics>,
}

impl Filter for Auth {
    fn name(&self) -> &'static str {
        NAME
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.shared.settings.on_failure
    }

    fn begins_early(&self) -> bool {
        self.idle.is_none()
    }

    fn authserv(&self) -> Option<&Arc<Authserv>> {
        Some(&self.shared.settings.authserv)
    }

    fn check(&self) -> Box<dyn Check> {
        match &self.idle {
            Some(idle) => idle.check(),
            None => Box::new(AuthCheck::new(Arc::clone(&self.shared))),
        }
    }
}

/// Shows what may be counted before it has happened.
fn start_at_zero(metrics: &Metrics) {
    for disposition in Disposition::NAMES {
        metrics.auth_dispositions.with_label_values(&[disposition]);
    }
}
