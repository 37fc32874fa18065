//! A loaded classifier, of either engine.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::mail::Mail;

use super::Class;
use super::baseline::{self, Baseline};
use super::durable;
use super::features::{Settings, features, named};
use super::format;
use super::identity::identity;
use super::journal::{Journal, Position};
use super::learner;
use super::lesson::{Lesson, Origin, Teaching};
use super::model::{Facts, Model, Telling};

/// The engines that can be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Words, pairs of words and four more views of a message, each weighed by logistic regression.
    #[default]
    Osb,
    /// The crate `bayespam`, to compare with.
    Bayespam,
}

impl EngineKind {
    /// The word in configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Osb => "osb",
            EngineKind::Bayespam => "bayespam",
        }
    }
}

/// A model that could not be loaded or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// There is no such file.
    #[error("there is no model at {}", .0.display())]
    Missing(PathBuf),
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is no model, is damaged, or is of another version.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// A classifier, ready to be asked.
#[derive(Clone, Debug)]
pub struct Engine(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Osb(Box<Model>),
    // Never changed, and the crate's table cannot be copied.
    Bayespam(Arc<Baseline>),
}

/// What an engine says of one message.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Probability of spam, 0 to 1, if ham and spam were equally frequent.
    pub probability: f64,
    /// Its log odds, calibrated and not bounded by how much was learned: comparable between models.
    pub odds: f64,
    /// The features that spoke most, strongest first; the engine `bayespam` gives none.
    pub telling: Vec<Telling>,
}

impl From<Model> for Engine {
    fn from(model: Model) -> Engine {
        Engine(Inner::Osb(Box::new(model)))
    }
}

impl From<Baseline> for Engine {
    fn from(baseline: Baseline) -> Engine {
        Engine(Inner::Bayespam(Arc::new(baseline)))
    }
}

impl Engine {
    /// Loads the model of an engine from a file.
    ///
    /// # Errors
    /// [`ModelError::Missing`] when there is no file; otherwise what is wrong with it, also when it is
    /// a model of the other engine.
    pub fn load(path: &Path, kind: EngineKind) -> Result<Engine, ModelError> {
        let unusable = |reason: String| ModelError::Unusable {
            path: path.to_owned(),
            reason,
        };
        let bytes = read(path)?;
        let is_osb = bytes.starts_with(format::MAGIC);
        match kind {
            EngineKind::Osb => {
                if bytes.starts_with(b"{\"mailweir_bayespam\"") {
                    return Err(unusable(
                        "this is a model of the engine bayespam; set `engine: bayespam` or train again".into(),
                    ));
                }
                format::decode(&bytes)
                    .map(Engine::from)
                    .map_err(|e| unusable(e.to_string()))
            }
            EngineKind::Bayespam if is_osb => Err(unusable(
                "this is a model of the engine osb; set `engine: osb` or train again".into(),
            )),
            EngineKind::Bayespam => Baseline::decode(&bytes).map(Engine::from).map_err(unusable),
        }
    }

    /// Loads a model of whichever engine wrote it.
    ///
    /// # Errors
    /// As for [`Engine::load`].
    pub fn open(path: &Path) -> Result<Engine, ModelError> {
        // A model of the baseline is JSON; whatever else it is, the other engine says what is wrong with it.
        let mut first = [0_u8];
        let json = std::fs::File::open(path)
            .and_then(|mut file| file.read(&mut first))
            .is_ok_and(|_| first == *b"{");
        let kind = if json {
            EngineKind::Bayespam
        } else {
            EngineKind::Osb
        };
        Engine::load(path, kind)
    }

    /// Writes the model, durably: after a crash the old file or the new one is there.
    ///
    /// # Errors
    /// What the system says; the old file is then untouched.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let io = |error| ModelError::Io {
            path: path.to_owned(),
            error,
        };
        let bytes = self.encode().map_err(io)?;
        // A daemon that folds lessons into its model must not put that over this one.
        Journal::of(path)
            .while_not_folded(|| durable::replace(path, &bytes))?
            .map_err(io)
    }

    /// The bytes of the model file.
    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
        match &self.0 {
            Inner::Osb(model) => Ok(format::encode(model)),
            Inner::Bayespam(baseline) => baseline.encode().map_err(io::Error::from),
        }
    }

    /// Up to where the model holds its journal.
    pub(super) fn position(&self) -> Position {
        match &self.0 {
            Inner::Osb(model) => model.position,
            Inner::Bayespam(_) => Position::default(),
        }
    }

    /// An engine `osb` that knows nothing yet.
    pub fn empty() -> Engine {
        Model::empty(Settings::default()).into()
    }

    pub(super) fn into_model(self) -> Option<Model> {
        match self.0 {
            Inner::Osb(model) => Some(*model),
            Inner::Bayespam(_) => None,
        }
    }

    /// A lesson about a message, for the journal; `at` in seconds since 1970. `None` for the engine `bayespam`, which
    /// learns only in training.
    pub fn lesson(
        &self,
        mail: &Mail,
        teaching: Teaching,
        origin: Origin,
        at: u64,
    ) -> Option<Lesson> {
        match &self.0 {
            Inner::Osb(model) => Some(learner::lesson(model, mail, teaching, origin, at)),
            Inner::Bayespam(_) => None,
        }
    }

    /// Makes models comparable that came to the same by other journals.
    #[cfg(test)]
    pub(super) fn forget_position(&mut self) {
        if let Inner::Osb(model) = &mut self.0 {
            model.position = Position::default();
        }
    }

    /// Which engine it is.
    pub fn kind(&self) -> EngineKind {
        match &self.0 {
            Inner::Osb(_) => EngineKind::Osb,
            Inner::Bayespam(_) => EngineKind::Bayespam,
        }
    }

    /// Where its model comes from.
    pub fn facts(&self) -> &Facts {
        match &self.0 {
            Inner::Osb(model) => &model.facts,
            Inner::Bayespam(baseline) => &baseline.facts,
        }
    }

    /// As what it has learned a message, in training or after; `None` also for the engine `bayespam`, which does not
    /// know.
    pub fn learned(&self, mail: &Mail) -> Option<Class> {
        match &self.0 {
            Inner::Osb(model) => model.ledger.known(&identity(mail)).map(|known| known.class),
            Inner::Bayespam(_) => None,
        }
    }

    /// How many features it knows; 0 for the engine `bayespam`, which does not say.
    pub fn features(&self) -> usize {
        match &self.0 {
            Inner::Osb(model) => model.table.len(),
            Inner::Bayespam(_) => 0,
        }
    }

    /// Judges a message, reading at most `max_bytes` of its text, and names the `telling` features that
    /// spoke most.
    pub fn judge(&self, mail: &Mail, max_bytes: usize, telling: usize) -> Judgement {
        match &self.0 {
            Inner::Osb(model) => judge(model, mail, max_bytes, telling),
            Inner::Bayespam(baseline) => {
                let probability = baseline.probability(&baseline::text(mail, max_bytes));
                Judgement {
                    probability,
                    odds: odds(probability),
                    telling: Vec::new(),
                }
            }
        }
    }
}

/// What a model says of a message.
pub(super) fn judge(model: &Model, mail: &Mail, max_bytes: usize, telling: usize) -> Judgement {
    let max_bytes = model.max_bytes(max_bytes);
    let (features, telling) = match telling {
        0 => (features(mail, &model.settings, max_bytes), Vec::new()),
        most => {
            let (features, names) = named(mail, &model.settings, max_bytes);
            let telling = model.telling(&features, &names, most);
            (features, telling)
        }
    };
    let odds = model.log_odds(&features);
    Judgement {
        probability: model.probability(odds),
        odds: model.calibration.line(odds),
        telling,
    }
}

/// Log odds of a probability, finite also at 0 and 1.
pub(super) fn odds(probability: f64) -> f64 {
    let p = probability.clamp(1e-15, 1.0 - 1e-15);
    (p / (1.0 - p)).ln()
}

fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ModelError::Missing(path.to_owned()),
        _ => ModelError::Io {
            path: path.to_owned(),
            error,
        },
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(format::FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > format::FILE_BYTES {
        return Err(ModelError::Unusable {
            path: path.to_owned(),
            reason: format!("the file is larger than {} MiB", format::FILE_BYTES >> 20),
        });
    }
    Ok(bytes)
}
