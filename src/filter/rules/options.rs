//! The `rules` section of the configuration, and the filter built from it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::check::RulesFilter;
use super::ruleset::{Adjustment, RuleSet};
use super::scores_file::{self, ScoresFile};
use crate::config::{Problem, Problems, Severity, Source, span_of};
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
    /// A file of scores that replace those in the rule files, as `mailweir rules tune` writes it; relative
    /// to the configuration file.
    pub scores_file: Option<Spanned<PathBuf>>,
    /// Scores that replace those in the rule files and in `scores_file`, by id; -100 to 100.
    pub scores: BTreeMap<String, Spanned<f64>>,
    /// What becomes of a message of which rules saw only a part; default `deliver` for every reason.
    pub on_failure: OnFailure,
}

/// The files of a rule set, read, and what else configuration says about it.
#[derive(Debug)]
pub struct RuleFiles {
    /// The rule files, in order.
    pub sources: Vec<Source>,
    /// The scores of `scores_file`.
    scores: Option<(Source, ScoresFile)>,
    /// What could not be read.
    problems: Problems,
    /// Files beside them that are not read for their names alone.
    unread: Vec<PathBuf>,
}

impl Options {
    /// Every file and folder that the rule set is made from, whether it is there or not.
    pub fn files(&self, base: &Path) -> Vec<PathBuf> {
        let folder = match &self.path {
            Some(path) => base.join(&path.value),
            None => base.join(FOLDER),
        };
        let scores = self.scores_file.iter().map(|f| base.join(&f.value));
        std::iter::once(folder).chain(scores).collect()
    }

    /// Reads the files; `config` is the configuration file, for problems with a place in it.
    pub fn read(&self, config: &Source, base: &Path) -> RuleFiles {
        let (sources, mut problems) = match &self.path {
            Some(path) => {
                let folder = base.join(&path.value);
                if folder.exists() {
                    RuleSet::read(&folder)
                } else {
                    let missing = Problem::at(
                        config,
                        span_of(path),
                        format!("there is no {}", folder.display()),
                    )
                    .help("leave `path` out to use the rules that come with mailweir");
                    (Vec::new(), missing.into())
                }
            }
            None => {
                let folder = base.join(FOLDER);
                if folder.is_dir() {
                    RuleSet::read(&folder)
                } else {
                    (RuleSet::shipped_sources(), Problems::default())
                }
            }
        };
        let scores = self.scores_file.as_ref().and_then(|written| {
            let read = scores_file::read(&base.join(&written.value));
            read.inspect_err(|problem| {
                // A file that cannot be read has no place; the key that names it has.
                let problem = problem.clone();
                problems.0.push(match problem.place {
                    Some(_) => problem,
                    None => Problem::at(config, span_of(written), problem.message),
                });
            })
            .ok()
        });
        let folder = self.path.as_ref().map(|path| path.value.as_path());
        RuleFiles {
            sources,
            scores,
            problems,
            unread: almost_rule_files(&base.join(folder.unwrap_or(Path::new(FOLDER)))),
        }
    }

    /// The rule set of files, with the changes of configuration.
    ///
    /// # Errors
    /// Every problem of the options and of the files.
    pub fn compile(&self, files: &RuleFiles, config: &Source) -> Result<RuleSet, Problems> {
        let mut problems = files.problems.0.clone();
        let mut set = match RuleSet::from_sources(&files.sources) {
            Ok(set) if problems.is_empty() || !files.sources.is_empty() => set,
            Ok(_) => return Err(Problems(problems)),
            Err(found) => {
                problems.extend(found.0);
                return Err(Problems(problems));
            }
        };
        for id in &self.disable {
            if !set.adjust(&id.value, Adjustment::Disable) {
                problems.push(no_such_rule(config, span_of(id), &id.value));
            }
        }
        let tuned = files.scores.iter().flat_map(|(source, file)| {
            let scores = file.scores.iter();
            scores.map(move |(id, score)| (source, id, score))
        });
        let own = self.scores.iter().map(|(id, score)| (config, id, score));
        for (source, id, score) in tuned.chain(own) {
            if !score.value.is_finite() || score.value.abs() > 100.0 {
                problems.push(Problem::at(
                    source,
                    span_of(score),
                    "a score lies between -100 and 100",
                ));
            } else if !set.adjust(id, Adjustment::Score(score.value)) {
                problems.push(no_such_rule(source, span_of(score), id));
            }
        }
        match problems.is_empty() {
            true => Ok(set),
            false => Err(Problems(problems)),
        }
    }

    /// Keys that are in order and do nothing.
    pub fn warnings(&self, config: &Source, files: &RuleFiles) -> Vec<Problem> {
        let disabled = |id: &str| self.disable.iter().any(|d| d.value == id);
        let silent = |id: &str| {
            let of = |w: &super::Written| w.id == id && w.score.is_none();
            super::catalogue(&files.sources).iter().any(of)
        };
        let warning = |span, message: String, help: &str| {
            let problem = Problem::at(config, span, message).help(help);
            problem.severity(Severity::Warning)
        };
        let mut found = Vec::new();
        found.extend(files.unread.iter().map(|path| {
            Problem::without_place(format!("{} is not read", path.display()))
                .help("the names of rule files end in `.yaml`")
                .severity(Severity::Warning)
        }));
        for (id, score) in &self.scores {
            if disabled(id) {
                found.push(warning(
                    span_of(score),
                    format!("the score of {id} does nothing: the rule is disabled"),
                    "drop it from `scores` or from `disable`",
                ));
            } else if silent(id) {
                found.push(warning(
                    span_of(score),
                    format!("the score of {id} does nothing: the rule is silent"),
                    "a silent rule only serves others",
                ));
            }
        }
        for id in &self.disable {
            if silent(&id.value) {
                found.push(warning(
                    span_of(id),
                    format!("{} is silent already", id.value),
                    "a disabled rule still serves those that refer to it; drop it from `disable`",
                ));
            } else {
                found.push(
                    Problem::at(
                        config,
                        span_of(id),
                        format!("{} never hits: it is disabled here", id.value),
                    )
                    .severity(Severity::Note),
                );
            }
        }
        found
    }
}

/// Builds the filter.
///
/// # Errors
/// Every problem of the options and of the rule files.
pub fn build(options: &Options, build: &Build<'_>) -> Result<Arc<dyn Filter>, Problems> {
    Ok(Arc::new(filter(options, build)?))
}

/// As [`build`], for those who want to look into the rules.
///
/// # Errors
/// As [`build`].
pub fn filter(options: &Options, build: &Build<'_>) -> Result<RulesFilter, Problems> {
    let files = options.read(build.source, build.base);
    let set = options.compile(&files, build.source)?;
    tracing::info!(
        rules = set.rules().len(),
        version = set.version(),
        "rules compiled"
    );
    let policy = options.on_failure.over(FailureAction::Deliver);
    Ok(RulesFilter::new(Arc::new(set), policy).counting(build.metrics.rules_given_up.clone()))
}

/// Files in a folder that look like rule files and are none by their names, sorted.
fn almost_rule_files(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension().is_some_and(|e| {
                e.eq_ignore_ascii_case("yml") || (e != "yaml" && e.eq_ignore_ascii_case("yaml"))
            })
        })
        .collect();
    names.sort();
    names
}

fn no_such_rule(source: &Source, span: std::ops::Range<usize>, id: &str) -> Problem {
    Problem::at(source, span, format!("there is no rule `{id}`"))
}
