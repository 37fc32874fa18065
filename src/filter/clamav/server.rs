//! One clamd: how many messages it takes at one time, whether it is in use, and what is known of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::address::Address;
use super::database::{Ages, Freshness, Version, shown};
use super::failure::Failure;
use super::inquiry;
use super::settings::Settings;
use crate::filter::breaker::Breaker;
use crate::metrics::{Gauge, Metrics};

/// How long the size that was too large for a server is kept in mind: clamd may come back with another
/// `StreamMaxLength` without our noticing.
const CEILING_KEPT: Duration = Duration::from_secs(600);
/// Smaller sizes are not kept in mind: no clamd for mail is set up so, and one that is out of its mind must not turn
/// small messages away for minutes.
const LEAST_CEILING: usize = 1 << 20;

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
    ages: Ages,
    known: Mutex<Known>,
    metrics: Arc<Metrics>,
}

/// What is known of a server.
#[derive(Debug)]
struct Known {
    version: Option<Version>,
    /// Whether it has been asked for its version.
    asked: bool,
    /// What the log said of its age last.
    told: Freshness,
    /// Messages of so many bytes and more are too large for it, as it said itself; and until when that counts.
    ceiling: Option<(usize, Instant)>,
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
        metrics.clamav_server_starts_at_zero(name);
        let up = metrics.clamav_up.with_label_values(&[name]);
        let breaker = Breaker::new(settings.patience, up);
        Server {
            name: name.to_owned(),
            address: address.clone(),
            breaker: Arc::new(breaker),
            streams: Arc::new(Semaphore::new(settings.streams)),
            early: Arc::new(Semaphore::new(
                settings.streams - settings.streams.div_ceil(4),
            )),
            ages: settings.ages,
            known: Mutex::new(Known {
                version: None,
                asked: false,
                told: Freshness::Fresh,
                ceiling: None,
            }),
            metrics: Arc::clone(metrics),
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

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for its health. That it answers says nothing about its scans, so it does not make up for failures of
    /// those; that it does not counts like one.
    pub(super) async fn examine(&self, limit: Duration) {
        match inquiry::health(&self.address, limit).await {
            Ok(Some(version)) => self.learn(version),
            Ok(None) => self.forget(),
            Err(failure) => {
                tracing::debug!(server = self.name, %failure, "clamd is not well");
                self.blame(&failure);
            }
        }
    }

    /// Asks for its version, as it is now.
    pub(super) async fn ask_version(&self, limit: Duration) -> Option<Version> {
        self.known().asked = true;
        let asked = inquiry::version(&self.address, limit);
        let version = tokio::time::timeout(limit, asked).await.ok()?.ok()?;
        self.learn(version.clone());
        Some(version)
    }

    /// Asks for its version if nobody has: before the filter is in force, and where it never is.
    pub(super) async fn introduce(&self, limit: Duration) {
        let asked = self.known().asked;
        if !asked {
            self.ask_version(limit).await;
        }
    }

    /// Takes note of its version, and says what is new.
    pub(super) fn learn(&self, version: Version) {
        let database = version.database;
        let number = database.map_or(0, |d| i64::from(d.number));
        let built = database.map_or(0, |d| d.built.as_second());
        let label = [self.name.as_str()];
        let metrics = &self.metrics;
        metrics
            .clamav_signatures
            .with_label_values(&label)
            .set(number);
        let gauge = &metrics.clamav_signatures_built;
        gauge.with_label_values(&label).set(built);

        let age = database.map(|d| d.age(Timestamp::now()));
        let freshness = age.map_or(Freshness::Fresh, |age| self.ages.freshness(age));
        let (server, now) = (self.name.as_str(), version.text.clone());
        let (before, told) = {
            let mut known = self.known();
            let told = std::mem::replace(&mut known.told, freshness);
            known.asked = true;
            (known.version.replace(version), told)
        };
        match before {
            Some(before) if before.text == now => {}
            Some(before) => tracing::info!(
                server,
                version = now,
                before = before.text,
                "clamd has changed"
            ),
            None => tracing::info!(server, version = now, "clamd answers"),
        }
        let age = age.map(shown).unwrap_or_default();
        match freshness {
            same if same == told => {}
            Freshness::Fresh => {
                tracing::info!(server, version = now, "clamd has fresh signatures again")
            }
            Freshness::Old => tracing::warn!(
                server,
                version = now,
                age,
                "clamd has old signatures: does freshclam run?"
            ),
            Freshness::Outdated => tracing::error!(
                server,
                version = now,
                age,
                "clamd has signatures too old to rely on: what it calls clean counts as unscanned"
            ),
        }
    }

    /// What it works with, where it says so exactly enough to compare.
    pub(super) fn version(&self) -> Option<String> {
        let known = self.known();
        let version = known.version.as_ref()?;
        version.database.map(|_| version.text.clone())
    }

    /// How old its signatures are, if they are too old to rely on.
    pub(super) fn outdated(&self) -> Option<Duration> {
        let built = self.known().version.as_ref()?.database?;
        let age = built.age(Timestamp::now());
        (self.ages.freshness(age) == Freshness::Outdated).then_some(age)
    }

    /// It said that `bytes` were too many.
    pub(super) fn is_full_at(&self, bytes: usize) {
        if bytes < LEAST_CEILING {
            return;
        }
        let until = Instant::now() + CEILING_KEPT;
        let mut known = self.known();
        let lowest = match known.ceiling {
            Some((before, kept)) if kept > Instant::now() && before <= bytes => before,
            _ => {
                tracing::info!(
                    server = self.name,
                    bytes,
                    "clamd takes no message as long as this (StreamMaxLength)"
                );
                bytes
            }
        };
        known.ceiling = Some((lowest, until));
    }

    /// The least size that is known to be too large for it, bytes.
    pub(super) fn ceiling(&self) -> Option<usize> {
        let (bytes, until) = self.known().ceiling?;
        (until > Instant::now()).then_some(bytes)
    }

    /// It was away, and may be another one now.
    pub(super) fn is_back(&self, version: Option<Version>) {
        self.known().ceiling = None;
        match version {
            Some(version) => self.learn(version),
            None => self.forget(),
        }
    }

    /// Nothing is known any more of what it works with.
    pub(super) fn forget(&self) {
        self.known().version = None;
        let label = [self.name.as_str()];
        for gauges in [
            &self.metrics.clamav_signatures,
            &self.metrics.clamav_signatures_built,
        ] {
            // That it was not there is no failure.
            let _ = gauges.remove_label_values(&label);
        }
    }
}
