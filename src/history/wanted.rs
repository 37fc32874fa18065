//! [`Wanted`]: which terms a message must have, put together with and and or.

use std::collections::{BTreeSet, HashSet};

use super::segment::{Postings, Rows};
use super::terms::Term;

/// What is asked of the terms of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It has this one.
    Term(String),
    /// Each of these holds.
    All(Vec<Wanted>),
    /// One of these holds.
    Any(Vec<Wanted>),
}

impl Wanted {
    /// Whether it holds for a message with these terms.
    pub(super) fn holds(&self, terms: &HashSet<String>) -> bool {
        match self {
            Wanted::Term(term) => terms.contains(term),
            Wanted::All(each) => each.iter().all(|wanted| wanted.holds(terms)),
            Wanted::Any(each) => each.iter().any(|wanted| wanted.holds(terms)),
        }
    }

    /// The messages for which it holds, and, if two terms have the same bits, perhaps others.
    pub(super) fn rows(&self, postings: &impl Postings) -> Rows {
        match self {
            Wanted::Term(term) => postings.having(Term::of(term)),
            Wanted::All(each) => {
                let mut each = each.iter();
                let mut rows = each.next().map(|w| w.rows(postings)).unwrap_or_default();
                for wanted in each {
                    if rows.is_empty() {
                        break;
                    }
                    rows.keep(&wanted.rows(postings));
                }
                rows
            }
            Wanted::Any(each) => {
                let mut rows = Rows::default();
                for wanted in each {
                    rows.add(&wanted.rows(postings));
                }
                rows
            }
        }
    }

    /// The slices of a segment in which its terms are looked up.
    pub(super) fn slices(&self) -> BTreeSet<u8> {
        match self {
            Wanted::Term(term) => BTreeSet::from([Term::of(term).slice()]),
            Wanted::All(each) | Wanted::Any(each) => each.iter().flat_map(Wanted::slices).collect(),
        }
    }
}

#[cfg(test)]
impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let joined = |each: &[Wanted], word: &str| {
            let each: Vec<String> = each.iter().map(ToString::to_string).collect();
            each.join(word)
        };
        match self {
            Wanted::Term(term) => f.write_str(term),
            Wanted::All(each) => f.write_str(&joined(each, " AND ")),
            Wanted::Any(each) => write!(f, "({})", joined(each, " OR ")),
        }
    }
}
