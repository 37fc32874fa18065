//! How well a model did when it was trained, on messages that were kept aside. It lies beside the model, for those who
//! look at it later; the model serves without it. Beside a model that is not in the folder it names the model that it is of,
//! and goes into the folder with it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Changing, Registry, RegistryError, io_at};
use crate::clock;
use crate::filter::bayes::{Class, durable};
use crate::workbench::curves::Curves;
use crate::workbench::evaluation::{Comparison, Design, Evaluation};

/// What stands behind the name of a model in that of the file.
pub(super) const SUFFIX: &str = "evaluation.json";
/// Longest file that is read, bytes.
const BYTES: u64 = 4 << 20;

/// What a training came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// When, seconds since 1970.
    pub at: i64,
    /// How the messages were kept from those that judged them.
    pub design: Design,
    /// Ham that was judged.
    pub ham: usize,
    /// Spam that was judged.
    pub spam: usize,
    /// 1-ROCA, percent.
    pub one_minus_roca: Option<f64>,
    /// Ham that was called spam.
    pub ham_lost: usize,
    /// Spam that was not called spam.
    pub spam_missed: usize,
    /// The curves.
    pub curves: Curves,
}

/// What lies beside a model that is not in the folder.
#[derive(Serialize, Deserialize)]
struct Beside {
    /// BLAKE3 digest of the file of the model, hexadecimal.
    model: String,
    #[serde(flatten)]
    evaluated: Evaluated,
}

/// Where it lies: `other.mwb.evaluation.json` beside `other.mwb`.
fn beside(model: &Path) -> PathBuf {
    let mut path = model.as_os_str().to_owned();
    path.push(".");
    path.push(SUFFIX);
    path.into()
}

impl Evaluated {
    /// Puts what the training of the model in the file `model` came to beside it; where that is nothing, takes away what
    /// lies there of another.
    ///
    /// # Errors
    /// What the system says.
    pub fn put_beside(of: Option<&Evaluated>, model: &Path) -> io::Result<()> {
        let path = beside(model);
        let Some(evaluated) = of else {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        };
        let beside = Beside {
            model: blake3::hash(&std::fs::read(model)?).to_hex().to_string(),
            evaluated: evaluated.clone(),
        };
        durable::replace(&path, &serde_json::to_vec(&beside)?)
    }

    /// What lies beside the model in the file `model`, whose digest is given, if it is of that model.
    pub(super) fn found_beside(model: &Path, digest: &str) -> Option<Evaluated> {
        let path = beside(model);
        let small = std::fs::metadata(&path).is_ok_and(|found| found.len() <= BYTES);
        let bytes = small.then(|| std::fs::read(&path).ok()).flatten()?;
        let found: Beside = serde_json::from_slice(&bytes).ok()?;
        (found.model == digest).then_some(found.evaluated)
    }

    /// The first run of an evaluation; `None` where there is none.
    pub fn of(evaluation: &Evaluation, comparison: &Comparison) -> Option<Evaluated> {
        let (run, (_, figures)) = evaluation.runs.iter().zip(&comparison.runs).next()?;
        Some(Evaluated {
            at: clock::seconds(),
            design: evaluation.design.clone(),
            ham: evaluation.count(Class::Ham),
            spam: evaluation.count(Class::Spam),
            one_minus_roca: figures.one_minus_roca,
            ham_lost: figures.ham_misclassified.count,
            spam_missed: figures.spam_misclassified.count,
            curves: Curves::of(evaluation, run, figures).thinned(),
        })
    }
}

impl Registry {
    pub(super) fn evaluation(&self, id: &str) -> PathBuf {
        self.file(id).with_extension(SUFFIX)
    }

    /// Whether what its training came to was kept with the model of this id, one of the book.
    pub fn is_evaluated(&self, id: &str) -> bool {
        self.evaluation(id).is_file()
    }

    /// How well the model of this id, one of the book, did when it was trained; `None` where nobody has kept that.
    ///
    /// # Errors
    /// A file that cannot be read or understood.
    pub fn evaluated(&self, id: &str) -> Result<Option<Evaluated>, RegistryError> {
        let path = self.evaluation(id);
        let damaged = |reason: String| RegistryError::Book {
            path: path.clone(),
            reason,
        };
        match std::fs::metadata(&path) {
            Ok(found) if found.len() > BYTES => {
                return Err(damaged("it is too large to be an evaluation".to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        let bytes = std::fs::read(&path).map_err(io_at(&path))?;
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| damaged(error.to_string()))
    }
}

impl Changing<'_> {
    /// Keeps what the training of a model of the folder came to.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn keep(&self, id: &str, evaluated: &Evaluated) -> Result<(), RegistryError> {
        let path = self.registry.evaluation(id);
        let bytes = serde_json::to_vec(evaluated).map_err(|e| io_at(&path)(e.into()))?;
        durable::replace(&path, &bytes).map_err(io_at(&path))?;
        self.registry.hand_over(&path)
    }
}
