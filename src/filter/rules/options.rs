//! The `rules` section of the configuration, and the filter built from it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::check::RulesFilter;
use super::ruleset::{Adjustment, RuleSet};
use crate::config::{Problem, Problems, span_of};
use crate::filter::{Build, FailureAction, Filter, OnFailure};

/// The folder that is taken when none is named, relative to the configuration file.
const FOLDER: &str = "rules";

/// The options of the filter as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// A folder of rule files or one file, relative to the configuration file. Absent: `rules`, and
    /// when there is no such folder, the rules that are compiled into the program.
    pub path: Option<Spanned<PathBuf>>,
    /// Ids of rules that report no hits.
    pub disable: Vec<Spanned<String>>,
    /// Scores that replace those in the rule files, by id; -100 to 100.
    pub scores: BTreeMap<String, Spanned<f64>>,
    /// What becomes of a message of which rules saw only a part; default `deliver` for every reason.
    pub on_failure: OnFailure,
}

/// Builds the filter.
///
/// # Errors
/// Every problem of the options and of the rule files.
pub fn build(options: &Options, build: &Build<'_>) -> Result<Arc<dyn Filter>, Problems> {
    let mut set = load(options, build)?;
    let mut problems = Vec::new();
    for id in &options.disable {
        if !set.adjust(&id.value, Adjustment::Disable) {
            problems.push(no_such_rule(build, span_of(id), &id.value));
        }
    }
    for (id, score) in &options.scores {
        if !score.value.is_finite() || score.value.abs() > 100.0 {
            problems.push(Problem::at(
                build.source,
                span_of(score),
                "a score lies between -100 and 100",
            ));
        } else if !set.adjust(id, Adjustment::Score(score.value)) {
            problems.push(no_such_rule(build, span_of(score), id));
        }
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let rules = i64::try_from(set.rules().len()).unwrap_or(i64::MAX);
    build.metrics.rules_loaded.set(rules);
    tracing::info!(rules, version = set.version(), "rules loaded");
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    for warning in set.warnings(today.date()) {
        let position = warning.position();
        let place = position.map(|(file, line, _)| format!("{}:{line}", file.display()));
        tracing::warn!(place, "{}", warning.message);
    }
    let policy = options.on_failure.over(FailureAction::Deliver);
    Ok(Arc::new(RulesFilter::new(Arc::new(set), policy).counting(build.metrics.rules_given_up.clone())))
}

fn load(options: &Options, build: &Build<'_>) -> Result<RuleSet, Problems> {
    match &options.path {
        Some(path) => {
            let folder = build.base.join(&path.value);
            if !folder.exists() {
                return Err(Problem::at(
                    build.source,
                    span_of(path),
                    format!("there is no {}", folder.display()),
                )
                .help("leave `path` out to use the rules that come with mailweir")
                .into());
            }
            RuleSet::load(&folder)
        }
        None => {
            let folder = build.base.join(FOLDER);
            if folder.is_dir() {
                RuleSet::load(&folder)
            } else {
                RuleSet::shipped()
            }
        }
    }
}

fn no_such_rule(build: &Build<'_>, span: std::ops::Range<usize>, id: &str) -> Problem {
    Problem::at(build.source, span, format!("there is no rule `{id}`"))
}
