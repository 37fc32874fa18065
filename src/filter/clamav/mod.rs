//! The filter `clamav`: clamd looks for viruses in the message, which is streamed to it (INSTREAM)
//! while it is still on its way.
//!
//! In: the exact bytes of the message, from the end of the header on. Out: the hit `VIRUS`, decisive,
//! with the name of the signature; or `Unscanned`, each kind of failure told apart.
//!
//! Promises: a message is clean only if a server that was sent all of it has said exactly so; a server
//! that is absent, hangs, closes, or replies nonsense is replaced by the next one, which is sent the
//! message from its first byte; the time from the end of the message to the outcome is bounded; a slow
//! sender never counts against a server, and slow senders cannot take every stream. Servers that fail
//! again and again are left alone for a while.

mod address;
mod check;
mod conclusion;
mod database;
mod failover;
mod failure;
mod feed;
mod inquiry;
mod known;
mod memory;
mod options;
mod pool;
mod reply;
mod scan;
mod server;
mod settings;
mod signatures;
mod transport;
mod watch;

use std::sync::{Arc, OnceLock};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio_util::task::AbortOnDropHandle;

pub use options::{
    BreakerOptions, CacheOptions, HealthOptions, Options, SignatureAction, SignatureOptions,
    VirusAction,
};
pub use signatures::{SIGNATURES, Treatment};

use crate::config::Problems;
use crate::filter::idle::Idle;
use crate::filter::probe::{Probe, ProbeError};
use crate::filter::{Build, Check, FailurePolicy, Filter};
use crate::metrics::Metrics;
use address::Address;
use check::ClamavCheck;
use database::Freshness;
use failover::Shared;
use memory::Memory;
use pool::Pool;
use settings::Settings;

/// Its name in configuration, metrics, logs and headers.
pub const NAME: &str = "clamav";

/// Checks `options` and builds the filter. Without servers it is built too, and skips every message.
/// No server is contacted.
///
/// # Errors
/// Every problem in `options`, with its place.
pub fn build(options: &Options, build: &Build<'_>) -> Result<Arc<dyn Filter>, Problems> {
    let settings = Settings::check(options, build.source)?;
    if settings.servers.is_empty() {
        return Ok(Idle::filter(
            NAME,
            "no server configured",
            settings.on_failure,
        ));
    }
    let metrics = build.metrics;
    Ok(Arc::new(Clamav {
        shared: Arc::new(Shared {
            pool: Arc::new(Pool::new(&settings, metrics)),
            memory: Memory::new(&settings, metrics),
            hedges: metrics.clamav_hedges.clone(),
            settings,
        }),
        watch: OnceLock::new(),
    }))
}

/// Asks every server of `options` at once for PING and VERSION, each within `connect_timeout`. One with signatures
/// older than `health.warn_after` does not work as it should.
pub async fn health(options: &Options) -> Vec<Probe> {
    let servers = options.servers.iter();
    join_all(servers.map(|server| async {
        let service = server.value.clone();
        let answer = probe(&service, options).await.map_err(ProbeError);
        Probe { service, answer }
    }))
    .await
}

async fn probe(server: &str, options: &Options) -> Result<String, String> {
    let address =
        Address::read(server).map_err(|why| format!("not the address of a server: {why}"))?;
    let limit = options.connect_timeout.value.0;
    let version = inquiry::health(&address, limit).await;
    let Some(version) = version.map_err(|failure| failure.to_string())? else {
        return Ok("answers, and does not tell its version".to_owned());
    };
    let Some(database) = version.database else {
        return Ok(version.text);
    };
    let age = database.age(Timestamp::now());
    let answer = format!("{}, signatures {} old", version.text, database::shown(age));
    match options.health.ages().freshness(age) {
        Freshness::Fresh => Ok(answer),
        Freshness::Old | Freshness::Outdated => Err(answer),
    }
}

struct Clamav {
    shared: Arc<Shared>,
    /// The task that looks after the servers, once the filter is in force; it ends with the filter.
    watch: OnceLock<AbortOnDropHandle<()>>,
}

impl Drop for Clamav {
    /// What was shown of servers that are no longer in use would grow old in the metrics, and be warned of.
    fn drop(&mut self) {
        if self.watch.take().is_some() {
            for server in &self.shared.pool.servers {
                server.known.forget();
            }
        }
    }
}

impl Filter for Clamav {
    fn name(&self) -> &'static str {
        NAME
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.shared.settings.on_failure
    }

    fn in_force(&self, metrics: &Metrics) {
        let (entries, _) = self.shared.settings.remembered;
        let limit = i64::try_from(entries).unwrap_or(i64::MAX);
        metrics.clamav_cache_limit.set(limit);
        for server in &self.shared.pool.servers {
            server.breaker.show();
        }
        self.watch.get_or_init(|| {
            let shared = Arc::clone(&self.shared);
            AbortOnDropHandle::new(tokio::spawn(watch::keep(shared)))
        });
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(ClamavCheck::new(Arc::clone(&self.shared)))
    }
}
