//! Conditions as logic: can this ever hold, and can it ever not?
//!
//! In: conditions as written. Out: whether the facts that one of them asks for contradict each other. What
//! a pattern matches is not looked into: two questions are the same when they are written the same, and
//! bounds of one number are compared. So a contradiction that is found is one, and some are not found.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::written::{Bounds, Clause, Interval, Keys, Matcher, When};
use crate::config::span_of;

/// Steps that one question may take; past them the answer is "perhaps".
const STEPS: usize = 20_000;

/// A condition, reduced to logic.
#[derive(Clone, Debug)]
pub(super) enum Formula {
    /// A question, by its number, with its bytes in the file.
    Asked(usize, Range<usize>),
    All(Vec<Formula>),
    Not(Box<Formula>),
    /// At least so many of these; `any` is one.
    AtLeast(usize, Vec<Formula>),
    /// The rule of that number hits.
    Rule(usize, Range<usize>),
    /// Something that logic knows nothing about.
    Opaque,
}

/// The questions of all rules of a set, and their conditions.
#[derive(Debug, Default)]
pub(super) struct Formulas {
    numbers: HashMap<String, usize>,
    /// What a question says of a number, by the number of the question: whose it is, and its bounds.
    bounds: HashMap<usize, (String, u64, u64)>,
    rules: Vec<Formula>,
}

/// Two facts that exclude each other: the bytes of the later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contradiction(pub(super) Range<usize>);

impl Formulas {
    /// Reduces the conditions of rules, in their order; `rule` knows the number of a rule by its id.
    pub(super) fn new<'a>(
        conditions: impl Iterator<Item = &'a When>,
        rule: &dyn Fn(&str) -> Option<usize>,
    ) -> Formulas {
        let mut formulas = Formulas::default();
        for when in conditions {
            let formula = formulas.when(when, rule);
            formulas.rules.push(formula);
        }
        formulas
    }

    fn when(&mut self, when: &When, rule: &dyn Fn(&str) -> Option<usize>) -> Formula {
        let clauses = when.0.iter().map(|(key, clause)| match clause {
            Clause::All(list) => {
                Formula::All(list.iter().map(|w| self.when(&w.value, rule)).collect())
            }
            Clause::Any(list) => {
                Formula::AtLeast(1, list.iter().map(|w| self.when(&w.value, rule)).collect())
            }
            Clause::Not(inner) => Formula::Not(Box::new(self.when(&inner.value, rule))),
            Clause::AtLeast(at_least) => Formula::AtLeast(
                at_least.count.value,
                at_least
                    .of
                    .iter()
                    .map(|w| self.when(&w.value, rule))
                    .collect(),
            ),
            Clause::Rule(id) => {
                rule(&id.value).map_or(Formula::Opaque, |number| Formula::Rule(number, span_of(id)))
            }
            Clause::Unknown => Formula::Opaque,
            Clause::Number(_, interval) => self.asked(
                &key.value,
                clause,
                span_of(key),
                measured(&key.value, &interval.value),
            ),
            Clause::Place(matcher) => {
                let counted = match &matcher.value {
                    Matcher::Keys(keys) => counted(&key.value, keys),
                    Matcher::Pattern(_) => None,
                };
                // A text that matches is a text that is there.
                let counted = counted.or_else(|| Some((place(&key.value, matcher), 1, u64::MAX)));
                self.asked(&key.value, clause, span_of(key), counted)
            }
            _ => self.asked(&key.value, clause, span_of(key), None),
        });
        Formula::All(clauses.collect())
    }

    fn asked(
        &mut self,
        key: &str,
        clause: &Clause,
        span: Range<usize>,
        bounds: Option<(String, u64, u64)>,
    ) -> Formula {
        let next = self.numbers.len();
        let question = format!("{key} {}", without_places(&format!("{clause:?}")));
        let number = *self.numbers.entry(question).or_insert(next);
        if let Some(bounds) = bounds {
            self.bounds.insert(number, bounds);
        }
        Formula::Asked(number, span)
    }

    /// Why the condition of a rule cannot hold, or, with `wanted` false, cannot fail.
    pub(super) fn contradiction(&self, rule: usize, wanted: bool) -> Option<Contradiction> {
        let formula = self.rules.get(rule)?;
        let mut steps = STEPS;
        Facts::default()
            .assume_all(self, &[(formula, wanted)], &mut steps)
            .err()
    }
}

/// What is known so far.
#[derive(Clone, Debug, Default)]
struct Facts {
    answers: BTreeMap<usize, bool>,
    rules: BTreeMap<usize, bool>,
    numbers: HashMap<String, (u64, u64)>,
}

type Wanted<'f> = (&'f Formula, bool);

impl Facts {
    fn assume_all<'f>(
        &mut self,
        formulas: &'f Formulas,
        wanted: &[Wanted<'f>],
        steps: &mut usize,
    ) -> Result<(), Contradiction> {
        let mut choices: Vec<(usize, Vec<Wanted<'f>>)> = Vec::new();
        for (formula, holds) in wanted {
            self.assume(formulas, formula, *holds, &mut choices, steps)?;
        }
        // A choice of which only as many branches are left as it needs is none: all of them are facts.
        loop {
            let mut left = Vec::new();
            let mut learned = false;
            for (needed, branches) in std::mem::take(&mut choices) {
                let mut possible = Vec::new();
                let mut last = None;
                for branch in branches {
                    *steps = steps.saturating_sub(1);
                    if *steps == 0 {
                        return Ok(());
                    }
                    match self.clone().assume_all(formulas, &[branch], steps) {
                        Ok(()) => possible.push(branch),
                        Err(why) => last = Some(why),
                    }
                }
                if possible.len() < needed {
                    return Err(last.unwrap_or(Contradiction(0..0)));
                }
                if possible.len() == needed {
                    learned = true;
                    for (formula, holds) in possible {
                        self.assume(formulas, formula, holds, &mut left, steps)?;
                    }
                } else {
                    left.push((needed, possible));
                }
            }
            if !learned {
                return Ok(());
            }
            choices = left;
        }
    }

    fn assume<'f>(
        &mut self,
        formulas: &'f Formulas,
        formula: &'f Formula,
        holds: bool,
        choices: &mut Vec<(usize, Vec<Wanted<'f>>)>,
        steps: &mut usize,
    ) -> Result<(), Contradiction> {
        *steps = steps.saturating_sub(1);
        if *steps == 0 {
            return Ok(());
        }
        match formula {
            Formula::Opaque => Ok(()),
            Formula::Not(inner) => self.assume(formulas, inner, !holds, choices, steps),
            Formula::Asked(number, span) => self.answer(formulas, *number, holds, span),
            Formula::Rule(number, span) => {
                if *self.rules.entry(*number).or_insert(holds) != holds {
                    return Err(Contradiction(span.clone()));
                }
                // A rule that does not hit may also be one that is switched off.
                match formulas.rules.get(*number).filter(|_| holds) {
                    Some(condition) => self
                        .assume(formulas, condition, true, choices, steps)
                        .map_err(|_| Contradiction(span.clone())),
                    None => Ok(()),
                }
            }
            Formula::All(all) if holds => all
                .iter()
                .try_for_each(|f| self.assume(formulas, f, true, choices, steps)),
            Formula::All(all) if all.len() == 1 => all
                .iter()
                .try_for_each(|f| self.assume(formulas, f, false, choices, steps)),
            Formula::All(all) => {
                choices.push((1, all.iter().map(|f| (f, false)).collect()));
                Ok(())
            }
            Formula::AtLeast(needed, of) => {
                // Not so many hold: more than the rest fail.
                let needed = match holds {
                    true => *needed,
                    false => (of.len() + 1).saturating_sub(*needed),
                };
                choices.push((needed, of.iter().map(|f| (f, holds)).collect()));
                Ok(())
            }
        }
    }

    fn answer(
        &mut self,
        formulas: &Formulas,
        number: usize,
        holds: bool,
        span: &Range<usize>,
    ) -> Result<(), Contradiction> {
        let refused = || Contradiction(span.clone());
        if *self.answers.entry(number).or_insert(holds) != holds {
            return Err(refused());
        }
        let Some((whose, least, most)) = formulas.bounds.get(&number) else {
            return Ok(());
        };
        let exact = whose.ends_with(EXACT);
        let whose = whose.trim_end_matches(EXACT);
        let (least, most) = match (holds, *least, *most) {
            (true, least, most) => (least, most),
            // That no text matches says nothing about how many there are.
            (false, ..) if !exact => return Ok(()),
            (false, 0, most) => (most.saturating_add(1), u64::MAX),
            (false, least, u64::MAX) => (0, least - 1),
            (false, ..) => return Ok(()),
        };
        let known = self
            .numbers
            .entry(whose.to_owned())
            .or_insert((0, u64::MAX));
        *known = (known.0.max(least), known.1.min(most));
        match known.0 <= known.1 {
            true => Ok(()),
            false => Err(refused()),
        }
    }
}

/// Ends the name of a number whose bounds are all that its question asks.
const EXACT: char = '=';

fn number(key: &str, bounds: &Bounds) -> Option<(String, u64, u64)> {
    Some((
        format!("{key}{EXACT}"),
        bounds.at_least.map_or(0, |b| b.0),
        bounds.at_most.map_or(u64::MAX, |b| b.0),
    ))
}

/// Bounds of a number of the message; those with a fraction are left aside.
fn measured(key: &str, interval: &Interval) -> Option<(String, u64, u64)> {
    let whole = |bound: Option<super::written::Quantity>, without: u64| match bound {
        Some(bound) if bound.0 >= 0.0 && bound.0.fract() == 0.0 => Some(bound.0 as u64),
        Some(_) => None,
        None => Some(without),
    };
    Some((
        format!("{key}{EXACT}"),
        whole(interval.at_least, 0)?,
        whole(interval.at_most, u64::MAX)?,
    ))
}

fn place(key: &str, matcher: &serde_saphyr::Spanned<Matcher>) -> String {
    match &matcher.value {
        Matcher::Keys(keys) => match &keys.name {
            Some(name) => format!("{key} {}", name.value.to_ascii_lowercase()),
            None => key.to_owned(),
        },
        Matcher::Pattern(_) => key.to_owned(),
    }
}

/// What a matcher says of the number of texts: all it asks for `exists` and a bare `count`, a lower bound
/// otherwise.
fn counted(key: &str, keys: &Keys) -> Option<(String, u64, u64)> {
    let name = keys.name.as_ref().map(|n| n.value.to_ascii_lowercase());
    let whose = name.map_or(key.to_owned(), |name| format!("{key} {name}"));
    if keys.occurrences.is_some() || keys.position.is_some() || keys.side.is_some() {
        // None at all may be asked for, or less than all that bears the name.
        return Some((whose, 0, u64::MAX));
    }
    if let Some(exists) = &keys.exists {
        return Some(match exists.value {
            true => (format!("{whose}{EXACT}"), 1, u64::MAX),
            false => (format!("{whose}{EXACT}"), 0, 0),
        });
    }
    let count = keys.count.as_ref()?;
    let bare = keys.matches.is_none()
        && keys.contains.is_none()
        && keys.equals.is_none()
        && keys.words.is_none()
        && keys.domains.is_none()
        && keys.networks.is_none()
        && keys.sha256.is_none()
        && keys.number.is_none()
        && keys.length.is_none();
    match bare {
        true => number(&whose, &count.value),
        false => Some((whose, count.value.at_least.map_or(0, |b| b.0), u64::MAX)),
    }
}

/// The `Debug` form of something as written, without the places in the file.
pub(super) fn without_places(debug: &str) -> String {
    const PLACE: &str = ", referenced: ";
    let mut out = String::with_capacity(debug.len() / 2);
    let mut rest = debug;
    let mut quoted = false;
    while let Some(c) = rest.chars().next() {
        if !quoted && rest.starts_with(PLACE) {
            // Up to the brace that closes the value.
            let mut depth = 0_usize;
            let end = rest.find(|c| match c {
                '{' => {
                    depth += 1;
                    false
                }
                '}' if depth == 0 => true,
                '}' => {
                    depth -= 1;
                    false
                }
                _ => false,
            });
            rest = end.and_then(|e| rest.get(e..)).unwrap_or_default();
            continue;
        }
        let mut len = c.len_utf8();
        if c == '"' {
            quoted = !quoted;
        } else if c == '\\' && quoted {
            len += rest.chars().nth(1).map_or(0, char::len_utf8);
        }
        out.push_str(rest.get(..len).unwrap_or_default());
        rest = rest.get(len..).unwrap_or_default();
    }
    out
}
