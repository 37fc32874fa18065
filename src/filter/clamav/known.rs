//! What is known of one server: what it works with, as it said itself, and which sizes it refuses. Shown in the metrics
//! and, when it changes, in the log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::database::{Ages, Freshness, Version, shown};
use crate::metrics::Metrics;

/// How long the size that was too large for a server is kept in mind: clamd may come back with another
/// `StreamMaxLength` without our noticing.
const CEILING_KEPT: Duration = Duration::from_secs(600);
/// Smaller sizes are not kept in mind: no clamd for mail is set up so, and one that is out of its mind must not turn
/// small messages away for minutes.
const LEAST_CEILING: usize = 1 << 20;

/// What is known of a server.
#[derive(Debug)]
pub(super) struct Known {
    server: String,
    ages: Ages,
    state: Mutex<State>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct State {
    version: Option<Version>,
    /// Whether it has been asked for its version.
    asked: bool,
    /// What the log said of its age last.
    told: Freshness,
    /// Messages of so many bytes and more are too large for it, as it said itself; and until when that counts.
    ceiling: Option<(usize, Instant)>,
}

impl Known {
    /// Nothing yet.
    pub(super) fn new(server: &str, ages: Ages, metrics: &Arc<Metrics>) -> Known {
        Known {
            server: server.to_owned(),
            ages,
            state: Mutex::new(State {
                version: None,
                asked: false,
                told: Freshness::Fresh,
                ceiling: None,
            }),
            metrics: Arc::clone(metrics),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is asked for its version. Gives whether it was before.
    pub(super) fn is_asked(&self) -> bool {
        std::mem::replace(&mut self.state().asked, true)
    }

    /// What it says of itself, or that it says nothing. Tells what is new.
    pub(super) fn learn(&self, version: Option<Version>) {
        let Some(version) = version else {
            self.is_asked();
            return self.forget();
        };
        let database = version.database;
        let number = database.map_or(0, |d| i64::from(d.number));
        let built = database.map_or(0, |d| d.built.as_second());
        let label = [self.server.as_str()];
        let gauges = &self.metrics.clamav_signatures;
        gauges.with_label_values(&label).set(number);
        let gauges = &self.metrics.clamav_signatures_built;
        gauges.with_label_values(&label).set(built);

        let age = database.map(|d| d.age(Timestamp::now()));
        let freshness = age.map_or(Freshness::Fresh, |age| self.ages.freshness(age));
        let (before, told) = {
            let mut state = self.state();
            state.asked = true;
            let told = std::mem::replace(&mut state.told, freshness);
            (state.version.replace(version.clone()), told)
        };
        self.tell_version(&version, before.as_ref());
        if freshness != told {
            self.tell_age(&version, freshness, age.unwrap_or_default());
        }
    }

    fn tell_version(&self, version: &Version, before: Option<&Version>) {
        let (server, now) = (&self.server, &version.text);
        match before {
            Some(before) if before == version => {}
            Some(before) => {
                tracing::info!(
                    server,
                    version = now,
                    before = before.text,
                    "clamd has changed"
                );
            }
            None => tracing::info!(server, version = now, "clamd answers"),
        }
    }

    fn tell_age(&self, version: &Version, freshness: Freshness, age: Duration) {
        let (server, version, age) = (&self.server, &version.text, shown(age));
        match freshness {
            Freshness::Fresh => {
                tracing::info!(server, version, "clamd has fresh signatures again");
            }
            Freshness::Old => {
                let what = "clamd has old signatures: does freshclam run?";
                tracing::warn!(server, version, age, "{what}");
            }
            Freshness::Outdated => {
                let what = "clamd has signatures too old to rely on: what it calls clean counts as unscanned";
                tracing::error!(server, version, age, "{what}");
            }
        }
    }

    /// What it works with, where it says so exactly enough to compare.
    pub(super) fn version(&self) -> Option<String> {
        let state = self.state();
        let version = state.version.as_ref()?;
        version.database.map(|_| version.text.clone())
    }

    /// How old its signatures are, if they are too old to rely on.
    pub(super) fn outdated(&self) -> Option<Duration> {
        let database = self.state().version.as_ref()?.database?;
        let age = database.age(Timestamp::now());
        (self.ages.freshness(age) == Freshness::Outdated).then_some(age)
    }

    /// It said that `bytes` were too many.
    pub(super) fn is_full_at(&self, bytes: usize) {
        if bytes < LEAST_CEILING {
            return;
        }
        let now = Instant::now();
        let mut state = self.state();
        let lowest = match state.ceiling {
            Some((before, until)) if until > now && before <= bytes => before,
            _ => {
                let what = "clamd takes no message as long as this (StreamMaxLength)";
                tracing::info!(server = self.server, bytes, "{what}");
                bytes
            }
        };
        state.ceiling = Some((lowest, now + CEILING_KEPT));
    }

    /// The least size that is known to be too large for it, bytes.
    pub(super) fn ceiling(&self) -> Option<usize> {
        let (bytes, until) = self.state().ceiling?;
        (until > Instant::now()).then_some(bytes)
    }

    /// It was away, and may be another one now.
    pub(super) fn is_back(&self, version: Option<Version>) {
        self.state().ceiling = None;
        self.learn(version);
    }

    /// Nothing is known any more of what it works with.
    pub(super) fn forget(&self) {
        self.state().version = None;
        let label = [self.server.as_str()];
        for gauges in [
            &self.metrics.clamav_signatures,
            &self.metrics.clamav_signatures_built,
        ] {
            // That it was not there is no failure.
            let _ = gauges.remove_label_values(&label);
        }
    }
}
