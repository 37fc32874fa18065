//! Options checked and turned into what the filter runs with. In: [`Options`] and their file. Out: [`Settings`], or
//! every problem found, each with its place.

use std::path::Path;

use super::options::{BandOptions, Options};
use super::providers::Providers;
use super::triplet::Patience;
use crate::config::{Findings, Problems, Seconds, Source};
use crate::filter::network::Strangers;
use crate::filter::{ENTRIES, FailureAction, FailurePolicy, OnFailure};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// What the filter runs with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) band: Option<Band>,
    pub(super) patience: Patience,
    pub(super) strangers: Strangers,
    pub(super) exempt: Providers,
    pub(super) entries: usize,
    pub(super) on_failure: FailurePolicy,
}

/// Scores from `from` on and below `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Band {
    from: f64,
    to: f64,
}

impl Band {
    pub(super) fn holds(self, score: f64) -> bool {
        // Sums of decimal fractions in binary: 0.1 + 1.9 must not miss 2.
        let score = (score * 100.0).round() / 100.0;
        score >= self.from && score < self.to
    }
}

impl Settings {
    /// Checks `options`; files that they name are relative to `base`.
    pub(super) fn check(
        options: &Options,
        source: &Source,
        base: &Path,
    ) -> Result<Settings, Problems> {
        let mut findings = Findings::new(source);
        let day = Seconds::new(DAY);
        findings.within(&options.delay, Seconds::new(1), day, "");
        findings.within(
            &options.window,
            Seconds::new(60),
            Seconds::new(30 * DAY),
            "",
        );
        findings.within(
            &options.lifetime,
            Seconds::new(HOUR),
            Seconds::new(365 * DAY),
            "",
        );
        if options.window.value <= options.delay.value {
            findings.wrong_with_help(
                &options.window,
                "must be longer than `delay`, or nobody could come again in time",
                "mail servers try again for some days: write 2d",
            );
        }
        findings.within(&options.successes, 0, 1000, "deliveries");
        findings.within(&options.entries, ENTRIES.0, ENTRIES.1, "of each");
        let band = options.band.as_ref().map(|written| {
            let BandOptions { from, to } = written.value;
            let to = to.unwrap_or(f64::INFINITY);
            if !from.is_finite() || to.is_nan() || from >= to {
                findings.wrong(written, "must be scores of which `from` is below `to`");
            }
            Band { from, to }
        });
        let settings = Settings {
            band,
            patience: Patience {
                delay: options.delay.value.0,
                window: options.window.value.0,
                lifetime: options.lifetime.value.0,
                successes: options.successes.value,
            },
            strangers: Strangers::check(
                &options.network,
                options.trusted_networks.as_deref(),
                &mut findings,
            ),
            exempt: Providers::check(options, base, &mut findings),
            entries: options.entries.value,
            on_failure: OnFailure::default().over(FailureAction::Deliver),
        };
        findings.finish(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::checked;

    fn check(yaml: &str) -> Result<Settings, String> {
        checked("g.yaml", yaml, |options, source| {
            Settings::check(options, source, Path::new("."))
        })
    }

    #[test]
    fn the_band_takes_its_lower_end_and_leaves_its_upper() {
        let band = check("{}").unwrap().band.unwrap();
        assert!(band.holds(0.1 + 1.9) && band.holds(7.99));
        assert!(!band.holds(1.99) && !band.holds(8.0));
        assert!(
            check("band: { to: null }")
                .unwrap()
                .band
                .unwrap()
                .holds(99.0)
        );
        assert_eq!(check("band: null").unwrap().band, None);
    }

    #[test]
    fn senseless_values_are_shown_where_they_stand() {
        for (yaml, place) in [
            ("delay: 0s\n", "g.yaml:1:8"),
            ("delay: 3d\n", "g.yaml:1:8"),
            ("delay: 1h\nwindow: 30m\n", "g.yaml:2:9"),
            ("lifetime: 5m\n", "g.yaml:1:11"),
            ("successes: 1001\n", "g.yaml:1:12"),
            ("entries: 1\n", "g.yaml:1:10"),
            ("band: { from: 8, to: 2 }\n", "g.yaml:1:7"),
            ("network: { ipv4: 33 }\n", "g.yaml:1:18"),
            ("network: { ipv6: 8 }\n", "g.yaml:1:18"),
            ("trusted_networks: [x]\n", "g.yaml:1:20"),
            ("exempt: ['a b']\n", "g.yaml:1:10"),
            ("exempt_file: no.txt\n", "g.yaml:1:14"),
            ("dealy: 5m\n", "did you mean `delay`?"),
        ] {
            let said = check(yaml).unwrap_err();
            assert!(said.contains(place), "{yaml}: {said}");
        }
    }
}
