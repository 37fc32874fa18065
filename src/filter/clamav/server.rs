//! One clamd: how many messages it takes at one time, whether it is in use, and how it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::address::Address;
use super::database::Version;
use super::failure::Failure;
use super::inquiry;
use super::known::Known;
use super::settings::Settings;
use crate::filter::breaker::Breaker;
use crate::metrics::{Gauge, Metrics, Series};

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
    pub(super) known: Known,
    metrics: Arc<Metrics>,
    _series: Series,
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
    pub(super) fn new(
        name: &str,
        address: &Address,
        settings: &Settings,
        metrics: &Arc<Metrics>,
    ) -> Server {
        let series = Series::of_clamav_server(name, metrics);
        let up = metrics.clamav_up.with_label_values(&[name]);
        let breaker = Breaker::new(settings.patience, up);
        if series.is_new() {
            breaker.show();
        }
        Server {
            name: name.to_owned(),
            address: address.clone(),
            breaker: Arc::new(breaker),
            streams: Arc::new(Semaphore::new(settings.streams)),
            early: Arc::new(Semaphore::new(
                settings.streams - settings.streams.div_ceil(4),
            )),
            known: Known::new(name, settings.ages, metrics),
            metrics: Arc::clone(metrics),
            _series: series,
        }
    }

    /// Counts the end of one scan.
    pub(super) fn count(&self, result: &str) {
        let labels = [self.name.as_str(), result];
        self.metrics.clamav_scans.with_label_values(&labels).inc();
    }

    /// The time of one scan.
    pub(super) fn took(&self, time: Duration) {
        let seconds = &self.metrics.clamav_seconds;
        let seconds = seconds.with_label_values(&[self.name.as_str()]);
        seconds.observe(time.as_secs_f64());
    }

    /// A scan has failed: counts it, and tells the breaker of it if the server is to blame.
    pub(super) fn failed(&self, failure: &Failure) {
        self.count(failure.label());
        tracing::debug!(server = self.name, %failure, "clamd failed");
        self.blame(failure);
    }

    /// Tells the breaker of a failure if the server is to blame.
    fn blame(&self, failure: &Failure) {
        if failure.blames_server() && self.breaker.failed(Instant::now()) {
            tracing::warn!(server = self.name, %failure, "clamd is left alone after failures in a row");
        }
    }

    /// Waits for a stream.
    pub(super) async fn stream(&self) -> Option<Stream> {
        let permit = Arc::clone(&self.streams).acquire_owned().await.ok()?;
        Some(self.running([Some(permit), None]))
    }

    /// A stream, if there is one now.
    pub(super) fn stream_now(&self) -> Option<Stream> {
        let permit = Arc::clone(&self.streams).try_acquire_owned().ok()?;
        Some(self.running([Some(permit), None]))
    }

    /// A stream for a message that is still on its way, if there is one to spare.
    pub(super) fn early_stream(&self) -> Option<Stream> {
        let early = Arc::clone(&self.early).try_acquire_owned().ok()?;
        let permit = Arc::clone(&self.streams).try_acquire_owned().ok()?;
        Some(self.running([Some(permit), Some(early)]))
    }

    /// Streams that nobody has.
    pub(super) fn idle_streams(&self) -> usize {
        self.streams.available_permits()
    }

    fn running(&self, permits: [Option<OwnedSemaphorePermit>; 2]) -> Stream {
        let running = self.metrics.clamav_running.with_label_values(&[&self.name]);
        running.inc();
        Stream {
            running,
            _permits: permits,
        }
    }

    /// Asks for its health. That it answers says nothing about its scans, so it does not make up for failures of
    /// those; that it does not counts like one.
    pub(super) async fn examine(&self, limit: Duration) {
        match inquiry::health(&self.address, limit).await {
            Ok(version) => self.known.learn(version),
            Err(failure) => {
                tracing::debug!(server = self.name, %failure, "clamd is not well");
                self.blame(&failure);
            }
        }
    }

    /// Asks for its version, as it is now.
    pub(super) async fn ask_version(&self, limit: Duration) -> Option<Version> {
        self.known.is_asked();
        let asked = inquiry::version(&self.address, limit);
        let version = tokio::time::timeout(limit, asked).await.ok()?.ok()?;
        self.known.learn(Some(version.clone()));
        Some(version)
    }

    /// Asks for its version if nobody has: before the filter is in force, and where it never is.
    pub(super) async fn introduce(&self, limit: Duration) {
        if !self.known.is_asked() {
            self.ask_version(limit).await;
        }
    }
}
