//! Logistic regression over sparse features that are there or not.
//!
//! Trained message by message with a step width of its own for each weight (AdaGrad; Duchi, Hazan and
//! Singer 2011): features that come seldom are learned fast, those that come always slowly. Each message
//! counts as a vector of length 1, so long messages do not shout down short ones, and words that were
//! never seen draw the result to the middle. In training all ham together counts six times as much as all spam,
//! however many messages of each there are; what that does to the middle the calibration takes out. And features that are
//! far more frequent in one class are learned faster there than those that tell little.
//!
//! Deterministic: the same examples in the same order with the same seed give the same weights.

use super::store::{Row, Store};

/// How to train. The values were found on a public corpus, see docs/accuracy.md.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    /// Passes over all examples.
    pub(super) passes: usize,
    /// Features of fewer examples get no weight: one sighting tells more of the message than of the class.
    pub(super) least: u32,
}

/// Step width of weights.
const RATE: f32 = 1.0;
/// Step width of the bias.
const BIAS_RATE: f32 = 0.1;
/// In training, errors below it are none: right enough, nothing more to learn.
const MARGIN: f32 = 0.04;
/// And in a lesson, which is given once.
const MARGIN_OF_LESSONS: f32 = 0.01;
/// How many spam messages one ham message counts for in training: ham that looks like spam is what filters lose.
const HAM: f32 = 6.0;
/// What the step width of a feature is multiplied by in training, whatever its counts say.
const PACE: f32 = 0.75;
/// And how much more for each unit of log odds that its counts say, for ham or for spam.
const PACE_BY_COUNTS: f32 = 0.125;

/// One weight, and what it has moved so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Weight {
    pub(super) value: f32,
    pub(super) slowed: f32,
}

impl Weight {
    /// Moves the weight against the gradient, `pace` times as far as usual.
    fn step(&mut self, gradient: f32, pace: f32) {
        step(&mut self.value, &mut self.slowed, gradient, pace * RATE);
    }

    /// Moves a bias against the error.
    pub(super) fn step_bias(&mut self, error: f32) {
        step(&mut self.value, &mut self.slowed, error, BIAS_RATE);
    }
}

/// The step of a weight that is kept in two places.
pub(super) fn step_parts(value: &mut f32, slowed: &mut f32, gradient: f32) {
    step(value, slowed, gradient, RATE);
}

fn step(value: &mut f32, slowed: &mut f32, gradient: f32, rate: f32) {
    *slowed += gradient * gradient;
    *value -= rate * gradient / (slowed.sqrt() + 1e-3);
}

/// How wrong log odds are, as a gradient.
fn error(odds: f32, spam: bool) -> f32 {
    1.0 / (1.0 + (-odds).exp()) - f32::from(u8::from(spam))
}

/// The same in a lesson; `None` when they are right enough.
pub(super) fn error_of_lesson(odds: f32, spam: bool) -> Option<f32> {
    Some(error(odds, spam)).filter(|error| error.abs() >= MARGIN_OF_LESSONS)
}

/// Weights of features by number, and the bias.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Weights {
    /// By number of the feature.
    pub(super) of: Vec<Weight>,
    /// Added to every message.
    pub(super) bias: Weight,
}

/// One message as it is trained on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Example {
    /// Which row its features are.
    pub(super) row: usize,
    /// How many features it has, those without a number included; none where all have one.
    pub(super) total: Option<usize>,
    /// Whether it is spam.
    pub(super) spam: bool,
}

/// What a feature counts in a message of `total` features.
pub(super) fn share(total: usize) -> f32 {
    1.0 / (total.max(1) as f32).sqrt()
}

impl Weights {
    /// Log odds for spam of a message; 0 for one without features.
    pub(super) fn log_odds(&self, features: &[u32], total: usize) -> f32 {
        if features.is_empty() {
            return 0.0;
        }
        let sum: f32 = features
            .iter()
            .map(|f| self.of.get(*f as usize).map_or(0.0, |w| w.value))
            .sum();
        self.bias.value + share(total) * sum
    }

    /// Adds the weights of another fit to the same features, or becomes them if there are none yet.
    pub(super) fn add(&mut self, other: &Weights) {
        if self.of.is_empty() {
            self.clone_from(other);
            return;
        }
        for (weight, more) in self.of.iter_mut().zip(&other.of) {
            weight.value += more.value;
            weight.slowed += more.slowed;
        }
        self.bias.value += other.bias.value;
        self.bias.slowed += other.bias.slowed;
    }

    /// Multiplies all weights.
    pub(super) fn scale(&mut self, by: f32) {
        for weight in self.of.iter_mut().chain([&mut self.bias]) {
            weight.value *= by;
            weight.slowed *= by;
        }
    }

    /// One step, if the message is not right enough.
    pub(super) fn learn(&mut self, features: &[u32], spam: bool) {
        if let Some(error) = error_of_lesson(self.log_odds(features, features.len()), spam) {
            let gradient = error * share(features.len());
            for feature in features {
                if let Some(weight) = self.of.get_mut(*feature as usize) {
                    weight.step(gradient, 1.0);
                }
            }
            if !features.is_empty() {
                self.bias.step_bias(error);
            }
        }
    }
}

/// Trains on `examples`, whose features are in `rows` and have numbers below `features`.
pub(super) fn train(
    mut examples: Vec<Example>,
    rows: &Store,
    features: usize,
    steps: Steps,
    seed: u64,
) -> Weights {
    let mut row = Row::default();
    let spam = examples.iter().filter(|e| e.spam).count();
    let half = examples.len() as f32 / 2.0;
    let spam_weight = half / (spam.max(1) as f32);
    let ham_weight = HAM * half / ((examples.len() - spam).max(1) as f32);
    let paces = paces(&examples, rows, features, steps.least);
    let mut weights = Weights {
        of: vec![Weight::default(); features],
        bias: Weight::default(),
    };

    let mut random = Random(seed);
    for _ in 0..steps.passes {
        random.shuffle(&mut examples);
        // What is right enough is not asked again: most messages are after two passes.
        examples.retain(|example| {
            let features = rows.row(example.row, &mut row);
            let total = example.total.unwrap_or(features.len());
            let weight = if example.spam {
                spam_weight
            } else {
                ham_weight
            };
            let odds = weights.log_odds(features, total);
            let error = weight * error(odds, example.spam);
            let wrong = error.abs() >= MARGIN;
            if wrong && !features.is_empty() {
                let gradient = error * share(total);
                for feature in features {
                    let at = *feature as usize;
                    if let (Some(weight), Some(pace)) = (weights.of.get_mut(at), paces.get(at))
                        && *pace > 0.0
                    {
                        weight.step(gradient, *pace);
                    }
                }
                weights.bias.step_bias(error);
            }
            wrong
        });
    }
    weights
}

/// How fast each feature is learned: the faster the more its counts say, as naive Bayes would have it (Wang and Manning 2012);
/// 0 for one that fewer than `least` examples have.
fn paces(examples: &[Example], rows: &Store, features: usize, least: u32) -> Vec<f32> {
    let mut row = Row::default();
    let mut seen = vec![[0_u32; 2]; features];
    for example in examples {
        for feature in rows.row(example.row, &mut row) {
            if let Some([ham, spam]) = seen.get_mut(*feature as usize) {
                *(if example.spam { spam } else { ham }) += 1;
            }
        }
    }
    let all_spam = examples.iter().filter(|e| e.spam).count();
    let all_ham = examples.len() - all_spam;
    // Laplace's rule of succession.
    let share = |seen: u32, all: usize| (seen as f32 + 1.0) / (all as f32 + 2.0);
    let pace = |[ham, spam]: [u32; 2]| match ham + spam >= least {
        true => {
            let odds = (share(spam, all_spam) / share(ham, all_ham)).ln();
            PACE + PACE_BY_COUNTS * odds.abs()
        }
        false => 0.0,
    };
    seen.into_iter().map(pace).collect()
}

/// Numbers that look random and are the same for the same seed everywhere (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = (self.next() % (i as u64 + 1)) as usize;
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::bayes::store::Packed;

    const STEPS: Steps = Steps {
        passes: 6,
        least: 2,
    };

    fn corpus(ham: usize, spam: usize) -> Vec<(Vec<u32>, bool)> {
        let mut random = Random(1);
        (0..ham + spam)
            .map(|i| {
                let spam = i >= ham;
                let own = if spam { 100 } else { 0 };
                let mut features: Vec<u32> = (0..10)
                    .map(|_| own + (random.next() % 100) as u32)
                    .chain((0..10).map(|_| 50 + (Random(i as u64).next() % 100) as u32))
                    .collect();
                features.sort_unstable();
                features.dedup();
                (features, spam)
            })
            .collect()
    }

    fn trained(corpus: &[(Vec<u32>, bool)], seed: u64) -> Weights {
        let mut rows = Store::new(usize::MAX);
        let mut examples = Vec::new();
        for (row, (features, spam)) in corpus.iter().enumerate() {
            rows.push(&Packed::of(&mut features.clone()));
            examples.push(Example {
                row,
                total: None,
                spam: *spam,
            });
        }
        train(examples, &rows, 200, STEPS, seed)
    }

    #[test]
    fn classes_are_told_apart_also_at_ten_to_one() {
        for (ham, spam) in [(200, 200), (500, 50), (50, 500)] {
            let weights = trained(&corpus(ham, spam), 7);
            let ham_like: Vec<u32> = (0..40).collect();
            let spam_like: Vec<u32> = (150..190).collect();
            assert!(weights.log_odds(&ham_like, 40) < 0.0, "{ham}:{spam}");
            assert!(weights.log_odds(&spam_like, 40) > 0.0, "{ham}:{spam}");
            // Unweighted classes give 4.8 here; the calibration takes care of what is left.
            let neither: Vec<u32> = (50..150).collect();
            let odds = weights.log_odds(&neither, 100);
            assert!(
                odds.abs() < 4.0,
                "{ham}:{spam} gives {odds} to what is neither"
            );
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_weights() {
        let corpus = corpus(50, 50);
        assert_eq!(trained(&corpus, 3), trained(&corpus, 3));
        assert_ne!(trained(&corpus, 3), trained(&corpus, 4));
    }
}
