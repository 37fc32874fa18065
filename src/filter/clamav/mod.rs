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

mod check;
mod failure;
mod options;
mod reply;
mod scan;
mod server;
mod settings;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

pub use options::{BreakerOptions, Options, VirusAction};

use crate::config::Problems;
use crate::filter::idle::Idle;
use crate::filter::probe::{Probe, ProbeError};
use crate::filter::{Build, Check, FailurePolicy, Filter};
use check::{ClamavCheck, Shared};
use server::Pool;
use settings::Settings;

/// Checks `options` and builds the filter. Without servers it is built too, and skips every message.
/// No server is contacted.
///
/// # Errors
/// Every problem in `options`, with its place.
pub fn build(options: &Options, build: &Build<'_>) -> Result<Arc<dyn Filter>, Problems> {
    let settings = Settings::check(options, build.source)?;
    if settings.servers.is_empty() {
        return Ok(Idle::filter(
            "clamav",
            "no server configured",
            settings.on_failure,
        ));
    }
    let pool = Pool::new(&settings, build.metrics);
    Ok(Arc::new(Clamav(Arc::new(Shared { settings, pool }))))
}

/// Asks one server, written as in [`Options::servers`], for its version (`ClamAV 1.4.3/27800/...`).
/// Connection and reply together take at most `limit`.
///
/// # Errors
/// The address cannot be read, or the server does not answer as clamd does.
pub async fn probe(server: &str, limit: Duration) -> Result<String, ProbeError> {
    let address = settings::address(server)
        .map_err(|why| ProbeError(format!("not the address of a server: {why}")))?;
    let asked = async {
        transport::ping(&address, limit).await?;
        transport::version(&address, limit).await
    };
    match tokio::time::timeout(limit, asked).await {
        Ok(Ok(version)) => Ok(version),
        Ok(Err(failure)) => Err(ProbeError(failure.to_string())),
        Err(_) => Err(ProbeError(format!("no reply within {limit:?}"))),
    }
}

/// Asks every server of `options` at once for its version, each within `connect_timeout`.
pub async fn health(options: &Options) -> Vec<Probe> {
    let limit = options.connect_timeout.value.0;
    let servers = options.servers.iter();
    join_all(servers.map(|server| async move {
        let service = server.value.clone();
        let answer = probe(&service, limit).await;
        Probe { service, answer }
    }))
    .await
}

struct Clamav(Arc<Shared>);

impl Filter for Clamav {
    fn name(&self) -> &'static str {
        "clamav"
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.0.settings.on_failure
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(ClamavCheck::new(Arc::clone(&self.0)))
    }
}
