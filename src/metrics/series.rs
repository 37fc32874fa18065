//! Series that go with what they tell of. A DNS list or a ClamAV server that a reload takes out of the configuration would
//! otherwise be shown as it was last for as long as the daemon runs, and an alert on it would never end.
//!
//! Two configurations use the same series while one takes the place of the other: they go with the last of them, which is
//! when the last message under the old one is answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Metrics;

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

/// The series of one DNS list or ClamAV server, which are shown until the last of its kind is dropped. The counters begin at
/// zero, because one that is first seen at 1 has not grown for Prometheus.
#[derive(Debug)]
pub struct Series {
    of: Of,
    name: String,
    metrics: Arc<Metrics>,
}

impl Series {
    /// Those of a DNS list.
    pub fn of_dns_list(zone: &str, metrics: &Arc<Metrics>) -> Series {
        let series = Series::used(Of::DnsList, zone, metrics);
        for result in LOOKUPS {
            metrics.dnsbl_lookups.with_label_values(&[zone, result]);
        }
        for cause in TRIPS {
            metrics.dnsbl_trips.with_label_values(&[zone, cause]);
        }
        metrics.dnsbl_left_out.with_label_values(&[zone]);
        series
    }

    /// Those of a ClamAV server.
    pub fn of_clamav_server(server: &str, metrics: &Arc<Metrics>) -> Series {
        let series = Series::used(Of::ClamavServer, server, metrics);
        for result in SCANS {
            metrics.clamav_scans.with_label_values(&[server, result]);
        }
        for result in HEDGES {
            metrics.clamav_hedges.with_label_values(&[server, result]);
        }
        metrics.clamav_cached.with_label_values(&[server]);
        series
    }

    fn used(of: Of, name: &str, metrics: &Arc<Metrics>) -> Series {
        let mut users = metrics.users.lock().unwrap_or_else(PoisonError::into_inner);
        *users.entry((of, name.to_owned())).or_default() += 1;
        Series {
            of,
            name: name.to_owned(),
            metrics: Arc::clone(metrics),
        }
    }

    // That a series was not there is no failure: not all are from the beginning.
    fn remove(&self) {
        let (metrics, name) = (&self.metrics, self.name.as_str());
        match self.of {
            Of::DnsList => {
                for result in LOOKUPS {
                    let _ = metrics.dnsbl_lookups.remove_label_values(&[name, result]);
                }
                for cause in TRIPS {
                    let _ = metrics.dnsbl_trips.remove_label_values(&[name, cause]);
                }
                let _ = metrics.dnsbl_left_out.remove_label_values(&[name]);
                let _ = metrics.dnsbl_seconds.remove_label_values(&[name]);
                let _ = metrics.dnsbl_up.remove_label_values(&[name]);
            }
            Of::ClamavServer => {
                for result in SCANS {
                    let _ = metrics.clamav_scans.remove_label_values(&[name, result]);
                }
                for result in HEDGES {
                    let _ = metrics.clamav_hedges.remove_label_values(&[name, result]);
                }
                let _ = metrics.clamav_cached.remove_label_values(&[name]);
                let _ = metrics.clamav_seconds.remove_label_values(&[name]);
                for gauges in [
                    &metrics.clamav_up,
                    &metrics.clamav_running,
                    &metrics.clamav_signatures,
                    &metrics.clamav_signatures_built,
                ] {
                    let _ = gauges.remove_label_values(&[name]);
                }
            }
        }
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
