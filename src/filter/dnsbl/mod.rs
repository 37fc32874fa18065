//! The filter `dnsbl`: what DNS lists say about the address of the client (RFC 5782).
//!
//! In: the client's address, at CONNECT. Out: a hit for each listing, decisive where the
//! configuration says so. The look-ups run while the message is still on its way; a decisive listing
//! is known to [`Check::decisive`](super::Check::decisive) before the body is sent.
//!
//! Promises: an answer that is not a listing is never taken for one (errors in 127.255.255.0/24,
//! addresses outside 127.0.0.0/8, 127.0.0.1, lists that list everything); a list that could not be
//! asked makes the outcome `Unscanned`, with the hits of the others; one whole look-up is bounded in
//! time, and the cache and the queries in flight are bounded in number, for each list on its own.

mod answer;
mod check;
mod health;
mod lookups;
mod options;
mod question;
mod settings;
mod zone;

use std::sync::Arc;

pub use health::health;
pub use options::{CodeOptions, Decisive, Options, ZoneOptions};

use crate::config::Problems;
use crate::dns::{Dns, Share};
use crate::filter::idle::Idle;
use crate::filter::{Build, Check, FailurePolicy, Filter};
use check::DnsblCheck;
use lookups::Lookups;
use settings::Settings;

/// Checks `options` and builds the filter. Without zones it is built too, and skips every message.
/// Without resolvers to ask it is a problem only when there are zones.
///
/// # Errors
/// Every problem in `options`, with its place; a resolver that is not usable.
pub fn build(options: &Options, dns: &Dns, build: &Build<'_>) -> Result<Arc<dyn Filter>, Problems> {
    let settings = Settings::check(options, build.source)?;
    if settings.zones.is_empty() {
        return Ok(Idle::filter(
            "dnsbl",
            "no zones configured",
            settings.on_failure,
        ));
    }
    dns.usable()?;
    let lookups = Lookups::new(
        dns.clone(),
        settings.verify_lists,
        Arc::clone(build.metrics),
    );
    // One part more than there are lists, so that all of them together leave room for other filters.
    let parts = settings.zones.len() + 1;
    let shares = settings.zones.iter().map(|_| dns.share(parts)).collect();
    Ok(Arc::new(Dnsbl(Arc::new(Shared {
        settings,
        lookups,
        shares,
    }))))
}

struct Dnsbl(Arc<Shared>);

/// What all checks share.
struct Shared {
    settings: Settings,
    lookups: Lookups,
    /// Of each list, in the order of the configuration.
    shares: Vec<Share>,
}

impl Filter for Dnsbl {
    fn name(&self) -> &'static str {
        "dnsbl"
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.0.settings.on_failure
    }

    fn begins_early(&self) -> bool {
        true
    }

    fn may_decide_early(&self) -> bool {
        self.0.settings.zones.iter().any(|z| z.may_decide())
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(DnsblCheck::new(Arc::clone(&self.0)))
    }
}
