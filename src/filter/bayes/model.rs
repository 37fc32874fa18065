//! A trained model: what was learned, and the probability that it gives to a message.

use crate::mail::Mail;

use super::calibration::Calibration;
use super::features::{self, Features, Settings};
use super::logistic::share;
use super::table::Table;

/// How much runs of bytes count beside words; measured, see docs/classifier.md.
pub(super) const RUNS_WEIGHT: f32 = 0.5;

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Ham messages learned.
    pub ham: u64,
    /// Spam messages learned.
    pub spam: u64,
    /// When it was trained, seconds since 1970.
    pub trained_at: u64,
    /// The seed of the training.
    pub seed: u64,
    /// The paths that were learned from, as given.
    pub sources: Vec<String>,
}

/// What is known of one feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    /// Its hash.
    pub(super) hash: u64,
    /// Ham messages that have it.
    pub(super) ham: u32,
    /// Spam messages that have it.
    pub(super) spam: u32,
    /// Its weight; above 0 for spam.
    pub(super) weight: f32,
}

/// A model of the engine `osb`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) settings: Settings,
    pub(super) facts: Facts,
    pub(super) calibration: Calibration,
    pub(super) word_bias: f32,
    pub(super) run_bias: f32,
    /// By hash, ascending.
    pub(super) entries: Vec<Entry>,
    /// Weight of each place of the grid of runs.
    pub(super) grid: Vec<f32>,
    table: Table,
}

/// One feature that spoke for or against a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Telling {
    /// The feature: field and words, as found in the message.
    pub name: String,
    /// Its part in the log odds; above 0 for spam.
    pub odds: f32,
    /// Ham messages that had it in training.
    pub ham: u32,
    /// Spam messages that had it in training.
    pub spam: u32,
}

impl Model {
    /// Puts a model together. `entries` ascend by hash.
    pub(super) fn new(
        settings: Settings,
        facts: Facts,
        calibration: Calibration,
        (word_bias, entries): (f32, Vec<Entry>),
        (run_bias, grid): (f32, Vec<f32>),
    ) -> Model {
        let table = Table::new(entries.iter().map(|e| (e.hash, e.weight)));
        Model {
            settings,
            facts,
            calibration,
            word_bias,
            run_bias,
            entries,
            grid,
            table,
        }
    }

    /// How a message is read: as in training, but no more than `max_bytes` of its text.
    pub(super) fn settings(&self, max_bytes: usize) -> Settings {
        let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        Settings {
            max_bytes: self.settings.max_bytes.min(max_bytes),
            ..self.settings
        }
    }

    /// Log odds for spam, before calibration.
    pub(super) fn log_odds(&self, features: &Features) -> f32 {
        let words: f32 = features.hashes.iter().map(|h| self.table.weight(*h)).sum();
        let runs: f32 = features
            .runs
            .iter()
            .map(|r| self.grid.get(*r as usize).copied().unwrap_or(0.0))
            .sum();
        combine(
            self.word_bias + share(features.hashes.len()) * words,
            self.run_bias + share(features.runs.len()) * runs,
        )
    }

    /// Log odds for spam at even odds beforehand, however little was learned.
    pub(super) fn calibrated(&self, features: &Features) -> f64 {
        self.calibration.slope * f64::from(self.log_odds(features)) + self.calibration.offset
    }

    /// The probability of spam, 0 to 1, at even odds beforehand.
    pub(super) fn probability(&self, features: &Features) -> f64 {
        let odds = f64::from(self.log_odds(features));
        self.calibration
            .probability(odds, self.facts.ham, self.facts.spam)
    }

    /// The `most` features that moved the result most, the strongest first.
    pub(super) fn telling(
        &self,
        mail: &Mail,
        settings: &Settings,
        features: &Features,
        most: usize,
    ) -> Vec<Telling> {
        let share = share(features.hashes.len());
        let mut strongest: Vec<(u64, f32)> = features
            .hashes
            .iter()
            .map(|h| (*h, share * self.table.weight(*h)))
            .filter(|(_, odds)| *odds != 0.0)
            .collect();
        let stronger =
            |a: &(u64, f32), b: &(u64, f32)| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0));
        if strongest.len() > most {
            strongest.select_nth_unstable_by(most, stronger);
            strongest.truncate(most);
        }
        strongest.sort_unstable_by(stronger);
        let wanted: Vec<u64> = strongest.iter().map(|(h, _)| *h).collect();
        let names = features::names(mail, settings, &wanted);
        strongest
            .into_iter()
            .filter_map(|(hash, odds)| {
                let (_, name) = names.iter().find(|(h, _)| *h == hash)?;
                let at = self.entries.binary_search_by_key(&hash, |e| e.hash).ok()?;
                let entry = self.entries.get(at)?;
                Some(Telling {
                    name: name.clone(),
                    odds,
                    ham: entry.ham,
                    spam: entry.spam,
                })
            })
            .collect()
    }
}

/// The log odds of words and of runs of bytes as one.
pub(super) fn combine(words: f32, runs: f32) -> f32 {
    words + RUNS_WEIGHT * runs
}
