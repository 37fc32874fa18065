//! What is most likely not meant in rules that are in order: rules that can never hit or always do, that
//! say the same as another, that nobody needs, that cost much, that nobody tests.
//!
//! In: files that [`RuleSet`] takes. Out: warnings and notes with their places; `docs/rules-workflow.md`
//! lists them.

use std::collections::HashMap;
use std::ops::Range;

use super::catalogue::referred;
use super::logic::{Formulas, without_places};
use super::outline;
use super::ruleset::RuleSet;
use super::written::{File, Rule};
use crate::config::{Problem, Severity, Source, span_of};

/// Warnings and notes on rules, in the order of the files. `set` was made of `sources`.
pub fn lint(sources: &[Source], set: &RuleSet) -> Vec<Problem> {
    let mut files: Vec<(Source, File)> = Vec::new();
    for source in sources {
        if let Some(file) = outline::parse(source, &mut Vec::new()) {
            files.push((source.clone(), file));
        }
    }
    let rules: Vec<(&Source, &Rule)> = files
        .iter()
        .flat_map(|(source, file)| file.rules.iter().map(move |rule| (source, rule)))
        .collect();
    let numbers: HashMap<&str, usize> = rules
        .iter()
        .enumerate()
        .map(|(number, (_, rule))| (rule.id.value.as_str(), number))
        .collect();
    let formulas = Formulas::new(rules.iter().map(|(_, rule)| &rule.when.value), &|id| {
        numbers.get(id).copied()
    });
    let referred = referred(&files);
    let costly = set.always_running();
    let mut said: HashMap<String, (&Source, &Rule)> = HashMap::new();
    let mut found = Vec::new();
    for (number, (source, rule)) in rules.iter().enumerate() {
        let id = rule.id.value.as_str();
        let mut say = |severity, span: Range<usize>, message: String, label: &str, help: String| {
            let problem = Problem::at(source, span, message).severity(severity);
            found.push(problem.label(label).help(help));
        };
        if let Some(why) = formulas.contradiction(number, true) {
            let span = [why.0, span_of(&rule.id)]
                .into_iter()
                .find(|s| !s.is_empty());
            say(
                Severity::Warning,
                span.unwrap_or_default(),
                format!("the rule {id} can never hit"),
                "excluded by its other conditions",
                "its conditions contradict each other: drop the rule, or one of them".to_owned(),
            );
        } else if formulas.contradiction(number, false).is_some() {
            say(
                Severity::Warning,
                span_of(&rule.id),
                format!("the rule {id} hits every message"),
                "",
                "its condition holds whatever the message is".to_owned(),
            );
        }
        // A rule that is on for others, or until another day, does not say the same.
        let asked = (&rule.when.value, &rule.recipients, &rule.expires);
        let condition = without_places(&format!("{asked:?}"));
        match said.get(&condition) {
            Some((first, other)) => say(
                Severity::Warning,
                span_of(&rule.id),
                format!("the rule {id} asks the same as {}", other.id.value),
                "hits exactly when the other does",
                format!(
                    "{} stands in {}, line {}; keep one of them with both scores added",
                    other.id.value,
                    first.path().display(),
                    first.line_column(span_of(&other.id).start).0
                ),
            ),
            None => {
                said.insert(condition, (source, rule));
            }
        }
        if rule.silent.as_ref().is_some_and(|s| s.value) && !referred.contains(id) {
            say(
                Severity::Warning,
                span_of(&rule.id),
                format!("nothing refers to the silent rule {id}"),
                "reports nothing and serves nobody",
                "refer to it with `rule:`, give it a score, or drop it".to_owned(),
            );
        }
        if costly.contains(&id) {
            say(
                Severity::Note,
                span_of(&rule.id),
                format!("a pattern of the rule {id} runs over the whole text of every message"),
                "",
                "it holds no literal of three bytes that every match must contain, and may begin nearly anywhere; \
                 `mailweir rules profile` says what it costs"
                    .to_owned(),
            );
        }
        if rule
            .tests
            .as_ref()
            .is_none_or(|t| t.hit.is_empty() && t.miss.is_empty())
        {
            say(
                Severity::Note,
                span_of(&rule.id),
                format!("the rule {id} has no tests"),
                "",
                "give it `tests: { hit: [...], miss: [...] }`".to_owned(),
            );
        }
    }
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    found.extend(set.warnings(today.date()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linted(conditions: &[&str]) -> Vec<String> {
        let mut text = "version: 1\nrules:\n".to_owned();
        for (number, when) in conditions.iter().enumerate() {
            text.push_str(&format!(
                "  - {{ id: R{number}, description: d, score: 1, when: {when} }}\n"
            ));
        }
        let sources = [Source::new("a.yaml", text)];
        let set = RuleSet::from_sources(&sources).unwrap_or_else(|p| panic!("{p}"));
        let found = lint(&sources, &set);
        found
            .into_iter()
            .filter(|p| p.severity == Severity::Warning)
            .map(|p| p.message)
            .collect()
    }

    #[test]
    fn what_contradicts_itself_can_never_hit() {
        for when in [
            "{ subject: 'abc', not: { subject: 'abc' } }",
            "{ all: [{ subject: 'abc' }, { any: [{ not: { subject: 'abc' } }, { not: { subject: { matches: 'abc' } }, all: [{ text: 'x1y' }, { not: { text: 'x1y' } }] }] }] }",
            "{ header: { name: Date, exists: false }, all: [{ header: { name: date, matches: '2026' } }] }",
            "{ size: { at_least: 10KiB }, any: [{ size: { at_most: 1KiB } }] }",
            "{ all: [{ url: { count: { at_least: 9 } } }, { url: { count: { at_most: 3 } } }] }",
            "{ at_least: { count: 2, of: [{ text: 'ab1' }, { text: 'cd2' }] }, not: { text: 'cd2' } }",
            "{ not: { any: [{ text: 'ab1' }, { not: { text: 'ab1' } }] } }",
        ] {
            let found = linted(&[when]);
            assert_eq!(found, ["the rule R0 can never hit"], "{when}");
        }
    }

    #[test]
    fn what_may_hold_is_left_alone() {
        for when in [
            "{ subject: 'abc', not: { subject: 'abd' } }",
            "{ subject: 'abc', not: { text: 'abc' } }",
            "{ any: [{ subject: 'abc' }, { not: { subject: 'abc' }, text: 'xyz' }] }",
            "{ header: { name: Date, exists: true }, all: [{ header: { name: Date, matches: '2026' } }] }",
            "{ not: { url: 'abc' }, all: [{ url: { exists: true } }] }",
            "{ not: { url: { matches: 'abc', count: { at_least: 3 } } }, all: [{ url: { count: { at_least: 5 } } }] }",
            "{ size: { at_least: 1KiB }, any: [{ size: { at_most: 1KiB } }] }",
            "{ at_least: { count: 1, of: [{ text: 'ab1' }, { text: 'cd2' }] }, not: { text: 'cd2' } }",
        ] {
            assert!(linted(&[when]).is_empty(), "{when}");
        }
    }

    #[test]
    fn rules_are_seen_through_their_references() {
        let found = linted(&["{ text: 'abc' }", "{ rule: R0, not: { text: 'abc' } }"]);
        assert_eq!(found, ["the rule R1 can never hit"]);
        // A rule that is switched off does not hit although its condition holds.
        assert!(linted(&["{ text: 'abc' }", "{ not: { rule: R0 }, text: 'abc' }"]).is_empty());
    }

    #[test]
    fn rules_that_are_on_at_different_times_or_for_others_do_not_say_the_same() {
        let of = |effect: &str| {
            let text = format!(
                "version: 1\nrules:\n  - {{ id: A, description: d, score: 1, {effect}, when: {{ subject: 'abc' }} }}\n  - {{ id: B, description: d, score: 2, when: {{ subject: 'abc' }} }}\n"
            );
            let sources = [Source::new("a.yaml", text)];
            let set = RuleSet::from_sources(&sources).unwrap_or_else(|p| panic!("{p}"));
            let found = lint(&sources, &set).into_iter();
            found.filter(|p| p.severity == Severity::Warning).count()
        };
        assert_eq!(of("labels: [x]"), 1);
        assert_eq!(of("expires: 9000-01-01"), 0);
        assert_eq!(of("recipients: { only: [example.org] }"), 0);
        assert_eq!(
            of("recipients: { only: example.org, except: a.example.org }"),
            0
        );
    }

    #[test]
    fn what_always_holds_and_what_is_said_twice_is_named() {
        let found = linted(&[
            "{ any: [{ text: 'abc' }, { not: { text: 'abc' } }] }",
            "{ subject: 'abc' }",
            "{   subject:   \"abc\" }",
        ]);
        assert_eq!(
            found,
            [
                "the rule R0 hits every message",
                "the rule R2 asks the same as R1"
            ]
        );
    }
}
