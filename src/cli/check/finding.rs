//! One problem as `mailweir check --json` shows it, for editors and CI. The names of the keys are stable.

use serde::Serialize;

use crate::config::{Problem, Severity};
use crate::filter::rules::Written;

/// A problem as an object. Lines and columns count from 1, columns in characters; the end is the first
/// character behind the place.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    severity: Severity,
    /// Null for what has no place in a file.
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    message: String,
    /// What to do; null where the message says it all.
    hint: Option<String>,
    /// The rule that the place belongs to, if it belongs to one.
    rule: Option<String>,
}

impl Finding {
    /// `rules` are those of all rule files.
    pub(super) fn new(problem: &Problem, rules: &[Written]) -> Finding {
        let place = problem.place.as_ref();
        let start = place.map(|(source, span)| source.line_column(span.start));
        let end = place.map(|(source, span)| source.line_column(span.end.max(span.start)));
        let hint = match (&*problem.label, problem.help.as_deref()) {
            ("", None) => None,
            ("", Some(help)) => Some(help.to_owned()),
            (label, None) => Some(label.to_owned()),
            (label, Some(help)) => Some(format!("{label}; {help}")),
        };
        let rule = place.and_then(|(source, span)| {
            let holds =
                |w: &&Written| w.source.path() == source.path() && w.span.contains(&span.start);
            rules.iter().find(holds)
        });
        Finding {
            severity: problem.severity,
            file: place.map(|(source, _)| source.path().display().to_string()),
            line: start.map(|s| s.0),
            column: start.map(|s| s.1),
            end_line: end.map(|e| e.0),
            end_column: end.map(|e| e.1),
            message: problem.message.clone(),
            hint,
            rule: rule.map(|w| w.id.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;
    use crate::filter::rules::catalogue;

    #[test]
    fn places_are_those_of_the_file_and_name_the_rule() {
        let text = "version: 1\nrules:\n  - id: GRÜN\n    description: d\n  - { id: OTHER }\n";
        let source = Source::new("a.yaml", text);
        let start = text.find("description").unwrap();
        let problem = Problem::at(&source, start..start + 11, "m")
            .label("l")
            .help("h");
        let json = serde_json::to_value(Finding::new(&problem, &catalogue(&[source]))).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "severity": "error", "file": "a.yaml", "line": 4, "column": 5,
                "end_line": 4, "end_column": 16, "message": "m", "hint": "l; h", "rule": null,
            })
        );
        let placeless = Problem::without_place("m").severity(Severity::Warning);
        let json = serde_json::to_value(Finding::new(&placeless, &[])).unwrap();
        assert_eq!(
            (&json["severity"], &json["file"]),
            (&"warning".into(), &serde_json::Value::Null)
        );
    }
}
