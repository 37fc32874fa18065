//! What people say of single messages: lessons, durable in the journal beside the model.
//!
//! Any process may give lessons; the daemon need not run. A person's word outranks what the filter learned by
//! itself, and the last word of a person holds. Work that blocks: a model is read from disk.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::registry::{Registry, RegistryError, now};
use crate::filter::bayes::{
    Class, Engine, EngineKind, Journal, Lesson, ModelError, Origin, Teaching,
};
use crate::mail::{Limits, Mail};

/// Why nothing can be learned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PupilError {
    /// The model cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The engine is not made for it.
    #[error("the engine {0} learns only in training")]
    Engine(&'static str),
    /// No data folder where the model would be.
    #[error("there is no folder {}; is this the daemon's configuration?", printable_path(.0))]
    Folder(PathBuf),
    /// The journal cannot be written.
    #[error("the lesson could not be written: {0}")]
    Journal(String),
    /// The journal cannot be given to the daemon.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

fn printable_path(path: &Path) -> String {
    crate::printable::printable(&path.display().to_string(), 300)
}

/// Takes lessons for one model.
#[derive(Debug)]
pub struct Pupil {
    engine: Engine,
    journal: Journal,
    model: PathBuf,
}

impl Pupil {
    /// For the model that the filter reads at `model`. Without a model, lessons wait in the journal for it.
    ///
    /// # Errors
    /// A model that cannot be read, an engine that cannot learn, a folder that is not there.
    pub fn of(model: &Path, kind: EngineKind) -> Result<Pupil, PupilError> {
        let engine = match Engine::load(model, kind) {
            // What is learned before the first training waits in the journal for it.
            Err(ModelError::Missing(_)) if kind == EngineKind::Osb => Engine::empty(),
            loaded => loaded?,
        };
        if engine.kind() != EngineKind::Osb {
            return Err(PupilError::Engine(engine.kind().name()));
        }
        let folder = model.parent().filter(|p| !p.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|f| !f.is_dir()) {
            return Err(PupilError::Folder(folder.to_path_buf()));
        }
        Ok(Pupil {
            engine,
            journal: Journal::of(model),
            model: model.to_owned(),
        })
    }

    /// A person's lesson about a message; `None` for one in which there is nothing to learn.
    pub fn lesson(&self, mail: &Mail, teaching: Teaching) -> Option<Lesson> {
        let at = u64::try_from(now()).unwrap_or(0);
        self.engine.lesson(mail, teaching, Origin::Human, at)
    }

    /// Makes lessons durable.
    ///
    /// # Errors
    /// The journal cannot be written, or not be given to the daemon.
    pub fn keep(&self, lessons: &[Lesson]) -> Result<(), PupilError> {
        if !lessons.is_empty() {
            self.journal
                .append(lessons)
                .map_err(|e| PupilError::Journal(e.to_string()))?;
            Registry::of(&self.model).hand_over(self.journal.path())?;
        }
        Ok(())
    }

    /// Learns what a message is, durably. `false` where there is nothing to learn in it.
    ///
    /// # Errors
    /// As [`Pupil::keep`].
    pub fn learn(&self, raw: Bytes, class: Class) -> Result<bool, PupilError> {
        let mail = Mail::parse(raw, &Limits::default());
        let lesson = self.lesson(&mail, Teaching::Learn(class));
        let lessons: Vec<Lesson> = lesson.into_iter().collect();
        self.keep(&lessons)?;
        Ok(!lessons.is_empty())
    }
}
