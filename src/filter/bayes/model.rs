//! A trained model: what was learned, and the probability that it gives to a message.

use super::Class;
use super::calibration::Calibration;
use super::features::{Features, Settings, VIEWS};
use super::journal::Position;
use super::lesson::Ledger;
use super::logistic::{Weight, Weights, error_of_lesson, share, step_parts};
use super::names::Names;
use super::table::Table;

/// How much each view counts beside words and pairs, in the order of [`View`](super::features::View); measured, see
/// docs/accuracy.md.
pub(super) const COUNTS: [f32; VIEWS] = [0.5, 0.5, 0.25, 1.0];
/// With so many messages of the rarer class learned, log odds count three quarters of what they say.
const HALF_KNOWN: f64 = 20.0;

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Ham messages learned.
    pub ham: u64,
    /// Spam messages learned.
    pub spam: u64,
    /// When it was trained, seconds since 1970; of a model that only lessons made, when the latest of them was given.
    pub trained_at: u64,
    /// The seed of the training.
    pub seed: u64,
    /// The paths that were learned from, as given; none for a model that only lessons made.
    pub sources: Vec<String>,
    /// What the evaluation in training found, in lines `name value`; empty for a corpus too small for one.
    pub figures: Vec<String>,
}

/// A model of the engine `osb`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) settings: Settings,
    pub(super) facts: Facts,
    pub(super) calibration: Calibration,
    /// Of words and pairs.
    pub(super) table: Table,
    pub(super) bias: Weight,
    /// Of each view.
    pub(super) views: [Weights; VIEWS],
    /// The messages that it was made from.
    pub(super) ledger: Ledger,
    /// Up to where it holds the journal.
    pub(super) position: Position,
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
    /// A model that knows nothing yet.
    pub(super) fn empty(settings: Settings) -> Model {
        let places = 1_usize << settings.grid_bits.clamp(6, 24);
        let grid = Weights {
            of: vec![Weight::default(); places],
            bias: Weight::default(),
        };
        Model {
            settings,
            facts: Facts::default(),
            calibration: Calibration::untrained(),
            table: Table::default(),
            bias: Weight::default(),
            views: std::array::from_fn(|_| grid.clone()),
            ledger: Ledger::default(),
            position: Position::default(),
        }
    }

    /// How much of the text of a message is read: as in training, but no more than `max_bytes`.
    pub(super) fn max_bytes(&self, max_bytes: usize) -> usize {
        max_bytes.min(self.settings.max_bytes as usize)
    }

    fn word_odds(&self, features: &Features) -> f32 {
        let words: f32 = features.hashes.iter().map(|h| self.table.weight(*h)).sum();
        self.bias.value + share(features.hashes.len()) * words
    }

    /// Log odds for spam, before calibration. Nearer to 0 while little is known of ham or of spam.
    pub(super) fn log_odds(&self, features: &Features) -> f64 {
        let views = self
            .views
            .iter()
            .zip(&features.places)
            .map(|(view, places)| view.log_odds(places, places.len()));
        f64::from(combine(self.word_odds(features), views)) * self.confidence()
    }

    fn confidence(&self) -> f64 {
        let rarer = self.facts.ham.min(self.facts.spam) as f64;
        (rarer + HALF_KNOWN / 2.0) / (rarer + HALF_KNOWN)
    }

    /// The probability of spam, 0 to 1, at even odds beforehand, from log odds.
    pub(super) fn probability(&self, odds: f64) -> f64 {
        self.calibration
            .probability(odds, self.facts.ham, self.facts.spam)
    }

    /// Counts a message in.
    pub(super) fn count(&mut self, features: &Features, class: Class) {
        for hash in &features.hashes {
            if let Some(entry) = self.table.entry(*hash) {
                let count = of(class, &mut entry.ham, &mut entry.spam);
                *count = count.saturating_add(1);
            }
        }
        *of(class, &mut self.facts.ham, &mut self.facts.spam) += 1;
    }

    /// Counts a message out.
    pub(super) fn discount(&mut self, features: &Features, class: Class) {
        for hash in &features.hashes {
            if let Some(entry) = self.table.get_mut(*hash) {
                let count = of(class, &mut entry.ham, &mut entry.spam);
                *count = count.saturating_sub(1);
            }
        }
        let count = of(class, &mut self.facts.ham, &mut self.facts.spam);
        *count = count.saturating_sub(1);
    }

    /// Moves the weights towards a message, where they are not right enough about it already.
    pub(super) fn move_towards(&mut self, features: &Features, class: Class) {
        let spam = class == Class::Spam;
        if let Some(error) = error_of_lesson(self.word_odds(features), spam) {
            let gradient = error * share(features.hashes.len());
            for hash in &features.hashes {
                if let Some(entry) = self.table.get_mut(*hash) {
                    step_parts(&mut entry.weight, &mut entry.slowed, gradient);
                }
            }
            self.bias.step_bias(error);
        }
        for (view, places) in self.views.iter_mut().zip(&features.places) {
            view.learn(places, spam);
        }
    }

    /// The `most` features that moved the result most, the strongest first.
    pub(super) fn telling(&self, features: &Features, names: &Names, most: usize) -> Vec<Telling> {
        let share = share(features.hashes.len());
        let weights = features
            .hashes
            .iter()
            .map(|h| share * self.table.weight(*h));
        let mut strongest: Vec<(usize, f32)> = weights
            .enumerate()
            .filter(|(_, odds)| *odds != 0.0)
            .collect();
        let stronger = |a: &(usize, f32), b: &(usize, f32)| {
            b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0))
        };
        if strongest.len() > most {
            strongest.select_nth_unstable_by(most, stronger);
            strongest.truncate(most);
        }
        strongest.sort_unstable_by(stronger);
        strongest
            .into_iter()
            .filter_map(|(index, odds)| {
                let entry = self.table.get(*features.hashes.get(index)?)?;
                Some(Telling {
                    name: names.name(index)?,
                    odds,
                    ham: entry.ham,
                    spam: entry.spam,
                })
            })
            .collect()
    }
}

/// Of two counts that of a class.
fn of<'a, T>(class: Class, ham: &'a mut T, spam: &'a mut T) -> &'a mut T {
    match class {
        Class::Ham => ham,
        Class::Spam => spam,
    }
}

/// The log odds of words and of the views as one.
pub(super) fn combine(words: f32, views: impl Iterator<Item = f32>) -> f32 {
    words
        + views
            .zip(COUNTS)
            .map(|(view, count)| count * view)
            .sum::<f32>()
}
