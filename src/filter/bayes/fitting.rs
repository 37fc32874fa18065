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

/// Fits whose mean is the model. One fit depends on the order in which messages happened to come.
const FITS: u64 = 4;
/// Between the seeds of two fits.
const SEEDS: u64 = 0x9E37_79B9;

/// All that is known of the messages to be learned.
struct Corpus<'a> {
    learned: &'a [Learned],
    /// The fold of each; none where nothing is judged.
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

/// One fit of words and pairs, or of one view.
#[derive(Clone, Copy)]
struct Fit {
    /// None for words and pairs.
    view: Option<usize>,
    /// The fold that it does not see and then judges; none to see all.
    without: Option<u64>,
    seed: u64,
}

impl Corpus<'_> {
    fn of_fold(&self, is: impl Fn(&Fold) -> bool) -> Vec<usize> {
        let folds = self.folds.iter().flat_map(|folds| folds.iter().enumerate());
        folds.filter(|(_, f)| is(f)).map(|(i, _)| i).collect()
    }

    /// The messages that a fit without the fold is to judge.
    fn judged(&self, fold: u64) -> Vec<usize> {
        self.of_fold(|f| f.judged && f.number == fold)
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

    fn fit(&self, fit: Fit) -> Weights {
        let examples = |chosen: Vec<usize>| -> Vec<Example> {
            let examples = chosen.into_iter();
            examples.filter_map(|i| self.example(fit.view, i)).collect()
        };
        let chosen = match fit.without {
            None => (0..self.learned.len()).collect(),
            Some(fold) => self.of_fold(|f| f.judged && f.number != fold),
        };
        let (rows, size, seed) = match fit.view {
            None => (&self.words, self.entries, fit.seed),
            Some(view) => (&self.places, self.grid, !fit.seed ^ view as u64),
        };
        logistic::train(examples(chosen), rows, size, STEPS, seed)
    }

    /// Log odds of messages by one fit.
    fn odds(&self, view: Option<usize>, weights: &Weights, asked: &[usize]) -> Vec<f32> {
        let rows = match view {
            None => &self.words,
            Some(_) => &self.places,
        };
        let mut row = Row::default();
        let examples = asked.iter().filter_map(|i| self.example(view, *i));
        let odds = examples.map(|example| {
            let features = rows.row(example.row, &mut row);
            weights.log_odds(features, example.total.unwrap_or(features.len()))
        });
        odds.collect()
    }
}

/// Weights of words and of every view, and what fits that had not seen a fold say of its messages.
struct Fitted<'a> {
    words: Weights,
    views: [Weights; VIEWS],
    /// By fold.
    judged: Vec<Vec<JudgedOdds<'a>>>,
}

impl<'a> Fitted<'a> {
    /// The mean of several fits, each in another order; and one without each fold.
    fn to(corpus: &Corpus<'a>, seed: u64) -> Fitted<'a> {
        let folds = if corpus.folds.is_some() { FOLDS } else { 0 };
        let of_all = (0..FITS).map(|fit| (None, seed.wrapping_add(fit.wrapping_mul(SEEDS))));
        let of_folds = (0..folds).map(|fold| (Some(fold), seed));
        let fits: Vec<Fit> = of_all
            .chain(of_folds)
            .flat_map(|(without, seed)| {
                (0..=VIEWS).map(move |view| Fit {
                    view: view.checked_sub(1),
                    without,
                    seed,
                })
            })
            .collect();
        // Of a fit without a fold nothing but what it says of that is kept.
        let fits: Vec<(Weights, Vec<f32>)> = fits
            .into_par_iter()
            .map(|fit| {
                let weights = corpus.fit(fit);
                match fit.without {
                    None => (weights, Vec::new()),
                    Some(fold) => {
                        let odds = corpus.odds(fit.view, &weights, &corpus.judged(fold));
                        (Weights::default(), odds)
                    }
                }
            })
            .collect();
        let (of_all, of_folds) = fits.split_at((VIEWS + 1) * FITS as usize);
        let mut sums: [Weights; VIEWS + 1] = Default::default();
        for fit in of_all.chunks(VIEWS + 1) {
            for (sum, (weights, _)) in sums.iter_mut().zip(fit) {
                sum.add(weights);
            }
        }
        for sum in &mut sums {
            sum.scale(1.0 / FITS as f32);
        }
        let judged = of_folds.chunks(VIEWS + 1).zip(0..).map(|(of_views, fold)| {
            let messages = corpus.judged(fold).into_iter().enumerate();
            let judged = messages.filter_map(|(at, index)| {
                let mut odds = of_views
                    .iter()
                    .filter_map(|(_, odds)| odds.get(at).copied());
                let odds = combine(odds.next()?, odds);
                Some((corpus.learned.get(index)?, f64::from(odds)))
            });
            judged.collect()
        });
        let judged = judged.collect();
        let [words, views @ ..] = sums;
        Fitted {
            words,
            views,
            judged,
        }
    }
}
