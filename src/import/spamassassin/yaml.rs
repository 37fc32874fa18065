//! Rule files as text.

use std::fmt::Write as _;

use super::plan::{Planned, When};
use super::settings::Settings;

/// Longest description, bytes.
const DESCRIPTION_BYTES: usize = 200;

/// The rule file for the rules of one source.
pub(super) fn file(settings: &Settings, rules: &[&Planned]) -> String {
    let source = rules
        .first()
        .and_then(|rule| settings.files.get(rule.place.file))
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    let mut out = format!(
        "# Imported from {} by `mailweir rules import spamassassin`.\nversion: 1\nrules:\n",
        one_line(&source)
    );
    for rule in rules {
        write_rule(&mut out, rule);
    }
    out
}

fn write_rule(out: &mut String, rule: &Planned) {
    let _ = writeln!(out, "  - id: {}", rule.id);
    let _ = writeln!(out, "    description: {}", quoted(&description(rule)));
    match (rule.silent, rule.at_most) {
        (true, None) => out.push_str("    silent: true\n"),
        (true, Some(most)) => {
            out.push_str("    silent: true\n");
            let _ = writeln!(out, "    per_occurrence: {{ at_most: {most} }}");
        }
        (false, None) => {
            let _ = writeln!(out, "    score: {}", rule.score);
        }
        (false, Some(most)) => {
            let cap = (rule.score.abs() * most as f64).clamp(0.001, 100.0);
            let _ = writeln!(
                out,
                "    per_occurrence: {{ score: {}, cap: {cap:.3}, at_most: {most} }}",
                rule.score
            );
        }
    }
    let _ = writeln!(out, "    when: {{ {} }}", when(&rule.when));
}

fn when(when: &When) -> String {
    match when {
        When::Place {
            key,
            name,
            pattern,
            backtracking,
        } => {
            let name = name
                .as_deref()
                .map(|n| format!("name: {}, ", quoted(n)))
                .unwrap_or_default();
            let engine = match backtracking {
                true => ", engine: backtracking",
                false => "",
            };
            match pattern {
                Some(pattern) => {
                    format!("{key}: {{ {name}matches: {}{engine} }}", quoted(pattern))
                }
                None => format!("{key}: {{ {name}exists: true }}"),
            }
        }
        When::Not(inner) => format!("not: {{ {} }}", self::when(inner)),
        When::Any(list) => {
            let list: Vec<String> = list
                .iter()
                .map(|w| format!("{{ {} }}", self::when(w)))
                .collect();
            format!("any: [{}]", list.join(", "))
        }
        When::Formula(formula) => format!("formula: {}", quoted(formula)),
        When::Written(text) => text.clone(),
    }
}

fn description(rule: &Planned) -> String {
    let bytes: Vec<u8> = rule
        .description
        .chars()
        .filter_map(|c| u8::try_from(u32::from(c)).ok())
        .collect();
    let text = one_line(&String::from_utf8_lossy(&bytes));
    let mut end = text.len().min(DESCRIPTION_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match text.get(..end).map(str::trim) {
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => format!("{} of SpamAssassin", rule.name),
    }
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Between single quotes, where only the quote itself needs care.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
