//! What people say of single messages: lessons, durable in the journal beside the model.
//!
//! In: a message and what it is. Out: a lesson in the journal, on disk before the answer; a running daemon counts it
//! within a second or two, and need not run. A lesson is the same whichever way it came, so a message that is learned
//! by the daemon and by `mailweir learn` is learned once. A person's word outranks what the filter learned by itself, and the
//! last word of a person holds. Work that waits for the disk: not for async threads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::Class;
use super::engine::{Engine, EngineKind, ModelError};
use super::journal::Journal;
use super::lesson::{Lesson, Origin, Teaching};
use super::live::Live;
use crate::clock;
use crate::mail::{Limits, Mail};
use crate::printable::printable_path;

/// Why nothing can be learned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TeachError {
    /// The model cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The engine is not made for it.
    #[error("the engine {0} learns only in training")]
    OnlyInTraining(&'static str),
    /// No data folder where the model would be.
    #[error("there is no folder {}; is this the daemon's configuration?", printable_path(.0))]
    Folder(PathBuf),
    /// The journal cannot be written.
    #[error("the lesson could not be written: {0}")]
    Journal(ModelError),
}

/// Takes lessons for one model.
#[derive(Clone)]
pub struct Teacher {
    model: PathBuf,
    kind: EngineKind,
    journal: Arc<Journal>,
    engine: Source,
}

/// Where the engine comes from that reads messages for lessons.
#[derive(Clone)]
enum Source {
    /// A running filter, whose model changes.
    Live(Arc<Live>),
    /// A file, as it was when it was read; none where there is no file.
    File(Option<Arc<Engine>>),
}

impl std::fmt::Debug for Teacher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Teacher").field(&self.model).finish()
    }
}

impl Teacher {
    pub(super) fn of(live: &Arc<Live>) -> Teacher {
        Teacher {
            model: live.path().to_owned(),
            kind: live.kind(),
            journal: live.journal(),
            engine: Source::Live(Arc::clone(live)),
        }
    }

    /// For the model that a filter reads at `model`, whether that filter runs or not.
    ///
    /// # Errors
    /// A model that cannot be read, an engine that cannot learn, a folder that is not there.
    pub fn of_file(model: &Path, kind: EngineKind) -> Result<Teacher, TeachError> {
        let engine = match Engine::load(model, kind) {
            Err(ModelError::Missing(_)) if kind == EngineKind::Osb => None,
            loaded => Some(Arc::new(loaded?)),
        };
        if kind != EngineKind::Osb {
            return Err(TeachError::OnlyInTraining(kind.name()));
        }
        let folder = model.parent().filter(|p| !p.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|f| !f.is_dir()) {
            return Err(TeachError::Folder(folder.to_path_buf()));
        }
        Ok(Teacher {
            model: model.to_owned(),
            kind,
            journal: Arc::new(Journal::of(model)),
            engine: Source::File(engine),
        })
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        match &self.engine {
            Source::Live(live) => live.engine(),
            Source::File(engine) => engine.clone(),
        }
    }

    /// A person's lesson about a message, not yet kept.
    ///
    /// # Errors
    /// [`TeachError::OnlyInTraining`].
    pub fn lesson(&self, mail: &Mail, teaching: Teaching) -> Result<Lesson, TeachError> {
        let only_in_training = || TeachError::OnlyInTraining(self.kind.name());
        let engine = match (self.engine(), self.kind) {
            (Some(engine), _) => engine,
            // What is learned before the first training waits in the journal for it.
            (None, EngineKind::Osb) => Arc::new(Engine::empty()),
            (None, EngineKind::Bayespam) => return Err(only_in_training()),
        };
        engine
            .lesson(mail, teaching, Origin::Human, clock::unsigned_seconds())
            .ok_or_else(only_in_training)
    }

    /// Makes lessons durable, all or none.
    ///
    /// # Errors
    /// The journal cannot be written; none of them is then taken.
    pub fn keep(&self, lessons: &[Lesson]) -> Result<(), TeachError> {
        if !lessons.is_empty() {
            self.journal.append(lessons).map_err(TeachError::Journal)?;
        }
        Ok(())
    }

    /// Teaches what a person says of a message, durably.
    ///
    /// # Errors
    /// As [`Teacher::lesson`] and [`Teacher::keep`]; the lesson is then not taken.
    pub fn teach(&self, mail: &Mail, teaching: Teaching) -> Result<(), TeachError> {
        self.keep(&[self.lesson(mail, teaching)?])
    }

    /// Teaches what a message is that is not parsed yet.
    ///
    /// # Errors
    /// As [`Teacher::teach`].
    pub fn learn(&self, raw: Bytes, class: Class) -> Result<(), TeachError> {
        let mail = Mail::parse(raw, &Limits::default());
        self.teach(&mail, Teaching::Learn(class))
    }

    /// Where the model lies.
    pub fn model(&self) -> &Path {
        &self.model
    }

    /// Which engine reads it.
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// Messages learned into the model: ham, spam. Zero without one.
    pub fn learned(&self) -> (u64, u64) {
        let engine = self.engine();
        engine.map_or((0, 0), |engine| (engine.facts().ham, engine.facts().spam))
    }
}
