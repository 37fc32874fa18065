//! The learning filter: it was shown ham and spam, and says how much a message is like either.
//!
//! In: the parsed message. Out: one hit, `BAYES_SPAM`, `BAYES_HAM` or `BAYES_UNSURE`, with a score from
//! the probability by a curve that never falls, and as evidence the probability and the features that
//! spoke most. Without a model every message is skipped; with too little learned none gets points.
//!
//! The way of a message: [`words`] and [`tokens`] read it, [`features`] turns the reading into numbers,
//! [`model`] looks the numbers up and adds weights, [`calibration`] makes a probability of the sum,
//! [`curve`] a score. The way of a corpus: [`training`] reads it the same way, [`logistic`] finds the
//! weights, [`duplicates`] and [`evaluation`] keep the figures honest, [`format`] and [`durable`] put the
//! model on disk.
//!
//! A model never changes while it is used: the chain is rebuilt with the new one. The same message
//! and model give the same result on every machine.

mod autolearn;
mod baseline;
mod calibration;
mod check;
mod curve;
mod duplicates;
pub(crate) mod durable;
mod engine;
mod evaluation;
mod features;
mod fitting;
mod format;
mod held;
mod identity;
mod journal;
mod learner;
mod lesson;
pub(crate) mod list;
mod live;
#[cfg(test)]
mod live_tests;
mod logistic;
mod model;
mod names;
mod options;
pub(crate) mod place;
mod ranking;
mod receiving;
mod route;
mod store;
mod table;
mod teacher;
#[cfg(test)]
mod tests;
mod tokens;
mod training;
mod undone;
mod vocabulary;
mod words;

pub use autolearn::Autolearn;
pub use baseline::BaselineLearner;
pub use duplicates::{Sketch, clusters};
pub use engine::{Engine, EngineKind, Judgement, ModelError};
pub use evaluation::{Evaluation, Judged};
pub use journal::{Journal, Position};
pub use learner::Learner;
pub use lesson::{Change, Digest, Lesson, Origin, Teaching};
pub use live::current;
pub(crate) use logistic::Random;
pub use model::{Facts, Telling};
pub use options::{MODEL, Options, Point, build};
pub use ranking::Ranking;
pub use receiving::Receiving;
pub use teacher::{TeachError, Teacher};
pub use training::{Read, TrainError, Trained, Trainer};

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Wanted, or at least not unasked.
    Ham,
    /// Spam, phishing, malware.
    Spam,
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Class::Ham => "ham",
            Class::Spam => "spam",
        })
    }
}
