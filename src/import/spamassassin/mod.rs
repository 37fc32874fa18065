//! SpamAssassin's rule files (`*.cf`), read as SpamAssassin 4 reads them and written as rule files.
//!
//! In: files and folders, in the order in which SpamAssassin would read them. Out: one rule file for each source
//! file, and a report of everything that could not be taken over, with the reason. Nothing is dropped
//! silently. `docs/spamassassin.md` tells what is kept and how exactly it agrees.
//!
//! From source to file: `line` (lines and comments), `condition` (if, ifplugin), `settings` (all that the files
//! say, the last word wins), `delimited` and `pattern` (Perl's regular expressions), `tag` (replacements),
//! `meta` (formulas), `eval` (functions that have an equal), `plan` (what becomes of each rule), `yaml`, `report`.

mod condition;
mod delimited;
mod eval;
mod line;
mod meta;
mod pattern;
mod plan;
mod report;
mod rule;
mod settings;
mod tag;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use report::{Reason, Report};

use crate::config::{Problem, Problems};

/// Largest source file, bytes.
pub const FILE_BYTES: u64 = 16 << 20;

/// One rule file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// The file name, `20_body_tests.yaml`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What an import gives.
#[derive(Clone, Debug)]
pub struct Import {
    /// The rule files, one for each source file that has rules, in the order of the sources.
    pub files: Vec<RuleFile>,
    /// What was taken over and what was not.
    pub report: Report,
}

/// Reads SpamAssassin's files and folders (`*.pre` before `*.cf`, each in the order of the names) and makes rule
/// files of them.
///
/// # Errors
/// What cannot be read, or that there is no rule file at all. Faults within the files are part of the report.
pub fn import(paths: &[PathBuf]) -> Result<Import, Problems> {
    let mut problems = Vec::new();
    let mut sources = Vec::new();
    for path in paths {
        match listed(path) {
            Ok(files) => sources.extend(files),
            Err(problem) => problems.push(problem),
        }
    }
    // Plugins are loaded before any rule is read.
    sources.sort_by_key(|path| path.extension().is_none_or(|e| e != "pre"));
    let mut texts = Vec::new();
    for path in sources {
        match line::read(&path) {
            Ok(text) => texts.push((path, text)),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let settings = settings::Settings::read(&texts);
    let planned = plan::plan(&settings);
    let mut by_source: BTreeMap<usize, Vec<&plan::Planned>> = BTreeMap::new();
    for rule in &planned.rules {
        by_source.entry(rule.place.file).or_default().push(rule);
    }
    let mut files: Vec<RuleFile> = Vec::new();
    for (source, rules) in by_source {
        let stem = settings
            .files
            .get(source)
            .and_then(|path| path.file_stem())
            .map(|s| s.to_string_lossy().into_owned())
            .unwrap_or_default();
        let mut name = format!("{stem}.yaml");
        let mut number = 2;
        while files.iter().any(|f| f.name == name) {
            name = format!("{stem}-{number}.yaml");
            number += 1;
        }
        files.push(RuleFile {
            name,
            text: yaml::file(&settings, &rules),
        });
    }
    Ok(Import {
        files,
        report: planned.report,
    })
}

/// The configuration files of a folder, or the file itself.
fn listed(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let failed =
        |e: std::io::Error| Problem::without_place(format!("cannot read {}: {e}", path.display()));
    if !path.is_dir() {
        return match path.is_file() {
            true => Ok(vec![path.to_path_buf()]),
            false => Err(Problem::without_place(format!("there is no {}", path.display()))
                .help("give folders or files of SpamAssassin, /usr/share/spamassassin /etc/spamassassin")),
        };
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let named = |e: &str| file.extension().is_some_and(|x| x == e);
        if (named("cf") || named("pre")) && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Problem::without_place(format!(
            "there are no files *.cf or *.pre in {}",
            path.display()
        )));
    }
    files.sort();
    // SpamAssassin leaves its test rules out.
    files.retain(|f| f.file_name().is_none_or(|n| n != "regression_tests.cf"));
    Ok(files)
}
