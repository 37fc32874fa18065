//! The `bayes` section of the configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{ByteSize, Problem, Problems, span_of};
use crate::filter::{Build, FailureAction, Filter, OnFailure};

use super::check::BayesFilter;
use super::curve::Curve;
use super::engine::{Engine, EngineKind, ModelError};

/// Name of the model in the data folder when none is written.
pub const MODEL: &str = "model.mwb";
/// Least and most bytes of text that can be set to be read.
const TEXT_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=16 << 20;

/// A point of the curve as written: probability and score.
pub type Point = Spanned<(f64, f64)>;

/// Options as written. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Which engine; default `osb`.
    pub engine: EngineKind,
    /// The model file, relative to the configuration file. Absent: `model.mwb` in the data folder.
    pub model: Option<Spanned<PathBuf>>,
    /// Ham messages, and spam messages, that must have been learned before a message gets points;
    /// default 50.
    pub min_messages: u64,
    /// Points of the curve from probability to score, `[[0.0, -3], [0.5, 0], [0.999, 6]]`:
    /// probabilities rise, scores do not fall, straight lines between. Absent: the default curve.
    pub scores: Option<Spanned<Vec<Point>>>,
    /// How much of the text of a message is read; 1KiB to 16MiB, default 64KiB. A model that was trained
    /// on less reads less.
    pub max_bytes: Option<Spanned<ByteSize>>,
    /// What becomes of a message that could not be checked; default `deliver` for every reason.
    pub on_failure: OnFailure,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            engine: EngineKind::default(),
            model: None,
            min_messages: 50,
            scores: None,
            max_bytes: None,
            on_failure: OnFailure::default(),
        }
    }
}

impl Options {
    /// The file of the model.
    pub fn file(&self, base: &Path, data_dir: &Path) -> PathBuf {
        match &self.model {
            Some(written) => base.join(&written.value),
            None => data_dir.join(MODEL),
        }
    }
}

/// Builds the filter and loads its model. Without a model file the filter skips every message, and
/// log and metrics say so.
///
/// # Errors
/// Every problem of the options, and a model file that is there but cannot be used.
pub fn build(options: &Options, build: &Build<'_>) -> Result<Arc<dyn Filter>, Problems> {
    let mut problems = Vec::new();
    let curve = match &options.scores {
        None => Curve::default(),
        Some(written) => {
            let points: Vec<(f64, f64)> = written.value.iter().map(|p| p.value).collect();
            Curve::new(&points).unwrap_or_else(|(index, message)| {
                let span = written.value.get(index).map_or_else(|| span_of(written), span_of);
                problems.push(
                    Problem::at(build.source, span, message)
                        .help("`scores` is a list of [probability, score], as [[0.0, -3], [0.5, 0], [0.999, 6]]"),
                );
                Curve::default()
            })
        }
    };
    let max_bytes = options.max_bytes.as_ref().map_or(64 << 10, |written| {
        if !TEXT_BYTES.contains(&written.value.0) {
            problems.push(Problem::at(
                build.source,
                span_of(written),
                format!("max_bytes is between 1KiB and 16MiB, not {}", written.value),
            ));
        }
        written.value.bytes()
    });
    let path = options.file(build.base, build.data_dir);
    let engine = match Engine::load(&path, options.engine) {
        Ok(engine) => Some(engine),
        Err(ModelError::Missing(path)) => {
            tracing::warn!(path = %path.display(), "no model: the bayes filter skips every message until one is trained");
            None
        }
        Err(error) => {
            let problem = match &options.model {
                Some(written) => Problem::at(build.source, span_of(written), error.to_string()),
                None => Problem::without_place(error.to_string()),
            };
            problems
                .push(problem.help("`mailweir train --ham PATH --spam PATH` makes a new model"));
            None
        }
    };
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    Ok(Arc::new(BayesFilter::new(
        engine,
        curve,
        options.min_messages,
        max_bytes,
        options.on_failure.over(FailureAction::Deliver),
    )))
}
