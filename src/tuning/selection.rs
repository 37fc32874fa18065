//! Scores under a limit on lost ham, and how good they are.
//!
//! The weight of ham in the fit is what trades lost ham for caught spam. It is raised until no more ham is
//! lost than allowed, as cross-validation tells: each part of the mail judged by scores that the others
//! gave, near copies in one part. The error rates that are reported come from a second cross-validation
//! around this one, in which each part is judged by scores whose weight was chosen without it too.

use rayon::prelude::*;

use super::fit::{Fit, Groups, Knob, Weighed};
use super::{Marked, Rates, Scale};
use crate::filter::bayes::Class;
use crate::workbench::folds::folds;
use crate::workbench::interval::Share;

/// Weights of ham that are tried, in this order.
const WEIGHTS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];
/// Steps of a score, points.
const STEP: f64 = 0.05;

/// How to choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection {
    /// The score from which on a message is called spam.
    pub threshold: f64,
    /// Share of ham that may reach it, 0 to 1.
    pub max_lost: f64,
    /// Parts of each cross-validation, 3 or more.
    pub folds: usize,
    /// Seed of the parts.
    pub seed: u64,
    /// How strongly scores are held where they are; above 0.
    pub pull: f64,
}

/// The chosen scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// One for each knob, rounded to 0.05.
    pub scores: Vec<f64>,
    /// The weight of ham that gave them.
    pub ham_weight: f64,
    /// Whether the limit on lost ham is kept, as the inner cross-validation tells.
    pub within_limit: bool,
    /// What these scores make of messages that they have not seen.
    pub rates: Rates,
    /// What the old scores make of the same messages.
    pub old_rates: Rates,
}

impl Selection {
    /// Fits, chooses and judges; groups count up to their caps throughout.
    pub fn select(
        &self,
        messages: &[Marked],
        knobs: &[Knob],
        groups: &[Option<usize>],
        caps: &[f64],
    ) -> Selected {
        let members: Vec<_> = messages.iter().map(|m| m.member.clone()).collect();
        let fold_of = folds(&members, self.folds, self.seed);
        let weights = weights(messages);
        let all = Data {
            selection: self,
            messages,
            weights: &weights,
            fold_of: &fold_of,
            knobs,
            groups,
            caps,
        };
        let (ham_weight, within_limit) = all.choose(None);
        let scores = all.fit(ham_weight, |_| true);
        let judged: Vec<(Class, bool)> = (0..self.folds)
            .into_par_iter()
            .flat_map_iter(|outer| {
                let (weight, _) = all.choose(Some(outer));
                let scores = all.fit(weight, |fold| fold != outer);
                all.judge(&scores, |fold| fold == outer)
            })
            .collect();
        let old: Vec<f64> = knobs.iter().map(|k| k.old).collect();
        Selected {
            scores,
            ham_weight,
            within_limit,
            rates: Rates::count(judged.into_iter()),
            old_rates: Rates::count(all.judge(&old, |_| true).into_iter()),
        }
    }
}

/// Near copies count as one message in a fit: a mass mailing is one thing to learn from.
fn weights(messages: &[Marked]) -> Vec<f64> {
    let mut sizes = vec![0_usize; messages.len()];
    for message in messages {
        if let Some(size) = sizes.get_mut(message.member.cluster) {
            *size += 1;
        }
    }
    let weight = |m: &Marked| {
        let size = sizes.get(m.member.cluster).copied().unwrap_or(1);
        1.0 / size.max(1) as f64
    };
    messages.iter().map(weight).collect()
}

struct Data<'a> {
    selection: &'a Selection,
    messages: &'a [Marked],
    weights: &'a [f64],
    fold_of: &'a [usize],
    knobs: &'a [Knob],
    groups: &'a [Option<usize>],
    caps: &'a [f64],
}

impl Data<'_> {
    /// The least weight of ham under which the limit is kept on the parts other than `without`, each judged by
    /// the rest of them; whether there is one. Without one, that which loses least.
    fn choose(&self, without: Option<usize>) -> (f64, bool) {
        let inner: Vec<usize> = (0..self.selection.folds)
            .filter(|fold| Some(*fold) != without)
            .collect();
        let mut mildest = (usize::MAX, 1.0);
        for weight in WEIGHTS {
            let lost: Vec<Share> = inner
                .par_iter()
                .map(|fold| {
                    let scores = self.fit(weight, |f| f != *fold && Some(f) != without);
                    Rates::count(self.judge(&scores, |f| f == *fold).into_iter()).lost
                })
                .collect();
            let part: usize = lost.iter().map(|s| s.part).sum();
            let whole: usize = lost.iter().map(|s| s.whole).sum();
            if part as f64 <= self.selection.max_lost * whole as f64 {
                return (weight, true);
            }
            if part < mildest.0 {
                mildest = (part, weight);
            }
        }
        (mildest.1, false)
    }

    /// The scores that the chosen parts give, rounded as they will be written.
    fn fit(&self, ham_weight: f64, chosen: impl Fn(usize) -> bool) -> Vec<f64> {
        let weighed: Vec<Weighed<'_>> = self
            .messages
            .iter()
            .zip(self.weights)
            .zip(self.fold_of)
            .filter(|(_, fold)| chosen(**fold))
            .map(|((message, weight), _)| Weighed {
                message,
                weight: *weight,
            })
            .collect();
        let fit = Fit {
            threshold: self.selection.threshold,
            pull: self.selection.pull,
            ham_weight,
        };
        let groups = Groups {
            of: self.groups,
            caps: self.caps,
        };
        let scores = fit.scores(&weighed, self.knobs, groups).into_iter();
        scores
            .zip(self.knobs)
            .map(|(score, knob)| rounded(score, knob))
            .collect()
    }

    fn judge(&self, scores: &[f64], chosen: impl Fn(usize) -> bool) -> Vec<(Class, bool)> {
        let scale = Scale {
            scores,
            groups: self.groups,
            caps: self.caps,
        };
        let threshold = self.selection.threshold;
        let judged = self.messages.iter().zip(self.fold_of);
        judged
            .filter(|(_, fold)| chosen(**fold))
            .map(|(m, _)| (m.member.class, m.total(&scale) >= threshold))
            .collect()
    }
}

/// To the next step; a score that has not moved stays exactly what it was.
fn rounded(score: f64, knob: &Knob) -> f64 {
    if (score - knob.old).abs() < STEP / 2.0 {
        return knob.old;
    }
    let rounded = ((score / STEP).round() * STEP * 100.0).round() / 100.0;
    rounded.clamp(knob.least, knob.most) + 0.0
}

#[cfg(test)]
mod tests {
    use super::super::profile::tests::marked;
    use super::*;

    /// Spam is hit by 0 and 1, ham by 2, and one ham in ten by 0 too.
    fn messages() -> Vec<Marked> {
        (0..400)
            .map(|i| match i % 4 {
                0 | 1 => marked(i, Class::Spam, if i % 8 < 6 { &[0, 1] } else { &[0] }),
                _ if i % 20 == 2 => marked(i, Class::Ham, &[0, 2]),
                _ => marked(i, Class::Ham, &[2]),
            })
            .collect()
    }

    fn knobs() -> Vec<Knob> {
        [(3.0, 0.0, 8.0), (1.0, 0.0, 8.0), (-0.5, -8.0, 0.0)]
            .map(|(old, least, most)| Knob { old, least, most })
            .to_vec()
    }

    fn selection(max_lost: f64) -> Selection {
        Selection {
            threshold: 5.0,
            max_lost,
            folds: 5,
            seed: 1,
            pull: 0.1,
        }
    }

    #[test]
    fn spam_is_caught_and_the_limit_on_ham_is_kept() {
        let (messages, knobs) = (messages(), knobs());
        let selected = selection(0.001).select(&messages, &knobs, &[], &[]);
        assert!(selected.within_limit, "{selected:?}");
        assert_eq!(selected.old_rates.caught.part, 0);
        assert_eq!(selected.rates.lost.part, 0, "{selected:?}");
        assert!(selected.rates.caught.part >= 150, "{selected:?}");
        assert_eq!(selected.rates.caught.whole, 200);
        assert!(
            selected
                .scores
                .iter()
                .zip(&knobs)
                .all(|(s, k)| (k.least..=k.most).contains(s))
        );
        assert_eq!(
            selected,
            selection(0.001).select(&messages, &knobs, &[], &[])
        );
    }

    #[test]
    fn a_limit_that_cannot_be_kept_is_told() {
        // Ham and spam that no rule tells apart, with scores that cannot leave spam alone.
        let messages: Vec<Marked> = (0..100)
            .map(|i| marked(i, if i % 2 == 0 { Class::Spam } else { Class::Ham }, &[0]))
            .collect();
        let knobs = [Knob {
            old: 6.0,
            least: 5.5,
            most: 8.0,
        }];
        assert!(
            !selection(0.01)
                .select(&messages, &knobs, &[], &[])
                .within_limit
        );
    }

    #[test]
    fn near_copies_weigh_as_one() {
        let mut copies: Vec<Marked> = (0..4).map(|i| marked(i, Class::Spam, &[])).collect();
        copies.iter_mut().skip(1).for_each(|m| m.member.cluster = 1);
        let third = 1.0 / 3.0;
        assert_eq!(weights(&copies), [1.0, third, third, third]);
    }
}
