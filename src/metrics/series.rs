//! Series that go with what they tell of. A DNS list or a ClamAV server that a reload takes out of the configuration would
//! otherwise be shown as it was last for as long as the daemon runs, and an alert on it would never end.
//!
//! Two configurations use the same series while one takes the place of the other: they go with the last of them, which is
//! when the last message under the old one is answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::HistogramVec;

use super::start::{series, show};
use super::{Counters, Gauges, Metrics};

/// Results of look-ups in a DNS list.
const LOOKUPS: [&str; 8] = [
    "listed",
    "not_listed",
    "cached",
    "refused",
    "bogus",
    "timeout",
    "error",
    "skipped",
];
/// Causes for which a DNS list is taken out of use.
const TRIPS: [&str; 8] = [
    "refused",
    "bogus",
    "everything",
    "gone",
    "timeout",
    "slow",
    "error",
    "down",
];
/// Ends of scans.
const SCANS: [&str; 12] = [
    "clean",
    "found",
    "too_large",
    "limit",
    "encrypted",
    "error",
    "timeout",
    "down",
    "closed",
    "garbled",
    "idle",
    "overtaken",
];
/// What became of a message that was sent to a second server.
const HEDGES: [&str; 2] = ["sent", "won"];

/// What the series tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    DnsList,
    ClamavServer,
}

/// How many use the series of each list and server.
pub(super) type Users = Mutex<HashMap<(Of, String), usize>>;

impl Of {
    /// The counters, each with the values of its last label where it has another than the name.
    fn counters(self, metrics: &Metrics) -> [(&Counters, &'static [&'static str]); 3] {
        match self {
            Of::DnsList => [
                (&metrics.dnsbl_lookups, &LOOKUPS),
                (&metrics.dnsbl_trips, &TRIPS),
                (&metrics.dnsbl_left_out, &[]),
            ],
            Of::ClamavServer => [
                (&metrics.clamav_scans, &SCANS),
                (&metrics.clamav_hedges, &HEDGES),
                (&metrics.clamav_cached, &[]),
            ],
        }
    }

    fn gauges(self, metrics: &Metrics) -> Vec<&Gauges> {
        match self {
            Of::DnsList => vec![&metrics.dnsbl_up],
            Of::ClamavServer => vec![
                &metrics.clamav_up,
                &metrics.clamav_running,
                &metrics.clamav_signatures,
                &metrics.clamav_signatures_built,
            ],
        }
    }

    fn seconds(self, metrics: &Metrics) -> &HistogramVec {
        match self {
            Of::DnsList => &metrics.dnsbl_seconds,
            Of::ClamavServer => &metrics.clamav_seconds,
        }
    }
}

/// The series of one DNS list or ClamAV server, which are shown until the last of its kind is dropped. The counters begin at
/// zero.
#[derive(Debug)]
pub struct Series {
    of: Of,
    name: String,
    is_new: bool,
    metrics: Arc<Metrics>,
}

impl Series {
    /// Those of a DNS list.
    pub fn of_dns_list(zone: &str, metrics: &Arc<Metrics>) -> Series {
        Series::used(Of::DnsList, zone, metrics)
    }

    /// Those of a ClamAV server.
    pub fn of_clamav_server(server: &str, metrics: &Arc<Metrics>) -> Series {
        Series::used(Of::ClamavServer, server, metrics)
    }

    fn used(of: Of, name: &str, metrics: &Arc<Metrics>) -> Series {
        let mut users = metrics.users.lock().unwrap_or_else(PoisonError::into_inner);
        let count = users.entry((of, name.to_owned())).or_default();
        *count += 1;
        let is_new = *count == 1;
        for (counters, values) in of.counters(metrics) {
            show(counters, &[name], values);
        }
        Series {
            of,
            name: name.to_owned(),
            is_new,
            metrics: Arc::clone(metrics),
        }
    }

    /// Whether nobody used them before: otherwise they tell of a configuration that may go on.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    // That a series was not there is no failure: not all are from the beginning.
    fn remove(&self) {
        let (of, metrics, name) = (self.of, &self.metrics, self.name.as_str());
        for (counters, values) in of.counters(metrics) {
            for labels in series(&[name], values) {
                let _ = counters.remove_label_values(&labels);
            }
        }
        for gauges in of.gauges(metrics) {
            let _ = gauges.remove_label_values(&[name]);
        }
        let _ = of.seconds(metrics).remove_label_values(&[name]);
    }
}

impl Drop for Series {
    fn drop(&mut self) {
        let users = Arc::clone(&self.metrics);
        // Held until the series are gone, so that nobody begins to use them in between.
        let mut users = users.users.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self.of, std::mem::take(&mut self.name));
        let left = users.get(&key).copied().unwrap_or_default();
        if left > 1 {
            users.insert(key, left - 1);
            return;
        }
        users.remove(&key);
        self.name = key.1;
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(metrics: &Metrics) -> String {
        String::from_utf8(metrics.encode().unwrap()).unwrap()
    }

    #[test]
    fn series_go_with_the_last_who_uses_them_and_others_stay() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let old = Series::of_dns_list("a.example.org", &metrics);
        let new = Series::of_dns_list("a.example.org", &metrics);
        assert!(old.is_new() && !new.is_new());
        let server = Series::of_clamav_server("a.example.org", &metrics);
        let other = Series::of_dns_list("b.example.org", &metrics);
        metrics
            .dnsbl_up
            .with_label_values(&["a.example.org"])
            .set(0);
        metrics
            .dnsbl_seconds
            .with_label_values(&["a.example.org"])
            .observe(0.1);
        drop(old);
        assert!(shown(&metrics).contains("mailweir_dnsbl_up{zone=\"a.example.org\"} 0"));
        drop(new);
        let left = shown(&metrics);
        assert!(!left.contains("zone=\"a.example.org\""), "{left}");
        assert!(left.contains("zone=\"b.example.org\""));
        assert!(left.contains("server=\"a.example.org\""));
        drop((server, other));
        let nothing = shown(&metrics);
        assert!(!nothing.contains(".example.org"), "{nothing}");
    }
}
