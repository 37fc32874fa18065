//! What rule files say of their rules, without compiling them: for listing, showing and linting.

use std::ops::Range;

use super::formula;
use super::outline;
use super::written::{Clause, Example, File, Matcher, Rule, Tests, When};
use crate::config::{Source, span_of};

/// One rule as its file has it.
#[derive(Clone, Debug)]
pub struct Written {
    /// The id.
    pub id: String,
    /// What a hit means.
    pub description: String,
    /// The file.
    pub source: Source,
    /// Bytes of the id in the file.
    pub id_span: Range<usize>,
    /// Bytes of the whole rule in the file; those of its id where its form hides where it ends.
    pub span: Range<usize>,
    /// The score; `None` for a silent rule.
    pub score: Option<f64>,
    /// Names of the places and other keys that its condition asks, each once, in order.
    pub asks: Vec<String>,
    /// Its patterns, each with the place that it is asked of.
    pub patterns: Vec<(String, String)>,
    /// Ids of the rules that it refers to, each once, in order.
    pub refers_to: Vec<String>,
    /// Tests that must hit, and tests that must not.
    pub tests: (usize, usize),
}

impl Written {
    /// The rule as it stands in its file.
    pub fn text(&self) -> &str {
        self.source
            .text()
            .get(self.span.clone())
            .unwrap_or_default()
    }

    /// Line of the id, from 1.
    pub fn line(&self) -> usize {
        self.source.line_column(self.id_span.start).0
    }
}

/// The rules of files, in order; a file that cannot be read as one has none.
pub fn catalogue(sources: &[Source]) -> Vec<Written> {
    let mut all = Vec::new();
    for source in sources {
        let Some(file) = outline::parse(source, &mut Vec::new()) else {
            continue;
        };
        let items = outline::items(source.text());
        all.extend(file.rules.iter().map(|rule| written(source, rule, &items)));
    }
    all
}

fn written(source: &Source, rule: &Rule, items: &[outline::Item<'_>]) -> Written {
    let id_span = span_of(&rule.id);
    let span = items
        .iter()
        .find(|item| item.span.contains(&id_span.start))
        .map_or(id_span.clone(), |item| item.span.clone());
    let mut asks = Vec::new();
    let mut refers_to = Vec::new();
    let mut patterns = Vec::new();
    walk(&rule.when.value, &mut |key, clause| match clause {
        Clause::All(_) | Clause::Any(_) | Clause::Not(_) | Clause::AtLeast(_) => {}
        Clause::Rule(id) => once(&mut refers_to, &id.value),
        Clause::Formula(text) => {
            formula::rules_in(&text.value).for_each(|id| once(&mut refers_to, id));
        }
        Clause::Place(matcher) => {
            let name = match &matcher.value {
                Matcher::Keys(keys) => keys.name.as_ref().map(|n| format!("{key} {}", n.value)),
                Matcher::Pattern(_) => None,
            };
            let name = name.as_deref().unwrap_or(key);
            once(&mut asks, name);
            let pattern = match &matcher.value {
                Matcher::Pattern(pattern) => Some(pattern),
                Matcher::Keys(keys) => keys.matches.as_ref().map(|m| &m.value),
            };
            patterns.extend(pattern.map(|p| (name.to_owned(), p.clone())));
        }
        _ => once(&mut asks, key),
    });
    let count = |of: fn(&Tests) -> &Vec<_>| rule.tests.as_ref().map_or(0, |t| of(t).len());
    Written {
        id: rule.id.value.clone(),
        description: rule.description.value.clone(),
        source: source.clone(),
        id_span,
        span,
        score: rule
            .score
            .as_ref()
            .or_else(|| rule.per_occurrence.as_ref()?.value.score.as_ref())
            .map(|s| s.value),
        asks,
        patterns,
        refers_to,
        tests: (
            count(|t: &Tests| -> &Vec<serde_saphyr::Spanned<Example>> { &t.hit }),
            count(|t| &t.miss),
        ),
    }
}

fn once(list: &mut Vec<String>, name: &str) {
    if !list.iter().any(|n| n == name) {
        list.push(name.to_owned());
    }
}

/// Every clause of a condition, from top to bottom.
pub(super) fn walk<'a>(when: &'a When, each: &mut dyn FnMut(&'a str, &'a Clause)) {
    for (key, clause) in &when.0 {
        each(&key.value, clause);
        match clause {
            Clause::All(list) | Clause::Any(list) => {
                list.iter().for_each(|w| walk(&w.value, each));
            }
            Clause::Not(inner) => walk(&inner.value, each),
            Clause::AtLeast(at_least) => at_least.of.iter().for_each(|w| walk(&w.value, each)),
            _ => {}
        }
    }
}

/// All ids that a file refers to.
pub(super) fn referred(files: &[(Source, File)]) -> std::collections::HashSet<&str> {
    let mut all = std::collections::HashSet::new();
    for (_, file) in files {
        for rule in &file.rules {
            walk(&rule.when.value, &mut |_, clause| match clause {
                Clause::Rule(id) => {
                    all.insert(id.value.as_str());
                }
                Clause::Formula(text) => all.extend(formula::rules_in(&text.value)),
                _ => {}
            });
        }
    }
    all
}
