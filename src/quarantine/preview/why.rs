//! Why a message was held: what each filter said, from the verdict that was kept with it.

use serde_json::Value;

use super::short;
use crate::quarantine::Entry;

/// Hits of one filter that are shown.
const HITS: usize = 500;

/// What one filter said.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// Its name.
    pub filter: String,
    /// Whether it looked.
    pub said: Said,
    /// What it found.
    pub hits: Vec<Found>,
}

/// Whether a filter looked at a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It did.
    Checked,
    /// It did not have to: why.
    Skipped(String),
    /// It could not: reason and detail.
    NotChecked(String),
}

/// A hit.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its rule.
    pub rule: String,
    /// Its points.
    pub score: f64,
    /// What matched. From outside.
    pub evidence: String,
    /// Points that it would have; a rule on trial.
    pub shadow: Option<f64>,
    /// What it decided by itself.
    pub decisive: Option<String>,
}

/// What all filters said, in the order of the chain.
pub fn reasons(entry: &Entry) -> Vec<Reason> {
    let reports = entry.verdict.get("reports").and_then(Value::as_array);
    reports.into_iter().flatten().map(reason).collect()
}

fn reason(report: &Value) -> Reason {
    let hits = ["/outcome/checked", "/outcome/unscanned/hits"]
        .iter()
        .filter_map(|place| report.pointer(place)?.as_array());
    let said = if let Some(why) = text(report, "/outcome/skipped") {
        Said::Skipped(why)
    } else if let Some(reason) = text(report, "/outcome/unscanned/reason") {
        let detail = text(report, "/outcome/unscanned/detail").unwrap_or_default();
        Said::NotChecked(match detail.as_str() {
            "" => reason,
            detail => format!("{reason}: {detail}"),
        })
    } else {
        Said::Checked
    };
    Reason {
        filter: text(report, "/filter").unwrap_or_default(),
        said,
        hits: hits.flatten().take(HITS).map(found).collect(),
    }
}

fn found(hit: &Value) -> Found {
    let number = |place: &str| hit.pointer(place).and_then(Value::as_f64);
    Found {
        rule: text(hit, "/rule").unwrap_or_default(),
        score: number("/score").unwrap_or_default(),
        evidence: text(hit, "/evidence").unwrap_or_default(),
        shadow: number("/shadow"),
        decisive: text(hit, "/decisive"),
    }
}

fn text(value: &Value, place: &str) -> Option<String> {
    value.pointer(place)?.as_str().map(|t| short(t, 1_000))
}
