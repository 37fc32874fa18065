//! The course of some metrics: looked at every [`EVERY`] and kept in two rings, one of the last hour and a coarser one
//! of the last day. A copy of both goes into a file every [`WRITTEN`] looks and at the end, so that a restart costs at
//! most the last minute of them. It is for charts and nothing else: one that cannot be read is begun anew.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::readings;
use crate::filter::Action;
use crate::filter::bayes::durable;
use crate::server::Services;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// Samples of a ring: an hour of looks, a day of every 24th.
const SAMPLES: usize = 721;
/// Every so many looks one is kept for the day.
const COARSE: u64 = 24;
/// Every so many looks the file is written: each minute.
const WRITTEN: u64 = 12;
/// The name of the file below the daemon's folder.
const FILE: &str = "console-charts.json";
/// Longest file that is read, bytes; one of full rings has some 600 KB.
const BYTES: u64 = 8 << 20;
/// Seconds of the longer ring.
const DAY: i64 = 86_400;

/// The verdicts, from the mildest to the strictest.
pub(super) const VERDICTS: [Action; 6] = [
    Action::Deliver,
    Action::Tag,
    Action::Quarantine,
    Action::Tempfail,
    Action::Discard,
    Action::Reject,
];

/// The state of the counters at one time; all have grown since the start of the daemon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Seconds since 1970.
    pub(super) at: i64,
    /// Messages answered, by [`VERDICTS`].
    pub(super) verdicts: [u64; VERDICTS.len()],
    /// Messages of which something was not scanned.
    pub(super) unscanned: u64,
    /// Time from end of message to the answer.
    pub(super) latency: readings::Distribution,
}

impl Sample {
    /// As the counters are now.
    pub(super) fn now(services: &Services) -> Sample {
        let metrics = &services.metrics;
        Sample {
            at: jiff::Timestamp::now().as_second(),
            verdicts: VERDICTS.map(|v| metrics.messages.with_label_values(&[v.name()]).get()),
            unscanned: readings::counts(&metrics.unscanned)
                .iter()
                .map(|(_, n)| *n)
                .sum(),
            latency: readings::distribution(&metrics.end_of_message_seconds),
        }
    }
}

/// How far back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Span {
    #[default]
    Hour,
    Day,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Rings {
    hour: VecDeque<Sample>,
    day: VecDeque<Sample>,
    #[serde(skip)]
    looks: u64,
}

/// The rings.
#[derive(Debug, Default)]
pub(super) struct Samples {
    rings: Mutex<Rings>,
    /// Where their copy is; `None` where there is none.
    file: Option<PathBuf>,
}

impl Samples {
    /// Those that the daemon with this folder has kept until it ended.
    pub(super) fn open(folder: &Path) -> Samples {
        let file = folder.join(FILE);
        let rings = Rings::read(&file).unwrap_or_else(|why| {
            let file = file.display();
            tracing::warn!(%file, why, "console: the charts begin anew");
            Rings::default()
        });
        Samples {
            rings: Mutex::new(rings),
            file: Some(file),
        }
    }

    /// Looks until `stop` is cancelled.
    pub(super) async fn keep(self: Arc<Samples>, services: &Services, stop: CancellationToken) {
        let mut looks = tokio::time::interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut writable = true;
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            if self.add(Sample::now(services)).is_multiple_of(WRITTEN) {
                writable = self.write(writable).await;
            }
        }
        self.add(Sample::now(services));
        self.write(writable).await;
    }

    /// Adds a sample, and gives how many there have been.
    fn add(&self, sample: Sample) -> u64 {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        if rings.looks.is_multiple_of(COARSE) {
            push(&mut rings.day, sample.clone());
        }
        rings.looks += 1;
        push(&mut rings.hour, sample);
        rings.looks
    }

    /// Writes the copy. `was_written` is what the last attempt gave: a disk that stays full is said once.
    async fn write(self: &Arc<Samples>, was_written: bool) -> bool {
        let samples = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            let Some(file) = &samples.file else {
                return Ok(());
            };
            let rings = samples.rings.lock();
            let rings = rings.unwrap_or_else(PoisonError::into_inner).clone();
            durable::replace(file, &serde_json::to_vec(&rings)?)
        });
        let written = written.await;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        if let (Err(error), true) = (&written, was_written) {
            tracing::warn!(%error, "console: the charts cannot be kept for the next start");
        }
        written.is_ok()
    }

    /// The samples of a span, the oldest first.
    pub(super) fn of(&self, span: Span) -> Vec<Sample> {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = match span {
            Span::Hour => &rings.hour,
            Span::Day => &rings.day,
        };
        ring.iter().cloned().collect()
    }
}

impl Rings {
    fn read(file: &Path) -> Result<Rings, String> {
        match std::fs::metadata(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Rings::default());
            }
            Ok(found) if found.len() > BYTES => return Err("it is too large".to_owned()),
            _ => {}
        }
        let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
        let read: Rings = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        Ok(read.until(jiff::Timestamp::now().as_second()))
    }

    /// What still counts at this time, the beginning of a run in which all counters begin at 0.
    fn until(self, now: i64) -> Rings {
        let counts = |ring: VecDeque<Sample>, span: i64| {
            let lately = |sample: &Sample| (now - span..=now).contains(&sample.at);
            let mut ring: VecDeque<Sample> = ring.into_iter().filter(lately).collect();
            if !ring.is_empty() {
                push(
                    &mut ring,
                    Sample {
                        at: now,
                        ..Sample::default()
                    },
                );
            }
            ring
        };
        Rings {
            hour: counts(self.hour, DAY / 24),
            day: counts(self.day, DAY),
            looks: 0,
        }
    }
}

fn push(ring: &mut VecDeque<Sample>, sample: Sample) {
    if ring.len() >= SAMPLES {
        ring.pop_front();
    }
    ring.push_back(sample);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hour_and_day_are_kept_and_no_more() {
        let samples = Samples::default();
        let looks = 24 * 3600 / 5 + 500;
        for n in 0..looks {
            samples.add(Sample {
                at: n * 5,
                ..Sample::default()
            });
        }
        let last = (looks - 1) * 5;
        let hour = samples.of(Span::Hour);
        assert_eq!(hour.len(), SAMPLES);
        assert_eq!((hour[0].at, hour[720].at), (last - 3600, last));
        let day = samples.of(Span::Day);
        assert_eq!(day.len(), SAMPLES);
        assert_eq!(day[720].at - day[0].at, 24 * 3600);
    }

    fn delivered(at: i64, delivered: u64) -> Sample {
        Sample {
            at,
            verdicts: [delivered, 0, 0, 0, 0, 0],
            ..Sample::default()
        }
    }

    #[tokio::test]
    async fn a_restart_goes_on_where_the_run_before_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let now = jiff::Timestamp::now().as_second();
        let before = Arc::new(Samples::open(folder.path()));
        assert_eq!(before.of(Span::Hour), []);
        for sample in [
            delivered(now - 7200, 1),
            delivered(now - 60, 5),
            delivered(now, 9),
        ] {
            before.add(sample);
        }
        assert!(before.write(true).await);
        let after = Samples::open(folder.path()).of(Span::Hour);
        let ats: Vec<i64> = after.iter().map(|sample| sample.at).collect();
        assert_eq!(ats.len(), 3, "{after:?}");
        assert_eq!(ats[..2], [now - 60, now]);
        // The counters of the new run begin at 0, and what they count from there on is all new.
        assert_eq!(after[2].verdicts, [0; 6]);
    }

    #[tokio::test]
    async fn a_file_that_is_damaged_or_cannot_be_written_costs_charts_only() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let samples = Arc::new(Samples::open(folder.path()));
        assert_eq!(samples.of(Span::Day), []);
        samples.add(delivered(1, 1));
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert!(!samples.write(true).await);
        assert_eq!(samples.of(Span::Day).len(), 1);
    }
}
