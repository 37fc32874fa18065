//! The course of some metrics: looked at every [`EVERY`] and kept in two rings, one of the last hour and a coarser one
//! of the last day. Both are empty after a restart.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::readings;
use crate::filter::Action;
use crate::server::Services;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// Samples of a ring: an hour of looks, a day of every 24th.
const SAMPLES: usize = 721;
/// Every so many looks one is kept for the day.
const COARSE: u64 = 24;

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
#[derive(Clone, Debug, PartialEq)]
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

#[derive(Debug, Default)]
struct Rings {
    hour: VecDeque<Sample>,
    day: VecDeque<Sample>,
    looks: u64,
}

/// The rings.
#[derive(Debug, Default)]
pub(super) struct Samples(Mutex<Rings>);

impl Samples {
    /// Looks until `stop` is cancelled.
    pub(super) async fn keep(&self, services: &Services, stop: CancellationToken) {
        let mut looks = tokio::time::interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            self.add(Sample::now(services));
        }
    }

    fn add(&self, sample: Sample) {
        let mut rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rings.looks.is_multiple_of(COARSE) {
            push(&mut rings.day, sample.clone());
        }
        rings.looks += 1;
        push(&mut rings.hour, sample);
    }

    /// The samples of a span, the oldest first.
    pub(super) fn of(&self, span: Span) -> Vec<Sample> {
        let rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = match span {
            Span::Hour => &rings.hour,
            Span::Day => &rings.day,
        };
        ring.iter().cloned().collect()
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
                verdicts: [0; 6],
                unscanned: 0,
                latency: readings::Distribution::default(),
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
}
