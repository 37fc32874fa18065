//! A model that learns while it is used: message by message, and takes back what it was taught wrongly.
//!
//! In: a model, which may be empty, and lessons. Out: a model at any time. A lesson counts the message, moves the
//! weights towards it and then towards a few messages of earlier lessons, of both classes in turn, so that
//! what comes in floods does not push out what comes seldom. A lesson that undoes an earlier one is exact: the
//! model is then the same, bit for bit, as if the undone lesson had never been given. For messages
//! of the training itself that holds for what is counted, not for weights: those need a new training.
//!
//! The same model and lessons give the same result everywhere. Memory: the features of the lessons, some 7 KB each.

use std::sync::Arc;

use crate::mail::Mail;

use super::Class;
use super::calibration::Calibration;
use super::engine::{Engine, Judgement};
use super::features::{Features, Settings, features};
use super::held::Held;
use super::identity::identity;
use super::journal::Position;
use super::lesson::{Change, Digest, Lesson, Origin, Teaching};
use super::logistic::Random;
use super::model::Model;
use super::receiving::Receiving;

/// Earlier messages that each lesson repeats.
const REPEATED: usize = 4;
/// Messages of each class that are kept to be repeated.
const KEPT: usize = 2_000;
/// Judgements on messages before they were learned, to calibrate a model that has no training.
const OUTCOMES: usize = 2_000;
/// Lessons between two calibrations.
const CALIBRATED: u64 = 50;

/// A model and what it needs to go on learning.
#[derive(Clone, Debug)]
pub struct Learner {
    model: Model,
    /// What the lessons began with, to begin with it again.
    base: Option<Arc<Model>>,
    /// Lessons since then that still hold.
    history: Vec<Arc<Lesson>>,
    kept: [Vec<Arc<Lesson>>; 2],
    /// Lessons that changed something, since the beginning.
    lessons: u64,
    random: Random,
    outcomes: Vec<(f64, bool)>,
}

impl Learner {
    /// Goes on from an engine. With `history` lessons can be undone exactly; without, memory stays the same
    /// however many there are, and undoing takes counts back but not weights.
    ///
    /// # Errors
    /// The engine `bayespam` cannot go on learning: its table has no order to learn in.
    pub fn new(engine: Engine, history: bool) -> Result<Learner, &'static str> {
        let model = engine
            .into_model()
            .ok_or("the engine bayespam learns only in training; use `engine: osb`")?;
        let base = history.then(|| Arc::new(model.clone()));
        Ok(Learner::from_model(model, base))
    }

    /// A learner that knows nothing yet, and keeps no history: for evaluations in the order of time.
    pub fn empty() -> Learner {
        Learner::from_model(Model::empty(Settings::default()), None)
    }

    /// Chooses the header fields that are not read; to be called before anything is learned.
    pub fn ignoring(mut self, receiving: Receiving) -> Learner {
        self.model.settings.receiving = receiving;
        self
    }

    fn from_model(model: Model, base: Option<Arc<Model>>) -> Learner {
        Learner {
            model,
            base,
            history: Vec::new(),
            kept: [Vec::new(), Vec::new()],
            lessons: 0,
            random: Random(0x6D61_696C),
            outcomes: Vec::new(),
        }
    }

    /// Judges a message by what was learned so far.
    pub fn classify(&self, mail: &Mail) -> Judgement {
        super::engine::judge(&self.model, mail, usize::MAX, 0)
    }

    /// Judges a message, then learns it: one step of an evaluation in the order of time.
    pub fn classify_then_learn(&mut self, mail: &Mail, class: Class) -> Judgement {
        let lesson = self.lesson(mail, Teaching::Learn(class), Origin::Human, 0);
        let odds = self.model.log_odds(&lesson.features);
        let judgement = Judgement {
            probability: self.model.probability(odds),
            odds,
            telling: Vec::new(),
        };
        self.apply(lesson);
        judgement
    }

    /// Learns a message as a person says it is.
    pub fn learn(&mut self, mail: &Mail, class: Class) -> Change {
        let lesson = self.lesson(mail, Teaching::Learn(class), Origin::Human, 0);
        self.apply(lesson)
    }

    /// Makes it as if the message had never been learned.
    pub fn unlearn(&mut self, mail: &Mail) -> Change {
        let lesson = self.lesson(mail, Teaching::Forget, Origin::Human, 0);
        self.apply(lesson)
    }

    fn lesson(&self, mail: &Mail, teaching: Teaching, origin: Origin, at: u64) -> Lesson {
        lesson(&self.model, mail, teaching, origin, at)
    }

    /// Takes a lesson and says what it changed.
    pub fn apply(&mut self, lesson: Lesson) -> Change {
        let before = self.model.ledger.known(&lesson.digest);
        let change = self.model.ledger.enter(&lesson);
        match (change, before) {
            (Change::None, _) => {}
            (Change::Learned(class), _) => self.learn_lesson(Arc::new(lesson), class),
            (Change::Relabelled(_) | Change::Forgotten(_), Some(before)) => {
                let undone = self.history.iter().any(|l| l.digest == lesson.digest);
                if undone {
                    self.start_over_without(&lesson.digest);
                    // Its place in the ledger is as it was before all lessons: enter this one anew.
                    return match self.apply(lesson) {
                        Change::None | Change::Learned(_) => change,
                        other => other,
                    };
                }
                self.model.discount(&lesson.features, before.class);
                match change {
                    Change::Relabelled(class) => self.learn_lesson(Arc::new(lesson), class),
                    _ if self.base.is_some() => self.history.push(Arc::new(lesson)),
                    _ => {}
                }
            }
            // Nothing is relabelled or forgotten that was not known.
            (Change::Relabelled(_) | Change::Forgotten(_), None) => {}
        }
        change
    }

    /// Takes lessons, the oldest first. What comes out is the same as by [`Learner::apply`] for each, but however many of them
    /// undo earlier ones, all is learned anew once at most.
    pub(super) fn apply_all(&mut self, lessons: Vec<Lesson>) {
        let Some(base) = self.base.clone() else {
            for lesson in lessons {
                self.apply(lesson);
            }
            return;
        };
        let mut held = Held::of(&base.ledger, &self.history);
        for lesson in lessons {
            held.take(&Arc::new(lesson));
        }
        if held.undone() {
            self.start_over(Arc::clone(&base));
        }
        for lesson in held.into_new() {
            self.apply(Arc::unwrap_or_clone(lesson));
        }
    }

    fn learn_lesson(&mut self, lesson: Arc<Lesson>, class: Class) {
        self.lessons += 1;
        // Whoever trains a model says from what.
        if self.model.facts.sources.is_empty() {
            self.note(&lesson.features, class);
            let facts = &mut self.model.facts;
            facts.trained_at = facts.trained_at.max(lesson.at);
        }
        self.model.count(&lesson.features, class);
        self.model.move_towards(&lesson.features, class);
        for turn in 0..REPEATED {
            let [ham, spam] = &self.kept;
            if ham.is_empty() || spam.is_empty() {
                break;
            }
            let (from, class) = if turn % 2 == 0 {
                (ham, Class::Ham)
            } else {
                (spam, Class::Spam)
            };
            let at = (self.random.next() % from.len() as u64) as usize;
            if let Some(earlier) = from.get(at).map(Arc::clone) {
                self.model.move_towards(&earlier.features, class);
            }
        }
        let [ham, spam] = &mut self.kept;
        let kept = if class == Class::Ham { ham } else { spam };
        if kept.len() < KEPT {
            kept.push(Arc::clone(&lesson));
        } else {
            // Some old one makes room; the older it is, the likelier it went before.
            let at = (self.random.next() % KEPT as u64) as usize;
            if let Some(slot) = kept.get_mut(at) {
                *slot = Arc::clone(&lesson);
            }
        }
        if self.base.is_some() {
            self.history.push(lesson);
        }
    }

    /// Notes how a message is judged before it is learned, and calibrates on such judgements. Only for models without
    /// a training: what people teach a trained model is mostly what it got wrong.
    fn note(&mut self, features: &Features, class: Class) {
        let outcome = (self.model.log_odds(features), class == Class::Spam);
        if self.outcomes.len() < OUTCOMES {
            self.outcomes.push(outcome);
        } else if let Some(slot) = self
            .outcomes
            .get_mut((self.lessons % OUTCOMES as u64) as usize)
        {
            *slot = outcome;
        }
        if self.lessons.is_multiple_of(CALIBRATED) {
            let spam = self.outcomes.iter().filter(|o| o.1).count();
            if spam >= 50 && self.outcomes.len() - spam >= 50 {
                self.model.calibration = Calibration::fit(&self.outcomes);
            }
        }
    }

    fn start_over_without(&mut self, digest: &Digest) {
        let Some(base) = self.base.clone() else {
            return;
        };
        for lesson in self.start_over(base) {
            if lesson.digest != *digest {
                self.apply(Arc::unwrap_or_clone(lesson));
            }
        }
    }

    /// Forgets all lessons, and gives those that held.
    fn start_over(&mut self, base: Arc<Model>) -> Vec<Arc<Lesson>> {
        let position = self.model.position;
        let history = std::mem::take(&mut self.history);
        *self = Learner::from_model(Model::clone(&base), Some(base));
        self.model.position = position;
        history
    }

    /// The model as it is now, for use beside this learner.
    pub fn snapshot(&self) -> Engine {
        self.model.clone().into()
    }

    /// Lessons that changed something and still hold.
    pub fn held(&self) -> usize {
        self.history.len()
    }

    pub(super) fn set_position(&mut self, position: Position) {
        self.model.position = position;
    }
}

/// A lesson about a message, read as `model` reads it.
pub(super) fn lesson(
    model: &Model,
    mail: &Mail,
    teaching: Teaching,
    origin: Origin,
    at: u64,
) -> Lesson {
    Lesson {
        digest: identity(mail),
        teaching,
        origin,
        at,
        features: features(mail, &model.settings, model.settings.max_bytes as usize),
    }
}
