//! A corpus becomes a model.
//!
//! In: messages with their class. Out: an [`Engine`] and how well it does on messages that it has not
//! seen. Five times, a fifth of the corpus is kept aside, the rest learned, and the fifth judged; near
//! duplicates stay on one side. Those judgements are the evaluation, and the engine's probabilities are
//! calibrated on them. Then everything is learned.
//!
//! Exact copies count once, messages that are in both classes not at all. The same messages and seed
//! give the same model, byte for byte, in whatever order and from whatever folders they come. Memory:
//! some 12 KB a message, and some 20 bytes for each different feature of the corpus.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::PathBuf;

use rayon::prelude::*;

use crate::mail::corpus::{Corpus, CorpusError, Sample};
use crate::mail::{Limits, Mail};

use super::Class;
use super::baseline::{self, Baseline};
use super::calibration::Calibration;
use super::duplicates::{Sketch, clusters};
use super::engine::{Engine, EngineKind, odds};
use super::evaluation::{Evaluation, Judged};
use super::features::{Settings, features};
use super::logistic::{self, Example, Random, Steps};
use super::model::{Entry, Facts, Model, combine};

/// Parts of the corpus, each of which is judged by what the others taught.
const FOLDS: u64 = 5;
/// With fewer different messages of a class there is no evaluation.
const EVALUATED: usize = 20;
/// Features seen in fewer messages are left out.
const SEEN_IN: u32 = 2;
/// Entries of a model at most; past it, features must have been seen in more messages.
const ENTRIES: usize = 2_000_000;
/// Messages that are read before they are parsed in parallel.
const BATCH: usize = 512;

const WORD_STEPS: Steps = Steps {
    passes: 4,
    rate: 1.0,
    least: SEEN_IN,
};
const RUN_STEPS: Steps = Steps {
    passes: 4,
    rate: 1.0,
    least: 1,
};

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A class without messages.
    #[error("there is no {0} to learn from")]
    Empty(Class),
    /// Too much for 32-bit numbers.
    #[error("the corpus has too many different features; train on fewer messages")]
    TooMany,
}

/// What was read, beside what was learned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Messages learned, ham and spam.
    pub learned: usize,
    /// Exact copies, left out.
    pub copies: usize,
    /// Messages that are in both classes, left out.
    pub in_both: usize,
    /// Messages that are nearly the same as another of the corpus.
    pub near_copies: usize,
}

/// A trained engine with its report.
#[derive(Debug)]
pub struct Trained {
    /// The engine, ready to be saved or used.
    pub engine: Engine,
    /// Judgements on messages while they were kept aside; `None` for a corpus too small for it.
    pub evaluation: Option<Evaluation>,
    /// What was read.
    pub read: Read,
}

/// Collects messages, then trains.
pub struct Trainer {
    kind: EngineKind,
    settings: Settings,
    learned: Vec<Learned>,
    numbers: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    overflow: bool,
}

struct Learned {
    class: Class,
    digest: [u8; 32],
    name: (PathBuf, Option<usize>),
    sketch: Sketch,
    words: Vec<u32>,
    total: usize,
    runs: Vec<u32>,
    text: String,
}

impl Trainer {
    /// A trainer for an engine.
    pub fn new(kind: EngineKind) -> Trainer {
        Trainer {
            kind,
            settings: Settings::default(),
            learned: Vec::new(),
            numbers: HashMap::default(),
            overflow: false,
        }
    }

    /// Reads and takes in all messages under `path`. `progress` hears of each batch how many messages it
    /// had; `failed` of each that could not be read.
    pub fn learn_from(
        &mut self,
        path: PathBuf,
        class: Class,
        progress: &mut dyn FnMut(usize),
        failed: &mut dyn FnMut(CorpusError),
    ) {
        let mut batch = Vec::with_capacity(BATCH);
        for sample in Corpus::new(path) {
            match sample {
                Ok(sample) => batch.push(sample),
                Err(error) => failed(error),
            }
            if batch.len() == BATCH {
                progress(BATCH);
                self.learn(class, std::mem::take(&mut batch));
            }
        }
        progress(batch.len());
        self.learn(class, batch);
    }

    /// Takes messages in, on all cores.
    pub fn learn(&mut self, class: Class, samples: Vec<Sample>) {
        let (kind, settings) = (self.kind, self.settings);
        let read: Vec<_> = samples
            .into_par_iter()
            .map(|sample| {
                let digest = *blake3::hash(&sample.raw).as_bytes();
                let mail = Mail::parse(sample.raw, &Limits::default());
                let features = features(&mail, &settings);
                let text = match kind {
                    EngineKind::Osb => String::new(),
                    EngineKind::Bayespam => baseline::text(&mail, settings.max_bytes as usize),
                };
                let sketch = Sketch::of(&features.hashes);
                (digest, (sample.path, sample.number), sketch, features, text)
            })
            .collect();
        for (digest, name, sketch, features, text) in read {
            let mut words = Vec::with_capacity(features.hashes.len());
            for hash in &features.hashes {
                let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
                self.overflow |= next == u32::MAX;
                words.push(*self.numbers.entry(*hash).or_insert(next));
            }
            self.learned.push(Learned {
                class,
                digest,
                name,
                sketch,
                total: words.len(),
                words,
                runs: features.runs,
                text,
            });
        }
    }

    /// Trains. Of `facts`, what the corpus itself says is filled in.
    ///
    /// # Errors
    /// A class without messages, or a corpus too large to number its features.
    pub fn finish(mut self, mut facts: Facts) -> Result<Trained, TrainError> {
        if self.overflow {
            return Err(TrainError::TooMany);
        }
        let mut read = self.without_copies();
        for class in [Class::Ham, Class::Spam] {
            if !self.learned.iter().any(|l| l.class == class) {
                return Err(TrainError::Empty(class));
            }
        }
        let clusters = clusters(self.learned.iter().map(|l| &l.sketch));
        read.learned = self.learned.len();
        read.near_copies = clusters.iter().enumerate().filter(|(i, c)| i != *c).count();
        facts.spam = self
            .learned
            .iter()
            .filter(|l| l.class == Class::Spam)
            .count() as u64;
        facts.ham = self.learned.len() as u64 - facts.spam;

        let folds: Vec<u64> = clusters
            .iter()
            .map(|head| {
                let digest = self
                    .learned
                    .get(*head)
                    .and_then(|l| l.digest.first_chunk().copied());
                Random(u64::from_le_bytes(digest.unwrap_or_default()) ^ facts.seed).next() % FOLDS
            })
            .collect();
        let evaluated = [Class::Ham, Class::Spam].into_iter().all(|class| {
            let of_class = |(i, c): (usize, &usize)| {
                i == *c && self.learned.get(i).is_some_and(|l| l.class == class)
            };
            clusters.iter().enumerate().filter(|x| of_class(*x)).count() >= EVALUATED
        });
        let folds = evaluated.then_some(folds.as_slice());
        let (engine, evaluation) = match self.kind {
            EngineKind::Osb => self.osb(facts, folds),
            EngineKind::Bayespam => self.bayespam(facts, folds),
        };
        Ok(Trained {
            engine,
            evaluation,
            read,
        })
    }

    /// Puts the messages in an order of their own and leaves out copies and contradictions.
    fn without_copies(&mut self) -> Read {
        let mut read = Read::default();
        self.learned
            .sort_by(|a, b| (a.digest, a.class, &a.name).cmp(&(b.digest, b.class, &b.name)));
        let mut kept: Vec<Learned> = Vec::with_capacity(self.learned.len());
        for learned in std::mem::take(&mut self.learned) {
            match kept.last_mut() {
                Some(last) if last.digest == learned.digest && last.class == learned.class => {
                    read.copies += 1
                }
                _ => kept.push(learned),
            }
        }
        let mut contradictions: Vec<[u8; 32]> = kept
            .windows(2)
            .filter_map(|pair| match pair {
                [a, b] if a.digest == b.digest => Some(a.digest),
                _ => None,
            })
            .collect();
        contradictions.dedup();
        read.in_both = contradictions.len();
        kept.retain(|l| contradictions.binary_search(&l.digest).is_err());
        self.learned = kept;
        read
    }

    fn bayespam(&self, facts: Facts, folds: Option<&[u64]>) -> (Engine, Option<Evaluation>) {
        let train = |test: Option<u64>| {
            let chosen = self
                .learned
                .iter()
                .enumerate()
                .filter(|(i, _)| match (test, folds) {
                    (Some(test), Some(folds)) => folds.get(*i) != Some(&test),
                    _ => true,
                });
            Baseline::train(chosen.map(|(_, l)| (l.text.as_str(), l.class == Class::Spam)))
        };
        let evaluation = folds.map(|folds| {
            let judged = (0..FOLDS).into_par_iter().flat_map_iter(|fold| {
                let baseline = train(Some(fold));
                self.of_fold(folds, fold)
                    .map(|l| {
                        let probability = baseline.probability(&l.text);
                        l.judged(probability, odds(probability))
                    })
                    .collect::<Vec<_>>()
            });
            Evaluation {
                judged: judged.collect(),
            }
        });
        let mut baseline = train(None);
        baseline.facts = facts;
        (baseline.into(), evaluation)
    }

    fn of_fold<'a>(&'a self, folds: &'a [u64], fold: u64) -> impl Iterator<Item = &'a Learned> {
        self.learned
            .iter()
            .zip(folds)
            .filter(move |(_, f)| **f == fold)
            .map(|(l, _)| l)
    }

    fn osb(mut self, facts: Facts, folds: Option<&[u64]>) -> (Engine, Option<Evaluation>) {
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
                        .filter(|(_, f)| **f != fold)
                        .map(|(l, _)| *l)
                        .collect();
                    let pair = Pair::train(&others, entries.len(), places, facts.seed);
                    self.of_fold(folds, fold)
                        .map(|l| (pair.log_odds(l), l))
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
        let calibration = Calibration::fit(&outcomes(None));
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

        let pair = Pair::train(&all, entries.len(), places, facts.seed);
        for (entry, weight) in entries.iter_mut().zip(&pair.words.of) {
            entry.weight = *weight;
        }
        entries.sort_unstable_by_key(|e| e.hash);
        let model = Model::new(
            self.settings,
            facts,
            calibration,
            (pair.words.bias, entries),
            (pair.runs.bias, pair.runs.of),
        );
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
        let least = (SEEN_IN..)
            .find(|least| kept(*least).count() <= ENTRIES)
            .unwrap_or(SEEN_IN);
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
                    weight: 0.0,
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

impl Learned {
    fn judged(&self, probability: f64, odds: f64) -> Judged {
        Judged {
            class: self.class,
            probability,
            odds,
            name: self.name.clone(),
        }
    }
}

/// The two learners of the engine `osb`.
struct Pair {
    words: logistic::Weights,
    runs: logistic::Weights,
}

impl Pair {
    fn train(learned: &[&Learned], words: usize, places: usize, seed: u64) -> Pair {
        let examples = |of: fn(&Learned) -> (&[u32], usize)| -> Vec<Example<'_>> {
            learned
                .iter()
                .map(|l| {
                    let (features, total) = of(l);
                    Example {
                        features,
                        total,
                        spam: l.class == Class::Spam,
                    }
                })
                .collect()
        };
        Pair {
            words: logistic::train(&examples(|l| (&l.words, l.total)), words, WORD_STEPS, seed),
            runs: logistic::train(
                &examples(|l| (&l.runs, l.runs.len())),
                places,
                RUN_STEPS,
                !seed,
            ),
        }
    }

    fn log_odds(&self, learned: &Learned) -> f64 {
        f64::from(combine(
            self.words.log_odds(&learned.words, learned.total),
            self.runs.log_odds(&learned.runs, learned.runs.len()),
        ))
    }
}

/// Judges messages that the engine has not learned, to see how it does on another corpus.
pub fn judge_all(engine: &Engine, class: Class, samples: Vec<Sample>) -> Vec<Judged> {
    samples
        .into_par_iter()
        .map(|sample| {
            let mail = Mail::parse(sample.raw, &Limits::default());
            let judgement = engine.judge(&mail, usize::MAX, 0);
            Judged {
                class,
                probability: judgement.probability,
                odds: judgement.odds,
                name: (sample.path, sample.number),
            }
        })
        .collect()
}

/// Features are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
