//! The clamd servers: which one takes the next message, and how many it takes at one time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::failure::Failure;
use super::settings::Settings;
use super::transport::{Address, ping};
use crate::filter::breaker::Breaker;
use crate::metrics::{Counters, Gauge, Metrics};

/// One clamd.
#[derive(Debug)]
pub(super) struct Server {
    /// As written; the label of the metrics.
    pub(super) name: String,
    pub(super) address: Address,
    pub(super) breaker: Arc<Breaker>,
    streams: Arc<Semaphore>,
    /// The streams that messages may hold while they are still on their way. A part is kept for those
    /// that are complete, so that slow senders cannot keep everyone waiting.
    early: Arc<Semaphore>,
    running: Gauge,
    scans: Counters,
    pub(super) seconds: prometheus::Histogram,
}

/// The right to one stream; counted as running until it is dropped.
#[derive(Debug)]
pub(super) struct Stream {
    running: Gauge,
    _permits: [Option<OwnedSemaphorePermit>; 2],
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.running.dec();
    }
}

impl Server {
    fn new(name: &str, address: &Address, settings: &Settings, metrics: &Metrics) -> Server {
        let label = &[name];
        let up = metrics.clamav_up.with_label_values(label);
        let breaker = Breaker::new(settings.patience, up);
        Server {
            name: name.to_owned(),
            address: address.clone(),
            breaker: Arc::new(breaker),
            streams: Arc::new(Semaphore::new(settings.streams)),
            early: Arc::new(Semaphore::new(
                settings.streams - settings.streams.div_ceil(4),
            )),
            running: metrics.clamav_running.with_label_values(label),
            scans: metrics.clamav_scans.clone(),
            seconds: metrics.clamav_seconds.with_label_values(label),
        }
    }

    /// Counts the end of one scan.
    pub(super) fn count(&self, result: &str) {
        self.scans
            .with_label_values(&[self.name.as_str(), result])
            .inc();
    }

    /// Counts a failure, and tells the breaker of it if the server is to blame.
    pub(super) fn failed(&self, failure: &Failure) {
        self.count(failure.label());
        if failure.blames_server() && self.breaker.failed(Instant::now()) {
            tracing::warn!(server = self.name, %failure, "clamd is left alone after failures in a row");
        }
    }

    /// Waits for a stream.
    pub(super) async fn stream(&self) -> Option<Stream> {
        let permit = Arc::clone(&self.streams).acquire_owned().await.ok()?;
        Some(self.running([Some(permit), None]))
    }

    /// A stream for a message that is still on its way, if there is one to spare.
    fn early_stream(&self) -> Option<Stream> {
        let early = Arc::clone(&self.early).try_acquire_owned().ok()?;
        let permit = Arc::clone(&self.streams).try_acquire_owned().ok()?;
        Some(self.running([Some(permit), Some(early)]))
    }

    fn running(&self, permits: [Option<OwnedSemaphorePermit>; 2]) -> Stream {
        self.running.inc();
        Stream {
            running: self.running.clone(),
            _permits: permits,
        }
    }
}

/// All servers, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Pool {
    servers: Vec<Arc<Server>>,
    probe_limit: Duration,
}

impl Pool {
    pub(super) fn new(settings: &Settings, metrics: &Metrics) -> Pool {
        let servers = settings.servers.iter();
        Pool {
            servers: servers
                .map(|(name, address)| Arc::new(Server::new(name, address, settings, metrics)))
                .collect(),
            probe_limit: settings.limits.connect,
        }
    }

    /// The least busy server in use that `tried` does not name; the first of several.
    pub(super) fn choose(&self, tried: &[&str]) -> Option<Arc<Server>> {
        self.in_use(tried)
            .max_by_key(|(place, s)| (s.streams.available_permits(), std::cmp::Reverse(*place)))
            .map(|(_, server)| Arc::clone(server))
    }

    /// The same for a message that is still on its way: only with a stream to spare.
    pub(super) fn choose_early(&self, tried: &[&str]) -> Option<(Arc<Server>, Stream)> {
        let server = self.choose(tried)?;
        let stream = server.early_stream()?;
        Some((server, stream))
    }

    fn in_use(&self, tried: &[&str]) -> impl Iterator<Item = (usize, &Arc<Server>)> {
        let left = self.servers.iter().enumerate();
        left.filter(|(_, s)| s.breaker.is_closed() && !tried.contains(&s.name.as_str()))
    }

    /// Begins to probe each server that has been left alone for long enough; no message waits for it
    /// while another server is in use.
    pub(super) fn probe(&self) {
        for server in &self.servers {
            let Some(probe) = server.breaker.begin_probe(Instant::now()) else {
                continue;
            };
            let (server, limit) = (Arc::clone(server), self.probe_limit);
            tokio::spawn(async move {
                // Connection and reply each have the limit; together they have it once.
                match tokio::time::timeout(limit, ping(&server.address, limit)).await {
                    Ok(Ok(())) => {
                        tracing::info!(server = server.name, "clamd is back in use");
                        probe.succeeded();
                    }
                    Ok(Err(failure)) => {
                        tracing::debug!(server = server.name, %failure, "clamd is not back");
                        probe.failed(Instant::now());
                    }
                    Err(_) => probe.failed(Instant::now()),
                }
            });
        }
    }

    /// A server that is being probed and that `tried` does not name.
    pub(super) fn probing(&self, tried: &[&str]) -> Option<Arc<Server>> {
        let mut servers = self.servers.iter();
        servers
            .find(|s| s.breaker.is_probing() && !tried.contains(&s.name.as_str()))
            .cloned()
    }
}
