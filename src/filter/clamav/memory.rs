//! What servers found clean, so that the same bytes are not scanned again by the same signatures: a message that was
//! answered "try again", by greylisting or because something else had failed, comes once more as it was.
//!
//! A message is known by a BLAKE3 digest of exactly what the server was sent. What is kept is who called it clean and
//! the version that this server had told before. Before that is relied on, the server is asked for its version
//! again: it is the same, so it was the same in between, and another scan would end as the first did. Databases
//! without a number, and those that others add to ClamAV's, do not show in the version; so what is remembered is
//! forgotten after a time, and nothing is remembered of a server that does not tell.

use std::sync::Arc;
use std::time::Duration;

use blake3::Hash;
use moka::future::Cache;

use super::feed::LookedAt;
use super::server::Server;
use super::settings::Settings;
use crate::metrics::Metrics;

/// Longest wait for the version of the server that called a message clean; a scan may be quicker than more.
const CONFIRMED_WITHIN: Duration = Duration::from_millis(500);

/// Messages that were found clean.
#[derive(Debug)]
pub(super) struct Memory {
    clean: Cache<Hash, Found>,
    metrics: Arc<Metrics>,
    limit: Duration,
}

/// Who found a message clean, and with what.
#[derive(Clone, Debug)]
struct Found {
    server: Arc<Server>,
    version: Arc<str>,
}

impl Memory {
    /// One that is empty; `None` where nothing is to be remembered.
    pub(super) fn new(settings: &Settings, metrics: &Arc<Metrics>) -> Option<Arc<Memory>> {
        let (entries, max_age) = settings.remembered;
        (entries > 0).then(|| {
            Arc::new(Memory {
                clean: Cache::builder()
                    .max_capacity(entries)
                    .time_to_live(max_age)
                    .build(),
                metrics: Arc::clone(metrics),
                limit: settings.limits.connect.min(CONFIRMED_WITHIN),
            })
        })
    }

    /// Who found such a message clean and would again, if anybody.
    pub(super) async fn recall(&self, digest: &Hash) -> Option<Arc<Server>> {
        let found = self.clean.get(digest).await?;
        let server = found.server;
        if !server.breaker.is_closed() || server.known.outdated().is_some() {
            return None;
        }
        let version = server.ask_version(self.limit).await?;
        if version.text != *found.version {
            self.clean.invalidate(digest).await;
            return None;
        }
        let label = [server.name.as_str()];
        self.metrics.clamav_cached.with_label_values(&label).inc();
        Some(server)
    }

    /// `server` has found a message clean.
    pub(super) async fn keep(&self, looked_at: LookedAt, server: &Arc<Server>) {
        let LookedAt { digest, version } = looked_at;
        let found = Found {
            server: Arc::clone(server),
            version: version.into(),
        };
        self.clean.insert(digest, found).await;
        let entries = i64::try_from(self.clean.entry_count()).unwrap_or(i64::MAX);
        self.metrics.clamav_cache_entries.set(entries);
    }
}
