//! A corpus that was read becomes a model of the engine `osb`.
//!
//! In: what [`Trainer`] has read. Out: the model, and judgements on each message by models that had not seen it nor
//! anything nearly like it; on these the calibration is fitted. The views are fitted apart from one another, on
//! all cores; their sum is more often right than one fit over all of them (docs/accuracy.md).

use std::io;

use rayon::prelude::*;

use super::Class;
use super::calibration::Calibration;
use super::engine::Engine;
use super::evaluation::Evaluation;
use super::features::VIEWS;
use super::lesson::Ledger;
use super::logistic::{self, Example, Steps, Weights};
use super::model::{Facts, Model, combine};
use super::store::{Row, Store};
use super::table::Table;
use super::training::{FOLDS, Fold, Learned, Trainer};
use super::vocabulary::vocabulary;

/// Features seen in fewer messages are left out.
const LEAST: u32 = 2;
const STEPS: Steps = Steps {
    passes: 5,
    least: LEAST,
};

impl Trainer {
    /// Trains the engine `osb`. `folds`: the fold of each message, or none for no evaluation.
    pub(super) fn osb(
        mut self,
        facts: Facts,
        folds: Option<&[Fold]>,
    ) -> io::Result<(Engine, Option<Evaluation>)> {
        let hashes = std::mem::replace(&mut self.hashes, Store::new(0));
        let (mut entries, mut words) = vocabulary(&self.learned, &hashes, LEAST);
        hashes.check()?;
        words.unpack();
        self.places.unpack();
        let corpus = Corpus {
            learned: &self.learned,
            folds,
            words,
            places: std::mem::replace(&mut self.places, Store::new(0)),
            entries: entries.len(),
            grid: 1_usize << self.settings.grid_bits,
        };
        let fitted = Fitted::to(&corpus, facts.seed);
        corpus.words.check()?;
        corpus.places.check()?;
        for (entry, weight) in entries.iter_mut().zip(&fitted.words.of) {
            (entry.weight, entry.slowed) = (weight.value, weight.slowed);
        }
        let mut model = Model::empty(self.settings.clone());
        if folds.is_some() {
            model.calibration = Calibration::fit(&outcomes(&fitted.judged, None));
        }
        let evaluation = folds.map(|_| evaluation(&fitted.judged, &facts));
        model.facts = facts;
        if let Some(evaluation) = &evaluation {
            model.facts.figures = evaluation.figures();
        }
        model.table = Table::new(entries.into_iter());
        model.bias = fitted.words.bias;
        model.views = fitted.views;
        model.ledger = Ledger::of_trained(self.learned.iter().map(|l| (&l.identity, l.class)));
        Ok((model.into(), evaluation))
    }
}

/// A message of a fold, and its log odds by the fit that had not seen the fold.
type JudgedOdds<'a> = (&'a Learned, f64);

/// Log odds of messages and whether they are spam, of all folds but one.
fn outcomes(judged: &[Vec<JudgedOdds<'_>>], without: Option<usize>) -> Vec<(f64, bool)> {
    let folds = judged.iter().enumerate();
    folds
        .filter(|(fold, _)| Some(*fold) != without)
        .flat_map(|(_, of_fold)| {
            of_fold
                .iter()
                .map(|(l, odds)| (*odds, l.class == Class::Spam))
        })
        .collect()
}

/// Each fold is calibrated by the others, so that its judgements are honest in this too.
fn evaluation(judged: &[Vec<JudgedOdds<'_>>], facts: &Facts) -> Evaluation {
    let folds = judged.iter().enumerate();
    let judged = folds.flat_map(|(fold, of_fold)| {
        let line = Calibration::fit(&outcomes(judged, Some(fold)));
        of_fold.iter().map(move |(learned, odds)| {
            learned.judged(
                line.probability(*odds, facts.ham, facts.spam),
                line.line(*odds),
            )
        })
    });
    Evaluation {
        judged: judged.collect(),
    }
}

/// Between the seeds of two fits.
const SEEDS: u64 = 0x9E37_79B9;

/// All that is known of the messages to be learned.
struct Corpus<'a> {
    learned: &'a [Learned],
    /// The fold of each; none where every fit sees all.
    folds: Option<&'a [Fold]>,
    /// The words and pairs of each, in this order.
    words: Store,
    /// Its places, in the order in which messages came in, one row a view.
    places: Store,
    /// How many words and pairs there are.
    entries: usize,
    /// How many places a view has.
    grid: usize,
}

impl Corpus<'_> {
    /// The messages that the fit number `fold` sees, or those that it is to judge.
    fn chosen(&self, fold: u64, judged: bool) -> Vec<usize> {
        let all = 0..self.learned.len();
        match self.folds {
            None if judged => Vec::new(),
            None => all.collect(),
            Some(folds) => {
                let is = |fold_of: &Fold| match judged {
                    true => fold_of.judged && fold_of.number == fold,
                    false => fold_of.number != fold,
                };
                all.zip(folds)
                    .filter(|(_, f)| is(f))
                    .map(|(i, _)| i)
                    .collect()
            }
        }
    }

    /// The features of a message in words and pairs, or in one view.
    fn example(&self, view: Option<usize>, index: usize) -> Option<Example> {
        let learned = self.learned.get(index)?;
        Some(Example {
            row: view.map_or(index, |view| learned.row * VIEWS + view),
            total: view.is_none().then_some(learned.total),
            spam: learned.class == Class::Spam,
        })
    }

    /// Fits words and pairs, or one view, to all folds but one; and the log odds of the messages of that one.
    fn fit(&self, view: Option<usize>, fold: u64, seed: u64) -> (Weights, Vec<f32>) {
        let (rows, size, seed) = match view {
            None => (&self.words, self.entries, seed),
            Some(view) => (&self.places, self.grid, !seed ^ view as u64),
        };
        let examples = |judged| -> Vec<Example> {
            let chosen = self.chosen(fold, judged).into_iter();
            chosen.filter_map(|i| self.example(view, i)).collect()
        };
        let weights = logistic::train(&examples(false), rows, size, STEPS, seed);
        let mut row = Row::default();
        let odds = examples(true).into_iter().map(|example| {
            let features = rows.row(example.row, &mut row);
            weights.log_odds(features, example.total.unwrap_or(features.len()))
        });
        let odds = odds.collect();
        (weights, odds)
    }
}

/// Weights of words and of every view, and what they say of messages that they had not seen.
struct Fitted<'a> {
    words: Weights,
    views: [Weights; VIEWS],
    /// By fold.
    judged: Vec<Vec<JudgedOdds<'a>>>,
}

impl<'a> Fitted<'a> {
    /// The mean of as many fits as there are folds, each to all folds but one, and in another order.
    fn to(corpus: &Corpus<'a>, seed: u64) -> Fitted<'a> {
        let fits: Vec<(u64, Option<usize>)> = (0..FOLDS)
            .flat_map(|fold| (0..=VIEWS).map(move |view| (fold, view.checked_sub(1))))
            .collect();
        let fits: Vec<(Weights, Vec<f32>)> = fits
            .into_par_iter()
            .map(|(fold, view)| {
                let seed = seed.wrapping_add(fold.wrapping_mul(SEEDS));
                corpus.fit(view, fold, seed)
            })
            .collect();
        let judged = fits.chunks(VIEWS + 1).zip(0..).map(|(of_views, fold)| {
            let messages = corpus.chosen(fold, true).into_iter().enumerate();
            let judged = messages.filter_map(|(at, index)| {
                let odds =
                    |view: usize| Some(of_views.get(view)?.1.get(at).copied().unwrap_or(0.0));
                let views = (1..=VIEWS).filter_map(odds);
                Some((
                    corpus.learned.get(index)?,
                    f64::from(combine(odds(0)?, views)),
                ))
            });
            judged.collect()
        });
        let judged = judged.collect();
        let mut sums: [Weights; VIEWS + 1] = Default::default();
        for (at, (weights, _)) in fits.into_iter().enumerate() {
            if let Some(sum) = sums.get_mut(at % (VIEWS + 1)) {
                sum.add(weights);
            }
        }
        for sum in &mut sums {
            sum.scale(1.0 / FOLDS as f32);
        }
        let [words, views @ ..] = sums;
        Fitted {
            words,
            views,
            judged,
        }
    }
}
