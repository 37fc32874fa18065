//! A corpus becomes a model.
//!
//! In: messages with their class. Out: an [`Engine`] and how well it does on messages that it has not
//! seen. Five times, a fifth of the corpus is kept aside, the rest learned, and the fifth judged; near
//! duplicates stay on one side. Those judgements are the evaluation, and the engine's probabilities are
//! calibrated on them. Then everything is learned.
//!
//! Exact copies count once, messages that are in both classes not at all. The same messages and seed
//! give the same model, byte for byte, in whatever order and from whatever folders they come. Memory is bounded but for some
//! 600 bytes a message: what was read of messages goes to a file when it is much ([`super::store`]).

use std::io;
use std::path::PathBuf;

use rayon::prelude::*;

use crate::mail::corpus::Sample;
use crate::mail::{Limits, Mail};

use super::Class;
use super::baseline::{self, Baseline};
use super::duplicates::{Sketch, clusters};
use super::engine::{Engine, EngineKind, odds};
use super::evaluation::{Evaluation, Judged};
use super::features::{Settings, VIEWS, features_in_order};
use super::identity::identity;
use super::lesson::Digest;
use super::logistic::Random;
use super::model::Facts;
use super::receiving::Receiving;
use super::store::{self, Packed, Store};

/// Parts of the corpus, each of which is judged by what the others taught.
pub(super) const FOLDS: u64 = 5;

/// Which fold a message is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fold {
    /// 0 to [`FOLDS`] - 1; near duplicates have the same.
    pub(super) number: u64,
    /// Whether it takes part in the evaluation.
    pub(super) judged: bool,
}

/// With fewer different messages of a class there is no evaluation.
const EVALUATED: usize = 20;
/// Messages that take part in the evaluation at most: more make it slower and no truer.
const EVALUATED_MOST: u64 = 50_000;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A class without messages.
    #[error("there is no {0} to learn from")]
    Empty(Class),
    /// What was read of messages can neither be kept in memory nor in a file.
    #[error(
        "cannot keep what was read in the folder for temporary files: {0}; TMPDIR names another one"
    )]
    Store(io::Error),
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
    pub(super) settings: Settings,
    pub(super) learned: Vec<Learned>,
    /// Hashes of the words and pairs of each message, as they came in.
    pub(super) hashes: Store,
    /// Its places in each view, one row a view.
    pub(super) places: Store,
}

/// A message as it is kept for training.
pub(super) struct Learned {
    pub(super) class: Class,
    /// Of its bytes: what is the same byte for byte is learned once.
    digest: [u8; 32],
    /// What it is known by to later lessons.
    pub(super) identity: Digest,
    name: (PathBuf, Option<usize>),
    sketch: Sketch,
    /// The same for messages that are nearly the same.
    cluster: usize,
    /// The how manieth it came in.
    pub(super) row: usize,
    /// Words and pairs that it has.
    pub(super) total: usize,
    text: String,
}

impl Trainer {
    /// A trainer for an engine.
    pub fn new(kind: EngineKind) -> Trainer {
        Trainer {
            kind,
            settings: Settings::default(),
            learned: Vec::new(),
            hashes: Store::new(store::MEMORY),
            places: Store::new(store::MEMORY),
        }
    }

    /// Chooses the header fields that are not read; to be called before anything is learned.
    pub fn ignoring(mut self, receiving: Receiving) -> Trainer {
        self.settings.receiving = receiving;
        self
    }

    /// Takes messages in, on all cores.
    pub fn learn(&mut self, class: Class, samples: Vec<Sample>) {
        let (kind, settings) = (self.kind, &self.settings);
        let read: Vec<_> = samples
            .into_par_iter()
            .map(|sample| Learned::read(class, sample, kind, settings))
            .collect();
        for (mut learned, hashes, places) in read {
            learned.row = self.hashes.len();
            self.hashes.push(&hashes);
            for places in &places {
                self.places.push(places);
            }
            self.learned.push(learned);
        }
    }

    /// Trains. Of `facts`, what the corpus itself says is filled in.
    ///
    /// # Errors
    /// A class without messages, or no room for temporary files.
    pub fn finish(mut self, mut facts: Facts) -> Result<Trained, TrainError> {
        let mut read = self.without_copies();
        for class in [Class::Ham, Class::Spam] {
            if !self.learned.iter().any(|l| l.class == class) {
                return Err(TrainError::Empty(class));
            }
        }
        let clusters = clusters(self.learned.iter().map(|l| &l.sketch));
        for (learned, cluster) in self.learned.iter_mut().zip(&clusters) {
            learned.cluster = *cluster;
        }
        read.learned = self.learned.len();
        read.near_copies = clusters.iter().enumerate().filter(|(i, c)| i != *c).count();
        facts.spam = self
            .learned
            .iter()
            .filter(|l| l.class == Class::Spam)
            .count() as u64;
        facts.ham = self.learned.len() as u64 - facts.spam;

        let folds: Vec<Fold> = clusters
            .iter()
            .map(|head| {
                let digest = self
                    .learned
                    .get(*head)
                    .and_then(|l| l.digest.first_chunk().copied());
                let mut random =
                    Random(u64::from_le_bytes(digest.unwrap_or_default()) ^ facts.seed);
                Fold {
                    number: random.next() % FOLDS,
                    judged: random.next() % (facts.ham + facts.spam).max(1) < EVALUATED_MOST,
                }
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
            EngineKind::Osb => self.osb(facts, folds).map_err(TrainError::Store)?,
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

    fn bayespam(&self, facts: Facts, folds: Option<&[Fold]>) -> (Engine, Option<Evaluation>) {
        let train = |test: Option<u64>| {
            let chosen = self
                .learned
                .iter()
                .enumerate()
                .filter(|(i, _)| match (test, folds) {
                    (Some(test), Some(folds)) => {
                        folds.get(*i).is_some_and(|f| f.judged && f.number != test)
                    }
                    _ => true,
                });
            Baseline::train(chosen.map(|(_, l)| (l.text.as_str(), l.class == Class::Spam)))
        };
        let evaluation = folds.map(|folds| {
            let judged = (0..FOLDS).into_par_iter().flat_map_iter(|fold| {
                let baseline = train(Some(fold));
                let of_fold = self
                    .learned
                    .iter()
                    .zip(folds)
                    .filter(move |(_, f)| f.judged && f.number == fold);
                let judged = of_fold.map(|(l, _)| {
                    let probability = baseline.probability(&l.text);
                    l.judged(probability, odds(probability))
                });
                judged.collect::<Vec<_>>()
            });
            Evaluation {
                judged: judged.collect(),
            }
        });
        let mut baseline = train(None);
        baseline.facts = facts;
        (baseline.into(), evaluation)
    }
}

impl Learned {
    /// A message that has no row yet, its words and pairs, and its places in each view.
    fn read(
        class: Class,
        sample: Sample,
        kind: EngineKind,
        settings: &Settings,
    ) -> (Learned, Packed, [Packed; VIEWS]) {
        let max_bytes = settings.max_bytes as usize;
        let digest = *blake3::hash(&sample.raw).as_bytes();
        let mail = Mail::parse(sample.raw, &Limits::default());
        let mut features = features_in_order(&mail, settings, max_bytes);
        let learned = Learned {
            class,
            digest,
            identity: identity(&mail),
            name: (sample.path, sample.number),
            sketch: Sketch::of(&features.hashes),
            cluster: 0,
            row: 0,
            total: features.hashes.len(),
            text: match kind {
                EngineKind::Osb => String::new(),
                EngineKind::Bayespam => baseline::text(&mail, max_bytes),
            },
        };
        let places = features.places.each_mut().map(Packed::of);
        (learned, Packed::of(&mut features.hashes), places)
    }

    pub(super) fn judged(&self, probability: f64, odds: f64) -> Judged {
        Judged {
            class: self.class,
            probability,
            odds,
            name: self.name.clone(),
            cluster: self.cluster,
        }
    }
}
