//! A file of scores that `mailweir rules tune` has fitted, laid over those of the rule files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{Problem, Source, parse_yaml};

/// The file as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScoresFile {
    version: Spanned<u64>,
    /// Scores by id.
    pub(super) scores: BTreeMap<String, Spanned<f64>>,
}

/// Reads and checks a file.
pub(super) fn read(path: &Path) -> Result<(Source, ScoresFile), Problem> {
    let source = Source::read(path)?;
    let file: ScoresFile = parse_yaml(&source)?;
    if file.version.value != 1 {
        let span = crate::config::span_of(&file.version);
        let message = format!("unknown version {}", file.version.value);
        return Err(
            Problem::at(&source, span, message).help("this version of mailweir reads `version: 1`")
        );
    }
    Ok((source, file))
}

/// The text of a file with these scores, for `rules.scores_file`. `about` goes in front, each line as a
/// comment.
pub fn scores_text<'a>(about: &str, scores: impl Iterator<Item = (&'a str, f64)>) -> String {
    let mut out = String::new();
    for line in about.lines() {
        let _ = writeln!(out, "# {line}");
    }
    out.push_str("version: 1\nscores:");
    let mut empty = true;
    for (id, score) in scores {
        let _ = write!(out, "\n  {id}: {score}");
        empty = false;
    }
    out.push_str(if empty { " {}\n" } else { "\n" });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tuned.yaml");
        for scores in [vec![("A", 1.25), ("B", -3.0)], vec![]] {
            let text = scores_text("Two\nlines", scores.iter().copied());
            std::fs::write(&path, &text).unwrap();
            let (_, file) = read(&path).unwrap_or_else(|p| panic!("{p}"));
            let back: Vec<_> = file
                .scores
                .iter()
                .map(|(id, s)| (id.as_str(), s.value))
                .collect();
            assert_eq!(back, scores);
        }
        std::fs::write(&path, "version: 2\nscores: {}\n").unwrap();
        assert!(read(&path).unwrap_err().message.contains("version 2"));
    }
}
