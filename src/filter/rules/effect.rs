//! What a hit does: from keys as written to a [`Rule`].

use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;
use serde_saphyr::Spanned;

use super::compile::{Compiled, origin};
use super::condition::{Index, OCCURRENCES};
use super::group::Group;
use super::list::{Kind, List};
use super::rule::{PerOccurrence, Rule, Scope};
use super::suggestion::nearest;
use super::written::{self, Listed, Mode, Several, listed};
use crate::config::{Problem, Source, span_of};

/// Longest rule id, bytes: it becomes a header word and a metric label.
pub(super) const ID_BYTES: usize = 64;
/// Longest description, bytes.
pub(super) const DESCRIPTION_BYTES: usize = 200;
/// Largest score, either way.
pub(super) const SCORE: f64 = 100.0;
/// Longest label or name of a group, bytes.
pub(super) const WORD_BYTES: usize = 32;
/// Most labels of one rule.
const LABELS: usize = 8;
/// Most groups of a set.
pub(super) const GROUPS: usize = 1_000;

impl Compiled {
    /// Takes a group.
    pub(super) fn group(&mut self, source: &Source, group: &written::Group) {
        let span = span_of(&group.name);
        if !is_word(&group.name.value) {
            self.problem(not_a_word(source, span.clone(), "group", &group.name.value));
        }
        if let Some(first) = self.groups.iter().find(|g| *g.name == *group.name.value) {
            let help = format!("it stands first in {}", first.origin);
            self.problem(
                Problem::at(
                    source,
                    span.clone(),
                    format!("the group `{}` stands twice", group.name.value),
                )
                .help(help),
            );
        }
        if self.groups.len() == GROUPS {
            self.problem(Problem::at(
                source,
                span.clone(),
                format!("more than {GROUPS} groups"),
            ));
        }
        self.check_description(source, &group.description);
        let cap = group.cap.value;
        if !(cap > 0.0 && cap <= SCORE) {
            self.problem(
                Problem::at(
                    source,
                    span_of(&group.cap),
                    format!("a cap is more than 0 and at most {SCORE}"),
                )
                .help("it bounds the points of the group either way"),
            );
        }
        self.groups.push(Group {
            name: Arc::from(group.name.value.as_str()),
            description: group.description.value.trim().to_owned(),
            cap,
            origin: origin(source, &span),
        });
    }

    /// Compiles one rule.
    pub(super) fn rule(&mut self, source: &Source, rule: &written::Rule) -> Rule {
        self.check_id(source, &rule.id);
        self.check_description(source, &rule.description);
        let silent = rule.silent.as_ref().is_some_and(|s| s.value);
        let (score, per_occurrence) = self.points(source, rule, silent);
        let shadow = rule.mode.as_ref().is_some_and(|m| m.value == Mode::Shadow);
        if silent {
            let effects: [(Option<Range<usize>>, &str); 4] = [
                (rule.decisive.as_ref().map(span_of), "cannot be decisive"),
                (rule.group.as_ref().map(span_of), "has no group"),
                (rule.labels.as_ref().map(span_of), "has no labels"),
                (rule.mode.as_ref().map(span_of), "has no mode"),
            ];
            for (span, what) in effects {
                if let Some(span) = span {
                    self.problem(Problem::at(
                        source,
                        span,
                        format!("a silent rule {what}: it reports no hit"),
                    ));
                }
            }
        }
        self.looked_into.clear();
        let mut compiled = Rule {
            id: Arc::from(rule.id.value.as_str()),
            description: rule.description.value.trim().to_owned(),
            score,
            per_occurrence,
            group: rule.group.as_ref().and_then(|g| self.group_of(source, g)),
            silent,
            shadow,
            decisive: rule.decisive.as_ref().map(|d| d.value),
            labels: self.labels(source, rule),
            expires: rule.expires.as_ref().and_then(|e| self.expiry(source, e)),
            scope: rule.recipients.as_ref().and_then(|r| self.scope(source, r)),
            origin: origin(source, &span_of(&rule.id)),
            condition: self.when(source, &rule.when, 0),
            lists: Vec::new(),
        };
        compiled.lists = std::mem::take(&mut self.looked_into);
        compiled.lists.sort();
        compiled.lists.dedup();
        compiled
    }

    fn check_id(&mut self, source: &Source, id: &Spanned<String>) {
        let text = &id.value;
        let well_formed = text.len() <= ID_BYTES
            && text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !well_formed {
            self.problem(
                Problem::at(source, span_of(id), format!("`{text}` cannot be a rule id"))
                    .help(format!("an id is A-Z, 0-9 and _, begins with a letter or _ and has at most {ID_BYTES} characters")),
            );
        }
    }

    fn check_description(&mut self, source: &Source, description: &Spanned<String>) {
        let text = description.value.trim();
        if text.is_empty() || text.len() > DESCRIPTION_BYTES || text.contains(char::is_control) {
            self.problem(Problem::at(
                source,
                span_of(description),
                format!("a description is one line of 1 to {DESCRIPTION_BYTES} bytes"),
            ));
        }
    }

    /// The points of a hit or of each occurrence, and how occurrences are counted.
    fn points(
        &mut self,
        source: &Source,
        rule: &written::Rule,
        silent: bool,
    ) -> (f64, Option<PerOccurrence>) {
        let counted = rule.per_occurrence.as_ref();
        let score = match (&rule.score, counted.and_then(|c| c.value.score.as_ref())) {
            (Some(_), Some(each)) => {
                self.problem(
                    Problem::at(source, span_of(each), "the rule has two scores")
                        .help("`score` is for a hit, `per_occurrence` has the score of each occurrence; drop one"),
                );
                return (0.0, None);
            }
            (Some(score), None) | (None, Some(score)) => Some(score),
            (None, None) => None,
        };
        match score {
            Some(score) if silent => self.problem(
                Problem::at(source, span_of(score), "a silent rule has no score").help(
                    "a silent rule only serves others through `rule:`; drop `score` or `silent`",
                ),
            ),
            Some(score) => {
                if !score.value.is_finite() || score.value.abs() > SCORE {
                    self.problem(Problem::at(
                        source,
                        span_of(score),
                        format!("a score lies between -{SCORE} and {SCORE}"),
                    ));
                }
            }
            None if silent => {}
            None => self.problem(
                Problem::at(source, span_of(&rule.id), "the rule has no score")
                    .help("add `score: 1.0`, or `silent: true` if it only serves other rules"),
            ),
        }
        let score = score.map_or(0.0, |s| s.value);
        let Some(counted) = counted else {
            return (score, None);
        };
        if rule.score.is_some() && counted.value.score.is_none() {
            self.problem(
                Problem::at(
                    source,
                    span_of(counted),
                    "`per_occurrence` needs its own `score`",
                )
                .help("write `per_occurrence: { score: 0.3, cap: 2 }` and drop `score`"),
            );
        }
        let cap = match &counted.value.cap {
            Some(cap) if silent => {
                self.problem(Problem::at(
                    source,
                    span_of(cap),
                    "a silent rule has no points to cap",
                ));
                0.0
            }
            Some(cap) => {
                if !(cap.value > 0.0 && cap.value <= SCORE) {
                    self.problem(
                        Problem::at(
                            source,
                            span_of(cap),
                            format!("a cap is more than 0 and at most {SCORE}"),
                        )
                        .help("it bounds the points either way"),
                    );
                }
                cap.value
            }
            None if silent => 0.0,
            None => {
                self.problem(
                    Problem::at(source, span_of(counted), "`per_occurrence` needs a `cap`")
                        .help("the most points of all occurrences together"),
                );
                0.0
            }
        };
        let at_most = match &counted.value.at_most {
            Some(most) => {
                let fits = usize::try_from(most.value)
                    .ok()
                    .filter(|n| (1..=OCCURRENCES).contains(n));
                if fits.is_none() {
                    self.problem(Problem::at(
                        source,
                        span_of(most),
                        format!("`at_most` lies between 1 and {OCCURRENCES}"),
                    ));
                }
                fits.unwrap_or(1)
            }
            // As many as the cap can tell apart.
            None if score != 0.0 => ((cap / score).abs().ceil() as usize).clamp(1, OCCURRENCES),
            None => OCCURRENCES,
        };
        (score, Some(PerOccurrence { cap, at_most }))
    }

    fn group_of(&mut self, source: &Source, group: &Spanned<String>) -> Option<Index> {
        let found = self.groups.iter().position(|g| *g.name == *group.value);
        if found.is_none() {
            let mut problem = Problem::at(
                source,
                span_of(group),
                format!("there is no group `{}`", group.value),
            )
            .help("write it under `groups:` of any rule file: { name: ..., description: ..., cap: ... }");
            let near = nearest(&group.value, self.groups.iter().map(|g| &*g.name));
            if let Some(near) = near {
                problem = problem.label(format!("did you mean `{near}`?"));
            }
            self.problem(problem);
        }
        found
    }

    fn labels(&mut self, source: &Source, rule: &written::Rule) -> Arc<[Arc<str>]> {
        let Some(written) = &rule.labels else {
            return Arc::default();
        };
        let given = listed(written);
        if matches!(written.value, Listed::File(_)) || given.is_empty() || given.len() > LABELS {
            self.problem(Problem::at(
                source,
                span_of(written),
                format!("give 1 to {LABELS} labels"),
            ));
        }
        let mut labels: Vec<Arc<str>> = Vec::new();
        for (label, span) in given {
            if !is_word(label) {
                self.problem(not_a_word(source, span, "label", label));
            } else if !labels.iter().any(|l| **l == *label) {
                labels.push(Arc::from(label));
            }
        }
        labels.into()
    }

    fn expiry(&mut self, source: &Source, expires: &Spanned<String>) -> Option<Date> {
        let date = expires.value.parse::<Date>().ok();
        // The parser also takes times and short forms; one way to write it is enough.
        let date = date.filter(|d| d.to_string() == expires.value);
        if date.is_none() {
            self.problem(
                Problem::at(
                    source,
                    span_of(expires),
                    format!("`{}` is not a date", expires.value),
                )
                .help("write the last day on which the rule is on, as 2027-01-31"),
            );
        }
        date
    }

    fn scope(
        &mut self,
        source: &Source,
        recipients: &Spanned<written::Recipients>,
    ) -> Option<Scope> {
        let written = &recipients.value;
        if written.only.is_none() && written.except.is_none() {
            self.problem(Problem::at(
                source,
                span_of(recipients),
                "give `only`, `except` or both",
            ));
        }
        let mut domains = |list: &Option<written::OneOrMany>| match list {
            Some(list) => match self.entries(source, list, Kind::Domains) {
                Some(List::Domains(set)) => Some(set),
                _ => None,
            },
            None => None,
        };
        Some(Scope {
            only: domains(&written.only),
            except: domains(&written.except),
            any: written
                .of_several
                .as_ref()
                .is_some_and(|s| s.value == Several::Any),
        })
    }
}

/// Whether a text can be a label or the name of a group.
fn is_word(text: &str) -> bool {
    text.len() <= WORD_BYTES
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

fn not_a_word(source: &Source, span: Range<usize>, what: &str, text: &str) -> Problem {
    Problem::at(source, span, format!("`{text}` cannot be a {what}")).help(format!(
        "a {what} is a-z, 0-9, _ and -, begins with a letter and has at most {WORD_BYTES} characters"
    ))
}
