//! The `bayes` section of the configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::Spanned;
use tokio::sync::Semaphore;

use crate::config::{ByteSize, Problem, Problems, span_of};
use crate::filter::{Build, FailureAction, Filter, OnFailure};

use super::autolearn::Autolearn;
use super::check::{BayesFilter, Shared, TEACHING};
use super::curve::Curve;
use super::engine::EngineKind;
use super::live::Live;

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
    /// Learning from clear verdicts without a person; off by default.
    pub autolearn: Autolearn,
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
            autolearn: Autolearn::default(),
            on_failure: OnFailure::default(),
        }
    }
}

impl Options {
    /// Where the model is: as written, relative to `base`, or in `data_dir`.
    pub fn model_path(&self, base: &Path, data_dir: &Path) -> PathBuf {
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
    let path = options.model_path(build.base, build.data_dir);
    problems.extend(options.autolearn.problems(build.source));
    let live = Live::open(path.clone(), options.engine, build.metrics).map_err(|error| {
        let problem = match &options.model {
            Some(written) => Problem::at(build.source, span_of(written), error.to_string()),
            None => Problem::without_place(error.to_string()),
        };
        problem.help("`mailweir train --ham PATH --spam PATH` makes a new model")
    });
    let live = match live {
        Ok(live) if problems.is_empty() => live,
        Ok(_) => return Err(Problems(problems)),
        Err(problem) => {
            problems.push(problem);
            return Err(Problems(problems));
        }
    };
    if live.engine().is_none() {
        tracing::warn!(path = %path.display(), "no model: the bayes filter skips every message until one is trained");
    }
    Ok(Arc::new(BayesFilter::new(
        Shared {
            live: Arc::new(live),
            autolearn: options.autolearn.clone(),
            teaching: Arc::new(Semaphore::new(TEACHING)),
            curve,
            min_messages: options.min_messages,
            max_bytes,
        },
        options.on_failure.over(FailureAction::Deliver),
    )))
}
