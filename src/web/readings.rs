//! Metrics as numbers: the values of counters and gauges by their labels, and quantiles of histograms.

use std::collections::BTreeMap;

use prometheus::Histogram;
use prometheus::core::Collector;
use prometheus::proto::Metric;
use serde::{Deserialize, Serialize};

/// Labels of a series with their values.
pub(super) type Labels = BTreeMap<String, String>;

fn series(collector: &impl Collector) -> Vec<(Labels, Metric)> {
    let families = collector.collect();
    let metrics = families.iter().flat_map(|family| family.get_metric());
    let labelled = metrics.map(|metric| {
        let labels = metric.get_label().iter();
        let labels = labels.map(|l| (l.name().to_owned(), l.value().to_owned()));
        (labels.collect(), metric.clone())
    });
    labelled.collect()
}

/// The values of counters.
pub(super) fn counts(counters: &impl Collector) -> Vec<(Labels, u64)> {
    let series = series(counters).into_iter();
    series
        .map(|(labels, metric)| (labels, metric.get_counter().get_value() as u64))
        .collect()
}

/// The values of gauges.
pub(super) fn levels(gauges: &impl Collector) -> Vec<(Labels, f64)> {
    let series = series(gauges).into_iter();
    series
        .map(|(labels, metric)| (labels, metric.get_gauge().get_value()))
        .collect()
}

/// Values of a histogram: how many are at most so great.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Distribution {
    /// Upper bound of each bucket, rising, with the number of values in it and those before it.
    buckets: Vec<(f64, u64)>,
    /// All values.
    pub(super) count: u64,
}

/// The values of a histogram so far.
pub(super) fn distribution(histogram: &Histogram) -> Distribution {
    let mut all = distributions(histogram);
    all.pop().map(|(_, values)| values).unwrap_or_default()
}

/// The same of histograms with labels.
pub(super) fn distributions(histograms: &impl Collector) -> Vec<(Labels, Distribution)> {
    let series = series(histograms).into_iter();
    series
        .map(|(labels, metric)| {
            let histogram = metric.get_histogram();
            let buckets = histogram.get_bucket().iter();
            let values = Distribution {
                buckets: buckets
                    .map(|b| (b.upper_bound(), b.cumulative_count()))
                    .filter(|(bound, _)| bound.is_finite())
                    .collect(),
                count: histogram.get_sample_count(),
            };
            (labels, values)
        })
        .collect()
}

impl Distribution {
    /// What came after `before`.
    pub(super) fn since(&self, before: &Distribution) -> Distribution {
        let earlier = |i: usize| before.buckets.get(i).map_or(0, |(_, n)| *n);
        let buckets = self.buckets.iter().enumerate();
        Distribution {
            buckets: buckets
                .map(|(i, (bound, n))| (*bound, n.saturating_sub(earlier(i))))
                .collect(),
            count: self.count.saturating_sub(before.count),
        }
    }

    /// Both together.
    pub(super) fn and(&self, other: &Distribution) -> Distribution {
        if self.buckets.is_empty() {
            return other.clone();
        }
        let more = |i: usize| other.buckets.get(i).map_or(0, |(_, n)| *n);
        let buckets = self.buckets.iter().enumerate();
        Distribution {
            buckets: buckets
                .map(|(i, (bound, n))| (*bound, n + more(i)))
                .collect(),
            count: self.count + other.count,
        }
    }

    /// The value that a share of the values does not exceed, between the bounds of its bucket as Prometheus reckons;
    /// the greatest bound where it lies beyond all. `None` without values.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = share * self.count as f64;
        let (mut lower, mut below) = (0.0, 0u64);
        for (bound, n) in &self.buckets {
            if *n as f64 >= rank && *n > below {
                let within = (rank - below as f64) / (n - below) as f64;
                return Some(lower + (bound - lower) * within.max(0.0));
            }
            (lower, below) = (*bound, *n);
        }
        Some(lower)
    }
}

/// Seconds as people read them.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.2} ms", s * 1e3),
        s if s < 0.01 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.1} s"),
        s => format!("{s:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::HistogramOpts;

    #[test]
    fn quantiles_lie_where_the_values_do() {
        let options = HistogramOpts::new("a", "b").buckets(vec![0.01, 0.1, 1.0]);
        let histogram = Histogram::with_opts(options).unwrap();
        assert_eq!(distribution(&histogram).quantile(0.5), None);
        for _ in 0..90 {
            histogram.observe(0.05);
        }
        let before = distribution(&histogram);
        for _ in 0..10 {
            histogram.observe(0.5);
        }
        let now = distribution(&histogram);
        assert_eq!(now.count, 100);
        let median = now.quantile(0.5).unwrap();
        assert!((0.01..0.1).contains(&median), "{median}");
        let high = now.quantile(0.99).unwrap();
        assert!((0.1..1.0).contains(&high), "{high}");
        let last = now.since(&before);
        assert_eq!(last.count, 10);
        assert!(last.quantile(0.01).unwrap() > 0.1);
        assert_eq!(before.and(&last), now);
        histogram.observe(100.0);
        assert_eq!(distribution(&histogram).quantile(1.0), Some(1.0));
    }

    #[test]
    fn durations_have_two_or_three_digits() {
        for (seconds, shown) in [
            (0.00052, "0.52 ms"),
            (0.0071, "7.1 ms"),
            (0.25, "250 ms"),
            (1.25, "1.2 s"),
            (300.0, "300 s"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
    }
}
