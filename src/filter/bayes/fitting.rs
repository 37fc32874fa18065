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
use super::training::{FOLDS, Learned, Trainer};
use super::vocabulary::vocabulary;

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
    ) -> io::Result<(Engine, Option<Evaluation>)> {
        let hashes = std::mem::replace(&mut self.hashes, Store::new(0));
        let (mut entries, words) = vocabulary(&self.learned, &hashes, LEAST);
        hashes.check()?;
        let corpus = Corpus {
            learned: &self.learned,
            words,
            places: std::mem::replace(&mut self.places, Store::new(0)),
            entries: entries.len(),
            grid: 1_usize << self.settings.grid_bits,
        };

        // Log odds of each message, by what the other folds taught.
        let odds: Option<Vec<Vec<(f64, &Learned)>>> = folds.map(|folds| {
            (0..FOLDS)
                .into_par_iter()
                .map(|fold| {
                    let of = |is: &dyn Fn(u64) -> bool| -> Vec<usize> {
                        let numbered = folds.iter().enumerate();
                        numbered.filter(|(_, f)| is(**f)).map(|(i, _)| i).collect()
                    };
                    let others = of(&|f| f != fold && f < FOLDS);
                    let fitted = Fitted::to(&corpus, &others, facts.seed);
                    let asked = of(&|f| f == fold);
                    asked
                        .into_iter()
                        .filter_map(|i| Some((fitted.log_odds(&corpus, i), self.learned.get(i)?)))
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

        let fitted = Fitted::mean(&corpus, facts.seed);
        corpus.words.check()?;
        corpus.places.check()?;
        for (entry, weight) in entries.iter_mut().zip(&fitted.words.of) {
            (entry.weight, entry.slowed) = (weight.value, weight.slowed);
        }
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
        Ok((model.into(), evaluation))
    }
}

/// Between the seeds of two fits.
const SEEDS: u64 = 0x9E37_79B9;

/// All that is known of the messages to be learned.
struct Corpus<'a> {
    learned: &'a [Learned],
    /// The words and pairs of each, in this order.
    words: Store,
    /// Its places, in the order in which messages came in, one row a view.
    places: Store,
    /// How many words and pairs there are.
    entries: usize,
    /// How many places a view has.
    grid: usize,
}

/// Weights of words and of every view, fitted to messages.
struct Fitted {
    words: Weights,
    views: [Weights; VIEWS],
}

impl Fitted {
    /// Fits to the messages `chosen` of the corpus.
    fn to(corpus: &Corpus<'_>, chosen: &[usize], seed: u64) -> Fitted {
        let fit = |view: Option<usize>| -> Weights {
            let examples: Vec<Example> = chosen
                .iter()
                .filter_map(|i| Some((*i, corpus.learned.get(*i)?)))
                .map(|(index, learned)| Example {
                    row: view.map_or(index, |view| learned.row * VIEWS + view),
                    total: view.is_none().then_some(learned.total),
                    spam: learned.class == Class::Spam,
                })
                .collect();
            match view {
                None => logistic::train(&examples, &corpus.words, corpus.entries, STEPS, seed),
                Some(view) => {
                    let seed = !seed ^ view as u64;
                    logistic::train(&examples, &corpus.places, corpus.grid, STEPS, seed)
                }
            }
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
    fn mean(corpus: &Corpus<'_>, seed: u64) -> Fitted {
        let all: Vec<usize> = (0..corpus.learned.len()).collect();
        let seeds = (0..FITS).map(|fit| seed.wrapping_add(fit.wrapping_mul(SEEDS)));
        let mut fits = seeds.map(|seed| Fitted::to(corpus, &all, seed));
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

    /// Log odds of the message that stands at `index` in the corpus.
    fn log_odds(&self, corpus: &Corpus<'_>, index: usize) -> f64 {
        let Some(learned) = corpus.learned.get(index) else {
            return 0.0;
        };
        let mut row = Row::default();
        corpus.words.read(index, &mut row);
        let words = self.words.log_odds(&row.numbers, learned.total);
        let views = self.views.iter().enumerate().map(|(view, weights)| {
            corpus.places.read(learned.row * VIEWS + view, &mut row);
            weights.log_odds(&row.numbers, row.numbers.len())
        });
        f64::from(combine(words, views))
    }
}
