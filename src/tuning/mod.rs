//! What the rules of a set are worth, told from sorted mail.
//!
//! In: for each message what it is and which rules hit. Out: [`profile`], the figures of each rule as it is;
//! [`selection`], scores fitted to the mail under a limit on lost ham, with error rates on messages that
//! each fit had not seen ([`fit`] does the fitting). Everything is deterministic and nothing prints.

pub mod fit;
pub mod profile;
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
}

impl Marked {
    /// The sum of the scores of its hits, rounded to hundredths as a verdict is.
    pub fn total(&self, scores: &[f64]) -> f64 {
        let scores = self.hits.iter().filter_map(|h| scores.get(*h as usize));
        (scores.sum::<f64>() * 100.0).round() / 100.0
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
