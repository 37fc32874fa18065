//! A corpus that was read becomes a model of the engine `osb`.
//!
//! In: what [`Trainer`] has read. Out: the model, and judgements on each message by models that had not seen it nor
//! anything nearly like it; on these the calibration is fitted. The views are fitted apart from one another, on
//! all cores; their sum is more often right than one fit over all of them (docs/accuracy.md).

use rayon::prelude::*;

use super::Class;
use super::calibration::Calibration;
use super::engine::Engine;
use super::evaluation::Evaluation;
use super::features::VIEWS;
use super::lesson::Ledger;
use super::logistic::{self, Example, Steps, Weights};
use super::model::{Facts, Model, combine};
use super::table::{ENTRIES, Entry, Table};
use super::training::{FOLDS, Learned, Trainer};

/// Features seen in fewer messages are left out.
const LEAST: u32 = 2;
const STEPS: Steps = Steps {
    passes: 5,
    least: LEAST,
};

/// Fits whose mean is the model. One fit depends on the order in which messages happened to come.
const FITS: u64 = 4;

impl Trainer {
    /// Trains the engine `osb`. `folds`: the fold of each message, or none for no evaluation.
    pub(super) fn osb(
        mut self,
        facts: Facts,
        folds: Option<&[u64]>,
    ) -> (Engine, Option<Evaluation>) {
        let mut entries = self.renumber();
        let places = 1_usize << self.settings.grid_bits;
        let all: Vec<&Learned> = self.learned.iter().collect();

        // Log odds of each message, by what the other folds taught.
        let odds: Option<Vec<Vec<(f64, &Learned)>>> = folds.map(|folds| {
            (0..FOLDS)
                .into_par_iter()
                .map(|fold| {
                    let others: Vec<&Learned> = all
                        .iter()
                        .zip(folds)
                        .filter(|(_, f)| **f != fold && **f < FOLDS)
                        .map(|(l, _)| *l)
                        .collect();
                    let fitted = Fitted::to(&others, entries.len(), places, facts.seed);
                    self.of_fold(folds, fold)
                        .map(|l| (fitted.log_odds(l), l))
                        .collect()
                })
                .collect()
        });
        let outcomes = |without: Option<usize>| -> Vec<(f64, bool)> {
            odds.iter()
                .flatten()
                .enumerate()
                .filter(|(fold, _)| Some(*fold) != without)
                .flat_map(|(_, of_fold)| {
                    of_fold
                        .iter()
                        .map(|(odds, l)| (*odds, l.class == Class::Spam))
                })
                .collect()
        };
        let calibration = if odds.is_some() {
            Calibration::fit(&outcomes(None))
        } else {
            Calibration::untrained()
        };
        // Each fold is calibrated by the others, so that its judgements are honest in this too.
        let evaluation = odds.as_ref().map(|odds| Evaluation {
            judged: odds
                .iter()
                .enumerate()
                .flat_map(|(fold, of_fold)| {
                    let line = Calibration::fit(&outcomes(Some(fold)));
                    let (ham, spam) = (facts.ham, facts.spam);
                    of_fold.iter().map(move |(odds, l)| {
                        l.judged(
                            line.probability(*odds, ham, spam),
                            line.slope * odds + line.offset,
                        )
                    })
                })
                .collect(),
        });

        let fitted = Fitted::mean(&all, entries.len(), places, facts.seed);
        for (entry, weight) in entries.iter_mut().zip(&fitted.words.of) {
            (entry.weight, entry.slowed) = (weight.value, weight.slowed);
        }
        // In this order, whatever the order of reading was, the table comes out the same.
        entries.sort_unstable_by_key(|e| e.hash);
        let mut model = Model::empty(self.settings.clone());
        model.facts = facts;
        if let Some(evaluation) = &evaluation {
            model.facts.figures = evaluation.figures();
        }
        model.calibration = calibration;
        model.table = Table::new(entries.into_iter());
        model.bias = fitted.words.bias;
        model.views = fitted.views;
        model.ledger = Ledger::of_trained(self.learned.iter().map(|l| (&l.identity, l.class)));
        (model.into(), evaluation)
    }

    /// Counts the messages of each feature and gives numbers anew to those that are kept.
    fn renumber(&mut self) -> Vec<Entry> {
        let mut counts = vec![(0_u32, 0_u32); self.numbers.len()];
        for learned in &self.learned {
            for word in &learned.words {
                if let Some((ham, spam)) = counts.get_mut(*word as usize) {
                    match learned.class {
                        Class::Ham => *ham += 1,
                        Class::Spam => *spam += 1,
                    }
                }
            }
        }
        let kept = |least: u32| counts.iter().filter(move |(h, s)| h + s >= least);
        let least = (LEAST..)
            .find(|least| kept(*least).count() <= ENTRIES)
            .unwrap_or(LEAST);
        let mut entries = Vec::with_capacity(kept(least).count());
        // Old number to new one; none for a feature that is left out.
        let mut renumbered: Vec<Option<u32>> = vec![None; counts.len()];
        for (hash, old) in std::mem::take(&mut self.numbers) {
            let old = old as usize;
            let (Some((ham, spam)), Some(new)) =
                (counts.get(old).copied(), renumbered.get_mut(old))
            else {
                continue;
            };
            if ham + spam >= least {
                *new = Some(entries.len() as u32);
                entries.push(Entry {
                    hash,
                    ham,
                    spam,
                    ..Entry::default()
                });
            }
        }
        for learned in &mut self.learned {
            learned.words = learned
                .words
                .iter()
                .filter_map(|w| renumbered.get(*w as usize).copied().flatten())
                .collect();
        }
        entries
    }
}

/// Between the seeds of two fits.
const SEEDS: u64 = 0x9E37_79B9;

/// Weights of words and of every view, fitted to messages.
struct Fitted {
    words: Weights,
    views: [Weights; VIEWS],
}

impl Fitted {
    fn to(learned: &[&Learned], words: usize, places: usize, seed: u64) -> Fitted {
        let fit = |view: Option<usize>| -> Weights {
            let examples: Vec<Example<'_>> = learned
                .iter()
                .map(|l| {
                    let (features, total) = match view {
                        None => (l.words.as_slice(), l.total),
                        Some(view) => {
                            let places = l.places.get(view).map_or(&[][..], Vec::as_slice);
                            (places, places.len())
                        }
                    };
                    Example {
                        features,
                        total,
                        spam: l.class == Class::Spam,
                    }
                })
                .collect();
            let (size, seed) = match view {
                None => (words, seed),
                Some(view) => (places, !seed ^ view as u64),
            };
            logistic::train(&examples, size, STEPS, seed)
        };
        let mut weights: Vec<Weights> = (0..=VIEWS)
            .into_par_iter()
            .map(|view| fit(view.checked_sub(1)))
            .collect();
        let views = weights.split_off(1);
        Fitted {
            words: weights.pop().unwrap_or_default(),
            views: views.try_into().unwrap_or_default(),
        }
    }

    /// The mean of several fits, each in another order.
    fn mean(learned: &[&Learned], words: usize, places: usize, seed: u64) -> Fitted {
        let seeds = (0..FITS).map(|fit| seed.wrapping_add(fit.wrapping_mul(SEEDS)));
        let mut fits = seeds.map(|seed| Fitted::to(learned, words, places, seed));
        let mut sum = fits.next().unwrap_or_else(|| Fitted {
            words: Weights::default(),
            views: Default::default(),
        });
        for fit in fits {
            sum.words.add(&fit.words);
            for (sum, view) in sum.views.iter_mut().zip(&fit.views) {
                sum.add(view);
            }
        }
        sum.words.scale(1.0 / FITS as f32);
        for view in &mut sum.views {
            view.scale(1.0 / FITS as f32);
        }
        sum
    }

    fn log_odds(&self, learned: &Learned) -> f64 {
        let views = self.views.iter().zip(&learned.places);
        f64::from(combine(
            self.words.log_odds(&learned.words, learned.total),
            views.map(|(view, places)| view.log_odds(places, places.len())),
        ))
    }
}
