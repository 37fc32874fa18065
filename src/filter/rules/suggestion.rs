//! What a mistyped word was meant to be.

use std::ops::Range;

use crate::config::{Problem, Source};

/// The problem of a word that is not known here, with those that are.
pub(super) fn unknown(
    source: &Source,
    span: Range<usize>,
    what: &str,
    given: &str,
    known: &[&str],
) -> Problem {
    let mut problem = Problem::at(source, span, format!("unknown {what} `{given}`"))
        .help(format!("known here: {}", known.join(", ")));
    if let Some(near) = nearest(given, known.iter().copied()) {
        problem = problem.label(format!("did you mean `{near}`?"));
    }
    problem
}

/// The most similar of the known words. Whoever mistypes a word gets its beginning or its end right, and most of
/// its length: others are not compared.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (first, last) = (given.bytes().next(), given.bytes().next_back());
    known
        .filter(|k| k.bytes().next() == first || k.bytes().next_back() == last)
        .filter(|k| k.len().abs_diff(given.len()) <= (k.len().max(given.len()) / 3).max(1))
        .map(|k| (strsim::damerau_levenshtein(given, k), k))
        .filter(|(distance, k)| *distance <= (k.len().max(given.len()) / 3).max(1))
        .min()
        .map(|(_, k)| k)
}
