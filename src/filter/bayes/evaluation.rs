//! How well a classifier does on messages that it has not learned.

use std::path::PathBuf;

use super::Class;
use super::ranking::Ranking;

/// One message, judged by a classifier that had not learned it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What it is.
    pub class: Class,
    /// The probability of spam that it got.
    pub probability: f64,
    /// What messages are ordered by: log odds, which still differ where probabilities are at their bounds.
    pub odds: f64,
    /// Where it is: the file, and the number in an mbox. To be escaped where it is shown.
    pub name: (PathBuf, Option<usize>),
    /// The same for messages that are nearly the same.
    pub cluster: usize,
}

/// The result of an evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Each message, in no order that means anything.
    pub judged: Vec<Judged>,
}

impl Evaluation {
    /// How many messages of the class were judged.
    pub fn count(&self, class: Class) -> usize {
        self.judged.iter().filter(|j| j.class == class).count()
    }

    /// The chance that a random ham gets a higher probability than a random spam, in percent
    /// ("(1-ROCA)%" of the TREC spam track); ties count half. `None` when a class is empty.
    pub fn one_minus_roca(&self) -> Option<f64> {
        Ranking::new(self.judged.iter().map(|j| (j.class, j.odds))).one_minus_roca(None)
    }

    /// The figures that a model carries with it, in lines.
    pub(super) fn figures(&self) -> Vec<String> {
        let (ham, spam) = (self.count(Class::Ham), self.count(Class::Spam));
        let mut figures = vec![format!("five folds: {ham} ham, {spam} spam")];
        if let Some(roca) = self.one_minus_roca() {
            figures.push(format!("1-ROCA: {roca:.4} %"));
        }
        for threshold in [0.5, 0.9, 0.99] {
            figures.push(format!(
                "at {threshold}: {} ham lost, {} spam missed",
                self.ham_at(threshold),
                self.spam_below(threshold)
            ));
        }
        figures
    }

    /// How many ham messages got `probability` or more.
    pub fn ham_at(&self, probability: f64) -> usize {
        self.judged
            .iter()
            .filter(|j| j.class == Class::Ham && j.probability >= probability)
            .count()
    }

    /// How many spam messages got less than `probability`.
    pub fn spam_below(&self, probability: f64) -> usize {
        self.judged
            .iter()
            .filter(|j| j.class == Class::Spam && j.probability < probability)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(judged: &[(Class, f64)]) -> Evaluation {
        Evaluation {
            judged: judged
                .iter()
                .map(|(class, probability)| Judged {
                    class: *class,
                    probability: *probability,
                    odds: *probability,
                    name: (PathBuf::from("x"), None),
                    cluster: 0,
                })
                .collect(),
        }
    }

    #[test]
    fn losses_are_counted_at_the_threshold() {
        use Class::{Ham, Spam};
        let e = evaluation(&[(Ham, 0.1), (Ham, 0.9), (Spam, 0.9), (Spam, 0.3)]);
        assert_eq!((e.ham_at(0.9), e.spam_below(0.9)), (1, 1));
        assert_eq!((e.ham_at(0.91), e.spam_below(0.91)), (0, 2));
    }
}
