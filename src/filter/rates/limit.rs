//! Options checked and turned into limits. In: [`Options`] and their file. Out: [`Settings`], or every problem found,
//! each with its place.

use std::collections::HashSet;
use std::time::Duration;

use super::options::{By, Count, LimitOptions, Options, RateAction};
use crate::config::{Findings, Problem, Problems, Seconds, Source, span_of};
use crate::filter::network::Strangers;
use crate::filter::scores::POINTS;
use crate::filter::{ENTRIES, FailureAction, FailurePolicy, OnFailure};

/// Most limits.
const LIMITS: usize = 50;
/// Longest name of a limit, bytes.
const NAME_BYTES: usize = 40;

/// What the filter runs with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) limits: Vec<Limit>,
    pub(super) strangers: Strangers,
    pub(super) entries: usize,
    pub(super) on_failure: FailurePolicy,
}

/// One limit.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    pub(super) by: By,
    pub(super) name: String,
    pub(super) count: Count,
    pub(super) burst: u32,
    pub(super) per: Duration,
    pub(super) action: RateAction,
}

impl Limit {
    /// Whether it can be held to when a recipient is given: it defers, and does not need the message.
    pub(super) fn at_rcpt(&self) -> bool {
        self.action == RateAction::Defer && self.by != By::SenderDomain
    }

    /// The rule id of its hit.
    pub(super) fn rule(&self) -> String {
        format!("RATE_{}", self.name.to_ascii_uppercase())
    }
}

impl Settings {
    pub(super) fn check(options: &Options, source: &Source) -> Result<Settings, Problems> {
        let mut findings = Findings::new(source);
        if options.limits.len() > LIMITS {
            let more = format!("there are more than {LIMITS} limits");
            findings.extend([Problem::at(source, 0..1, more)]);
        }
        let mut seen = HashSet::new();
        let mut limits = Vec::new();
        for written in &options.limits {
            let limit = limit(written, &mut findings);
            if !seen.insert(limit.name.clone()) {
                let place = match &written.name {
                    Some(name) => span_of(name),
                    None => span_of(&written.burst),
                };
                let twice = format!("a limit before it is called `{}`", limit.name);
                let problem = Problem::at(source, place, twice);
                findings.extend([problem.help("give each a `name` of its own")]);
            }
            limits.push(limit);
        }
        findings.within(&options.entries, ENTRIES.0, ENTRIES.1, "buckets");
        let settings = Settings {
            limits,
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

fn limit(written: &LimitOptions, findings: &mut Findings<'_>) -> Limit {
    let mut name = written.by.name().to_owned();
    if let Some(given) = &written.name {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let begins = given.value.starts_with(|c: char| c.is_ascii_lowercase());
        if !begins || given.value.len() > NAME_BYTES || !given.value.bytes().all(good) {
            findings.wrong_with_help(
                given,
                "not the name of a limit",
                "write at most 40 of a-z, 0-9 and _, a letter first, such as user_day",
            );
        }
        name.clone_from(&given.value);
    }
    findings.within(&written.burst, 1, 1_000_000_000, "at once");
    let (second, month) = (Seconds::new(1), Seconds::new(31 * 86_400));
    findings.within(&written.per, second, month, "");
    if let RateAction::Score(points) = written.action.value
        && !(points.is_finite() && points.abs() <= POINTS)
    {
        findings.wrong(
            &written.action,
            format!("must be -{POINTS} to {POINTS} points"),
        );
    }
    Limit {
        by: written.by,
        name,
        count: written.count,
        burst: written.burst.value,
        per: written.per.value.0,
        action: written.action.value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::checked;

    fn check(yaml: &str) -> Result<Settings, String> {
        checked("r.yaml", yaml, Settings::check)
    }

    #[test]
    fn limits_are_read() {
        let settings = check(
            "limits:
  - { by: client_network, burst: 100, per: 1h }
  - { by: authenticated_user, name: user_day, count: recipients, burst: 500, per: 1d, action: { score: 4 } }
  - { by: sender_domain, burst: 9, per: 1m, action: defer }
",
        )
        .unwrap();
        let rules: Vec<String> = settings.limits.iter().map(Limit::rule).collect();
        assert_eq!(
            rules,
            ["RATE_CLIENT_NETWORK", "RATE_USER_DAY", "RATE_SENDER_DOMAIN"]
        );
        let early: Vec<bool> = settings.limits.iter().map(Limit::at_rcpt).collect();
        assert_eq!(early, [true, false, false]);
        assert_eq!(settings.limits[1].action, RateAction::Score(4.0));
        assert_eq!(settings.limits[1].count, Count::Recipients);
    }

    #[test]
    fn senseless_values_are_shown_where_they_stand() {
        for (yaml, said) in [
            ("limits: [{ by: client_network, per: 1h }]\n", "burst"),
            (
                "limits: [{ by: client, burst: 1, per: 1h }]\n",
                "client_network",
            ),
            (
                "limits:\n- by: recipient\n  burst: 0\n  per: 1h\n",
                "r.yaml:3:10",
            ),
            (
                "limits:\n- by: recipient\n  burst: 1\n  per: 0s\n",
                "r.yaml:4:8",
            ),
            (
                "limits:\n- by: recipient\n  name: A b\n  burst: 1\n  per: 1s\n",
                "r.yaml:3:9",
            ),
            (
                "limits:\n- by: recipient\n  burst: 1\n  per: 1s\n  action: { score: 101 }\n",
                "r.yaml:5:11",
            ),
            (
                "limits:\n- { by: recipient, burst: 1, per: 1s }\n- { by: recipient, burst: 9, per: 1h }\n",
                "`recipient`",
            ),
            ("entries: 5\n", "r.yaml:1:10"),
        ] {
            let problems = check(yaml).unwrap_err();
            assert!(problems.contains(said), "{yaml}: {problems}");
        }
    }
}
