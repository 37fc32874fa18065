//! What is no mistake in rules and still worth knowing: what nothing uses, what is empty, what expires.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::civil::Date;

use super::condition::Index;
use super::list::Lists;
use super::rule::Rule;
use super::written::File;
use crate::config::{Problem, Severity, Source, span_of};

/// How long before it expires a rule is warned of, days.
const NOTICE: i64 = 30;

/// Groups and lists that nothing uses, and lists without an entry.
pub(super) fn warnings(files: &[(Source, File)], rules: &[Rule], lists: &Lists) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let mut number = 0;
    for (source, file) in files {
        for group in &file.groups {
            if !rules.iter().any(|r| r.group == Some(number)) {
                warnings.push(Problem::at(
                    source,
                    span_of(&group.name),
                    format!("no rule is in the group `{}`", group.name.value),
                ));
            }
            number += 1;
        }
    }
    let used: BTreeSet<&str> = rules
        .iter()
        .flat_map(|r| r.lists.iter().map(|l| &**l))
        .collect();
    for name in lists.names() {
        if !used.contains(name.as_str()) {
            warnings.push(Problem::without_place(format!(
                "no rule looks into the list `{name}`"
            )));
        }
    }
    for name in lists.empty() {
        warnings.push(Problem::without_place(format!(
            "the list `{name}` has no entries: nothing can be found in it"
        )));
    }
    warnings
        .into_iter()
        .map(|w| w.severity(Severity::Warning))
        .collect()
}

/// Rules that expire, with the place of the date.
pub(super) fn expiring(files: &[(Source, File)]) -> Vec<(Source, Range<usize>, Index)> {
    let written = files
        .iter()
        .flat_map(|(source, file)| file.rules.iter().map(move |rule| (source, rule)));
    written
        .enumerate()
        .filter_map(|(number, (source, rule))| {
            Some((source.clone(), span_of(rule.expires.as_ref()?), number))
        })
        .collect()
}

/// What is to be said on a day of rules that expire.
pub(super) fn expiry(
    rules: &[Rule],
    expiring: &[(Source, Range<usize>, Index)],
    day: Date,
) -> Vec<Problem> {
    let of_rule = |(source, span, number): &(Source, Range<usize>, Index)| {
        let rule = rules.get(*number)?;
        let last = rule.expires?;
        let left = i64::from(day.until(last).ok()?.get_days());
        let message = if last < day {
            format!("the rule {} has expired and is off", rule.id)
        } else if left <= NOTICE {
            format!("the rule {} expires in {left} days", rule.id)
        } else {
            return None;
        };
        Some(
            Problem::at(source, span.clone(), message)
                .severity(Severity::Warning)
                .label("the last day on which it is on")
                .help("remove the rule, or set a later date"),
        )
    };
    expiring.iter().filter_map(of_rule).collect()
}
