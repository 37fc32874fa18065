//! Lessons that people give a running daemon.
//!
//! In: a message and what it is. Out: a lesson in the journal of the model in force, durable before the answer; it
//! counts within a second or two. A lesson is the same whichever way it came, so a message that is learned here and by
//! `mailweir learn` is learned once.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::mail::Mail;

use super::engine::{Engine, EngineKind, ModelError};
use super::lesson::{Origin, Teaching};
use super::live::Live;

/// Takes lessons for the model in force.
#[derive(Clone)]
pub struct Teacher(Arc<Live>);

impl std::fmt::Debug for Teacher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Teacher")
    }
}

/// What became of a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taught {
    /// It is in the journal, durably.
    Kept,
    /// The engine in force learns only in training.
    OnlyInTraining,
}

impl Teacher {
    pub(super) fn of(live: &Arc<Live>) -> Teacher {
        Teacher(Arc::clone(live))
    }

    /// Teaches what a person says of a message. Waits for the disk: not for async threads.
    ///
    /// # Errors
    /// What the system says; the lesson is then not taken.
    pub fn teach(&self, mail: &Mail, teaching: Teaching) -> Result<Taught, ModelError> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH);
        let at = at.unwrap_or_default().as_secs();
        let lesson = match self.0.engine() {
            Some(engine) => engine.lesson(mail, teaching, Origin::Human, at),
            // What is learned before the first training waits in the journal for it.
            None => self.0.first(mail, teaching, at),
        };
        match lesson {
            None => Ok(Taught::OnlyInTraining),
            Some(lesson) => {
                self.0.teach(lesson)?;
                Ok(Taught::Kept)
            }
        }
    }

    /// Where the model lies.
    pub fn model(&self) -> &Path {
        self.0.path()
    }

    /// Which engine reads it.
    pub fn kind(&self) -> EngineKind {
        self.0.kind()
    }

    /// Messages learned into the model in force: ham, spam. Zero without a model.
    pub fn learned(&self) -> (u64, u64) {
        let engine = self.0.engine();
        let facts = engine.as_ref().map(|engine: &Arc<Engine>| engine.facts());
        facts.map_or((0, 0), |facts| (facts.ham, facts.spam))
    }
}
