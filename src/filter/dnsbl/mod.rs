//! The filter `dnsbl`: what DNS lists say about client, sender, URLs and whatever else a message shows
//! (RFC 5782).
//!
//! In: the transaction, stage by stage; each question leaves at the first byte that gives its subject, at
//! CONNECT for the client, at end of message for URLs. Out: a hit for each grade of a listing, decisive
//! where the configuration says so, known to [`Check::decisive`](super::Check::decisive) as soon as the answer is there.
//!
//! Promises: an answer that is not a listing is never taken for one (errors in 127.255.255.0/24,
//! addresses outside 127.0.0.0/8, 127.0.0.1, lists that list everything); a list that could not be
//! asked makes the outcome `Unscanned`, with the hits of the others; a list that does not work is taken out
//! of use and comes back by itself; the time of a question, the questions of a message and those on their way
//! are bounded, for each list on its own; the key of a list is shown nowhere.

mod answer;
mod check;
mod conclusion;
mod digest;
mod grade;
mod guard;
mod health;
mod lookups;
mod options;
mod plan;
mod question;
mod resolving;
mod round;
mod secret;
mod settings;
mod sources;
mod subject;
mod zone;
mod zone_options;
mod zone_settings;

use std::sync::{Arc, OnceLock};

use tokio_util::task::AbortOnDropHandle;

pub use health::health;
pub use options::{GuardOptions, Moved, Options};
pub use secret::Secret;
pub use subject::Subject;
pub use zone_options::{
    Algorithm, CodeOptions, Decisive, Encoding, HashOptions, HopOptions, Names, TestOptions,
    ZoneOptions,
};

use crate::config::Problems;
use crate::dns::{Dns, Kind, Share};
use crate::filter::idle::Idle;
use crate::filter::{Build, Check, FailurePolicy, Filter, Reason};
use crate::metrics::Metrics;
use check::DnsblCheck;
use guard::Watch;
use lookups::{List, Lookups};
use settings::Settings;
use subject::Stage;

/// Checks `options` and builds the filter. Without zones it is built too, and skips every message.
/// Without resolvers to ask it is a problem only when there are zones.
///
/// # Errors
/// Every problem in `options`, with its place; a resolver that is not usable.
pub fn build(options: &Options, dns: &Dns, build: &Build<'_>) -> Result<Arc<dyn Filter>, Problems> {
    let settings = Settings::check(options, build.source, build.base)?;
    if settings.zones.is_empty() {
        return Ok(Idle::filter(
            "dnsbl",
            "no zones configured",
            settings.on_failure,
        ));
    }
    dns.usable()?;
    let (settings, lookups, lists, resolving) = lists(settings, dns, build.metrics);
    Ok(Arc::new(Dnsbl {
        shared: Arc::new(Shared {
            settings,
            lookups,
            lists,
            resolving,
            metrics: Arc::clone(build.metrics),
        }),
        guard: OnceLock::new(),
    }))
}

/// Puts the zones of `settings` to use.
fn lists(
    mut settings: Settings,
    dns: &Dns,
    metrics: &Arc<Metrics>,
) -> (Settings, Lookups, Vec<List>, Share) {
    let zones = std::mem::take(&mut settings.zones);
    // Two parts more than there are lists: one for names that are resolved first, and one so that all of
    // them together leave room for other filters.
    let parts = zones.len() + 2;
    let lists = zones
        .into_iter()
        .map(|zone| List {
            watch: Watch::new(&zone.name, &settings.guard, metrics),
            share: dns.share(parts),
            zone,
        })
        .collect();
    let lookups = Lookups::new(
        dns.clone(),
        settings.verify_lists,
        settings.guard,
        Arc::clone(metrics),
    );
    (settings, lookups, lists, dns.share(parts))
}

struct Dnsbl {
    shared: Arc<Shared>,
    /// The task that tests the lists, once the filter is in force; it ends with the filter.
    guard: OnceLock<AbortOnDropHandle<()>>,
}

/// What all checks share.
struct Shared {
    settings: Settings,
    lookups: Lookups,
    /// In the order of the configuration.
    lists: Vec<List>,
    /// Questions for names that are resolved before a list can be asked.
    resolving: Share,
    metrics: Arc<Metrics>,
}

fn reason(kind: Kind) -> Reason {
    match kind {
        Kind::Down => Reason::Down,
        Kind::Timeout => Reason::Timeout,
        Kind::Error => Reason::Error,
    }
}

impl Filter for Dnsbl {
    fn name(&self) -> &'static str {
        "dnsbl"
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.shared.settings.on_failure
    }

    fn begins_early(&self) -> bool {
        let wanted = &self.shared.settings.sources.wanted;
        wanted.iter().any(|s| s.stage() <= Stage::Mail)
    }

    fn may_decide_early(&self) -> bool {
        let early = |list: &List| {
            let subjects = &list.zone.subjects;
            list.zone.may_decide() && subjects.iter().any(|s| s.stage() < Stage::Body)
        };
        self.shared.lists.iter().any(early)
    }

    fn in_force(&self, _metrics: &Metrics) {
        for list in &self.shared.lists {
            list.watch.in_force();
        }
        self.guard.get_or_init(|| {
            let shared = Arc::downgrade(&self.shared);
            AbortOnDropHandle::new(tokio::spawn(guard::keep(shared)))
        });
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(DnsblCheck::new(Arc::clone(&self.shared)))
    }
}
