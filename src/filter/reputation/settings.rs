//! Options checked and turned into what the filter runs with. In: [`Options`] and their file. Out: [`Settings`], or
//! every problem found, each with its place.

use std::time::Duration;

use serde_saphyr::Spanned;

use super::check::HITS;
use super::options::{Options, SubjectPoints};
use super::standing::Scale;
use crate::config::{Findings, Problems, Seconds, Source};
use crate::filter::network::Strangers;
use crate::filter::scores::{POINTS, Scores};
use crate::filter::{ENTRIES, FailureAction, FailurePolicy, OnFailure};

const DAY: u64 = 86_400;

/// What the filter runs with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) scale: Scale,
    pub(super) ham: f64,
    pub(super) spam: f64,
    pub(super) network_points: SubjectPoints,
    pub(super) domain_points: SubjectPoints,
    pub(super) unproven_points: SubjectPoints,
    pub(super) signing_points: SubjectPoints,
    pub(super) correspondents: Correspondents,
    pub(super) scores: Scores,
    pub(super) strangers: Strangers,
    pub(super) entries: usize,
    pub(super) on_failure: FailurePolicy,
}

/// How long and how many correspondents are remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correspondents {
    pub(super) lifetime: Duration,
    pub(super) entries: usize,
}

impl Settings {
    pub(super) fn check(options: &Options, source: &Source) -> Result<Settings, Problems> {
        let mut findings = Findings::new(source);
        let year = Seconds::new(365 * DAY);
        findings.within(&options.half_life, Seconds::new(3600), year, "");
        findings.within(&options.prudence, 1.0, 1000.0, "messages");
        let (ham, spam) = (options.ham, options.spam.value);
        if !(ham.is_finite() && spam.is_finite() && ham < spam) {
            findings.wrong(
                &options.spam,
                format!("must be a score above `ham`, which is {ham}"),
            );
        }
        let correspondents = &options.correspondents;
        let lifetime = &correspondents.lifetime;
        findings.within(lifetime, Seconds::new(DAY), Seconds::new(3650 * DAY), "");
        findings.within(&correspondents.entries, ENTRIES.0, ENTRIES.1, "of each");
        findings.within(&options.entries, ENTRIES.0, ENTRIES.1, "of each");
        let points = &options.points;
        let settings = Settings {
            scale: Scale {
                half_life: options.half_life.value.0,
                prudence: options.prudence.value,
            },
            ham,
            spam,
            network_points: between(&points.network, &mut findings),
            domain_points: between(&points.domain, &mut findings),
            unproven_points: between(&points.unproven_domain, &mut findings),
            signing_points: between(&points.signing_domain, &mut findings),
            correspondents: Correspondents {
                lifetime: lifetime.value.0,
                entries: correspondents.entries.value,
            },
            scores: Scores::check(HITS, &options.scores, source, &mut findings),
            strangers: Strangers::check(
                &options.network,
                options.trusted_networks.as_deref(),
                &mut findings,
            ),
            entries: options.entries.value,
            on_failure: OnFailure::default().over(FailureAction::Deliver),
        };
        findings.finish(settings)
    }
}

fn between(written: &Spanned<SubjectPoints>, findings: &mut Findings<'_>) -> SubjectPoints {
    let SubjectPoints { good, bad } = written.value;
    if !(-POINTS..=0.0).contains(&good) || !(0.0..=POINTS).contains(&bad) {
        findings.wrong(
            written,
            format!("`good` must be -{POINTS} to 0 points, and `bad` 0 to {POINTS}"),
        );
    }
    written.value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::checked;
    use crate::verdict::Thresholds;

    fn check(yaml: &str) -> Result<Settings, String> {
        checked("r.yaml", yaml, Settings::check)
    }

    #[test]
    fn as_shipped_the_worst_reputation_marks_nothing_by_itself() {
        let settings = check("{}").unwrap();
        let proven = settings.domain_points.bad + settings.signing_points.bad;
        let worst = settings.network_points.bad + proven.max(settings.unproven_points.bad);
        assert!(worst < Thresholds::default().tag.unwrap());
    }

    #[test]
    fn senseless_values_are_shown_where_they_stand() {
        for (yaml, said) in [
            ("half_life: 1s\n", "r.yaml:1:12"),
            ("prudence: 0\n", "r.yaml:1:11"),
            ("ham: 9\n", "must be a score above `ham`"),
            ("ham: 5\nspam: 5\n", "r.yaml:2:7"),
            ("points: { domain: { good: 1, bad: 2 } }\n", "r.yaml:1:19"),
            ("points: { domain: { good: -1 } }\n", "bad"),
            ("correspondents: { lifetime: 1h }\n", "r.yaml:1:29"),
            ("correspondents: { entries: 1 }\n", "r.yaml:1:28"),
            (
                "scores: { FIRST_CONTAKT: 1 }\n",
                "did you mean FIRST_CONTACT?",
            ),
            ("entries: 1\n", "r.yaml:1:10"),
        ] {
            let problems = check(yaml).unwrap_err();
            assert!(problems.contains(said), "{yaml}: {problems}");
        }
    }
}
