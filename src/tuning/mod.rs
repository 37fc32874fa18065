//! What the rules of a set are worth, told from sorted mail.
//!
//! In: for each message what it is and which rules hit. Out: [`profile`], the figures of each rule as it is ([`report`] keeps
//! them);
//! [`selection`], scores fitted to the mail under a limit on lost ham, with error rates on messages that
//! each fit had not seen ([`fit`] does the fitting). Everything is deterministic and nothing prints.

pub mod fit;
pub mod profile;
pub mod report;
pub mod selection;

use crate::filter::bayes::Class;
use crate::workbench::evaluation::Member;
use crate::workbench::interval::Share;

/// One message: what it is, and the numbers of the rules that hit, ascending.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// What it is, where, and which messages are nearly the same.
    pub member: Member,
    /// Rules that hit.
    pub hits: Vec<u32>,
    /// Points that it has beside one score for each hit: those of further occurrences.
    pub rest: f64,
}

/// What hits are worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale<'a> {
    /// The score of each rule; 0 for one that does not count.
    pub scores: &'a [f64],
    /// The group of each rule.
    pub groups: &'a [Option<usize>],
    /// Most points of each group, either way.
    pub caps: &'a [f64],
}

impl Marked {
    /// The points of its hits, rounded to hundredths as a verdict is.
    pub fn total(&self, scale: &Scale<'_>) -> f64 {
        self.total_without(scale, None)
    }

    /// The same without one of the hits.
    pub fn total_without(&self, scale: &Scale<'_>, without: Option<u32>) -> f64 {
        let mut sum = self.rest;
        let mut of_groups = vec![0.0; scale.caps.len()];
        for hit in self.hits.iter().filter(|h| Some(**h) != without) {
            let number = *hit as usize;
            let score = scale.scores.get(number).copied().unwrap_or(0.0);
            let group = scale.groups.get(number).copied().flatten();
            match group.and_then(|g| of_groups.get_mut(g)) {
                Some(of_group) => *of_group += score,
                None => sum += score,
            }
        }
        let capped = of_groups.iter().zip(scale.caps);
        sum += capped
            .map(|(of_group, cap)| f64::clamp(*of_group, -cap, *cap))
            .sum::<f64>();
        (sum * 100.0).round() / 100.0
    }
}

/// How many messages of each class reach a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Ham at or above it: lost.
    pub lost: Share,
    /// Spam at or above it: caught.
    pub caught: Share,
}

impl Rates {
    /// Counts messages by whether they reach the threshold.
    pub fn count(messages: impl Iterator<Item = (Class, bool)>) -> Rates {
        let none = Share { part: 0, whole: 0 };
        let mut rates = Rates {
            lost: none,
            caught: none,
        };
        for (class, reached) in messages {
            let share = match class {
                Class::Ham => &mut rates.lost,
                Class::Spam => &mut rates.caught,
            };
            share.whole += 1;
            share.part += usize::from(reached);
        }
        rates
    }
}
