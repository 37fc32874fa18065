//! The course of the last hour or day, in bins of time.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::web::chart::{Chart, Series};
use crate::web::console::Console;
use crate::web::filters::grouped;
use crate::web::readings::{Distribution, duration};
use crate::web::samples::{Sample, Span, VERDICTS};

/// Class and word of each verdict, as [`VERDICTS`].
const SERIES: [Series; 6] = [
    ("v-deliver", "delivered"),
    ("v-tag", "tagged"),
    ("v-quarantine", "quarantined"),
    ("v-tempfail", "refused for now"),
    ("v-discard", "discarded"),
    ("v-reject", "rejected"),
];

/// Shares of the messages whose time to the answer is told.
pub(in crate::web) const QUANTILES: [(f64, Series); 3] = [
    (0.5, ("q-50", "half of the messages within")),
    (0.95, ("q-95", "95 %")),
    (0.99, ("q-99", "99 %")),
];

/// A number with its word.
#[derive(Debug)]
pub(super) struct Tile {
    pub(super) value: String,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
}

/// What has happened in one bin.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Bin {
    /// Messages, by [`VERDICTS`].
    pub(in crate::web) verdicts: [u64; VERDICTS.len()],
    /// Scans that failed.
    pub(in crate::web) unscanned: u64,
    /// Time to the answer.
    pub(in crate::web) latency: Distribution,
}

/// What has happened, bin by bin.
pub(in crate::web) struct Course {
    /// The oldest first; the last is not over yet.
    pub(in crate::web) bins: Vec<Bin>,
    /// Seconds of a bin.
    pub(in crate::web) width: i64,
    /// When the first bin begins, seconds since 1970.
    pub(in crate::web) from: i64,
    span: Span,
}

impl Course {
    pub(in crate::web) fn new(console: &Console, span: Span) -> Course {
        let mut samples = console.samples.of(span);
        samples.push(Sample::now(&console.services));
        let (width, count) = match span {
            Span::Hour => (60, 60),
            Span::Day => (900, 96),
        };
        Course::of(&samples, span, width, count)
    }

    fn of(samples: &[Sample], span: Span, width: i64, count: usize) -> Course {
        let now = samples.last().map_or(0, |sample| sample.at);
        let from = (now / width + 1 - count as i64) * width;
        let mut bins = vec![Bin::default(); count];
        for pair in samples.windows(2) {
            let [before, after] = pair else { continue };
            let bin = usize::try_from((after.at - from).div_euclid(width));
            let Some(bin) = bin.ok().and_then(|bin| bins.get_mut(bin)) else {
                continue;
            };
            let numbers = after.verdicts.iter().zip(before.verdicts);
            for (sum, (after, before)) in bin.verdicts.iter_mut().zip(numbers) {
                *sum += after.saturating_sub(before);
            }
            bin.latency = bin.latency.and(&after.latency.since(&before.latency));
            bin.unscanned += after.unscanned.saturating_sub(before.unscanned);
        }
        Course {
            bins,
            width,
            from,
            span,
        }
    }

    fn clock(&self, bin: usize) -> String {
        let at = Timestamp::from_second(self.from + bin as i64 * self.width);
        let zoned = at.map(|at| at.to_zoned(TimeZone::system()));
        zoned.map_or_else(|_| String::new(), |at| at.strftime("%H:%M").to_string())
    }

    /// Times below a chart.
    fn times(&self) -> Vec<String> {
        let count = self.bins.len();
        (0..=4).map(|i| self.clock(i * count / 4)).collect()
    }

    /// The most important numbers.
    pub(super) fn tiles(&self) -> Vec<Tile> {
        let mut sums = [0u64; VERDICTS.len()];
        let mut unscanned = 0;
        let mut latency = Distribution::default();
        for bin in &self.bins {
            for (sum, n) in sums.iter_mut().zip(bin.verdicts) {
                *sum += n;
            }
            unscanned += bin.unscanned;
            latency = latency.and(&bin.latency);
        }
        let all: u64 = sums.iter().sum();
        let tile = |value: String, word, class| Tile { value, word, class };
        let word = match self.span {
            Span::Hour => "messages in the last hour",
            Span::Day => "messages in the last day",
        };
        let mut tiles = vec![tile(grouped(&all.to_string()), word, "")];
        for (n, (class, word)) in sums.into_iter().zip(SERIES) {
            if n > 0 || ["v-deliver", "v-quarantine", "v-reject"].contains(&class) {
                tiles.push(tile(grouped(&n.to_string()), word, class));
            }
        }
        let class = if unscanned > 0 { "bad" } else { "" };
        let unscanned = grouped(&unscanned.to_string());
        tiles.push(tile(unscanned, "scans that failed", class));
        if let Some(seconds) = latency.quantile(0.95) {
            tiles.push(tile(duration(seconds), "answered within, 95\u{a0}%", ""));
        }
        tiles
    }

    /// Mail by verdict.
    pub(super) fn mail(&self) -> Chart {
        let bins: Vec<_> = self
            .bins
            .iter()
            .enumerate()
            .map(|(i, bin)| {
                let words = bin.verdicts.iter().zip(SERIES).filter(|(n, _)| **n > 0);
                let words: Vec<_> = words.map(|(n, (_, word))| format!("{n} {word}")).collect();
                let text = match words.as_slice() {
                    [] => format!("{}: none", self.clock(i)),
                    words => format!("{}: {}", self.clock(i), words.join(", ")),
                };
                (bin.verdicts.to_vec(), text)
            })
            .collect();
        let title = match self.span {
            Span::Hour => "Messages a minute, by verdict",
            Span::Day => "Messages a quarter of an hour, by verdict",
        };
        let shown: Vec<usize> = (0..SERIES.len())
            .filter(|v| {
                let used = bins.iter().any(|(n, _)| n.get(*v).is_some_and(|n| *n > 0));
                used || *v < 3 || *v == 5
            })
            .collect();
        let series: Vec<_> = shown
            .iter()
            .filter_map(|v| SERIES.get(*v).copied())
            .collect();
        let bins: Vec<_> = bins
            .into_iter()
            .map(|(n, text)| {
                (
                    shown.iter().filter_map(|v| n.get(*v).copied()).collect(),
                    text,
                )
            })
            .collect();
        Chart::bars(title, &series, &bins, self.times())
    }

    /// Time to the answer.
    pub(super) fn latency(&self) -> Chart {
        let bins = self.bins.iter().enumerate().map(|(i, bin)| {
            let values: Vec<_> = QUANTILES
                .iter()
                .map(|(share, _)| bin.latency.quantile(*share))
                .collect();
            let words = values
                .iter()
                .zip(QUANTILES)
                .filter_map(|(value, (share, _))| {
                    Some(format!(
                        "{:.0} % within {}",
                        share * 100.0,
                        duration((*value)?)
                    ))
                });
            let words: Vec<_> = words.collect();
            let text = match words.as_slice() {
                [] => format!("{}: no message", self.clock(i)),
                words => format!("{}: {}", self.clock(i), words.join(", ")),
            };
            (values, text)
        });
        let bins: Vec<_> = bins.collect();
        let series = QUANTILES.map(|(_, series)| series);
        let title = "Time from the end of a message to the answer";
        Chart::lines(title, &series, &bins, self.times(), [-3, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: i64, delivered: u64) -> Sample {
        Sample {
            at,
            verdicts: [delivered, 0, 0, 0, 0, 0],
            unscanned: delivered,
            ..Sample::default()
        }
    }

    #[test]
    fn what_happened_between_two_looks_stands_in_the_bin_of_the_second() {
        let samples = [
            sample(0, 5),
            sample(3540, 5),
            sample(3601, 8),
            sample(3605, 10),
        ];
        let course = Course::of(&samples, Span::Hour, 60, 60);
        assert_eq!(course.from, 60);
        let delivered: Vec<u64> = course.bins.iter().map(|bin| bin.verdicts[0]).collect();
        assert_eq!(delivered[59], 5);
        assert_eq!(delivered.iter().sum::<u64>(), 5);
        assert_eq!(course.bins[59].unscanned, 5);
        assert_eq!(course.tiles()[0].value, "5");
    }

    #[test]
    fn a_restart_of_counters_is_no_mail() {
        let samples = [sample(3000, 500), sample(3060, 3)];
        let course = Course::of(&samples, Span::Hour, 60, 60);
        assert!(course.bins.iter().all(|bin| bin.verdicts[0] == 0));
    }
}
