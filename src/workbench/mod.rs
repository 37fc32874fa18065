//! The analyst's side of the classifier: how good is a model, how good is a corpus, which model is in force.
//!
//! [`reading`] turns paths into messages, many at a time and never more than fit. [`evaluation`] asks
//! engines and models about messages that they have not learned, in one of three designs: [`folds`],
//! held out, or [`online`]. [`Ranking`](crate::filter::bayes::Ranking), [`interval`], [`bootstrap`] and [`figures`] make numbers of the
//! answers, [`curves`] pictures, [`scores`] writes them down. [`corpus`] looks for what is wrong with the messages
//! themselves. [`tokens`] says why a message gets its
//! probability. [`registry`] keeps models, and [`promotion`] decides which of them the daemon uses.
//!
//! Everything here is deterministic: the same messages, seed and models give the same figures, whatever
//! the number of cores. Nothing here prints.

pub mod bootstrap;
pub mod corpus;
pub mod curves;
pub mod evaluation;
pub mod figures;
pub mod folds;
pub mod interval;
pub mod leakage;
pub mod online;
pub(crate) mod plot;
pub mod promotion;
pub mod reading;
pub mod registry;
pub mod scores;
pub mod tokens;

use crate::filter::bayes::{Class, Ranking};

/// One message as an evaluation sees it: what it is, and what was said of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// What it is.
    pub class: Class,
    /// What the engine said.
    pub score: Score,
    /// Messages of the same unit are nearly the same, and count as one draw in a bootstrap.
    pub unit: usize,
}

/// The answers in the order of their scores.
pub fn ranked(answers: &[Answer]) -> Ranking {
    Ranking::new(answers.iter().map(|a| (a.class, a.score.odds)))
}

/// What an engine says of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Probability of spam, at even odds of ham and spam.
    pub probability: f64,
    /// What messages are ordered by: log odds, which still differ where probabilities are at their bounds.
    pub odds: f64,
}

/// Probabilities that part ham, unsure and spam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// Below it a message is called ham.
    pub ham_below: f64,
    /// From it on a message is called spam.
    pub spam_from: f64,
}

impl Default for Cut {
    /// Where the default `scores` of the filter `bayes` leave 0.
    fn default() -> Self {
        Cut {
            ham_below: 0.4,
            spam_from: 0.6,
        }
    }
}

/// What a message is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// Below the cut.
    Ham,
    /// Between: delivered, and no points.
    Unsure,
    /// From the cut on.
    Spam,
}

impl Called {
    /// The word in reports and scores.
    pub fn name(self) -> &'static str {
        match self {
            Called::Ham => "ham",
            Called::Unsure => "unsure",
            Called::Spam => "spam",
        }
    }
}

impl Cut {
    /// What a message of this probability is called.
    pub fn call(&self, probability: f64) -> Called {
        if probability >= self.spam_from {
            Called::Spam
        } else if probability < self.ham_below {
            Called::Ham
        } else {
            Called::Unsure
        }
    }
}
