//! What the charts of the overview show: the last hour by minutes, or the last day by quarters of an hour.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use serde::{Deserialize, Serialize};

use super::super::console::Shared;
use super::super::overview::{Course, QUANTILES};
use super::super::samples::{Span, VERDICTS};
use super::answer::{Json, Problem, at, query};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    span: Option<String>,
}

/// A course of time.
#[derive(Serialize)]
pub(super) struct Series {
    /// Seconds of each bin.
    width: i64,
    /// The oldest first; the last is not over yet.
    bins: Vec<Bin>,
}

/// What has happened in some time.
#[derive(Serialize)]
struct Bin {
    since: Option<String>,
    /// Messages by what became of them.
    verdicts: BTreeMap<&'static str, u64>,
    /// Scans that failed.
    unscanned: u64,
    /// Seconds from the end of a message to the answer, within which a share of them was answered; null without any.
    seconds: BTreeMap<String, Option<f64>>,
}

pub(super) async fn course(
    State(console): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Series>, Problem> {
    let asked: Asked = query(raw.as_deref())?;
    let span = match asked.span.as_deref() {
        None | Some("hour") => Span::Hour,
        Some("day") => Span::Day,
        Some(_) => return Err(Problem::invalid(&"a span is hour or day")),
    };
    let course = Course::new(&console, span);
    let begins = (course.from..).step_by(usize::try_from(course.width).unwrap_or(1));
    let bins = course.bins.iter().zip(begins).map(|(bin, begin)| Bin {
        since: at(begin),
        verdicts: VERDICTS
            .iter()
            .map(|v| v.name())
            .zip(bin.verdicts)
            .collect(),
        unscanned: bin.unscanned,
        seconds: QUANTILES
            .iter()
            .map(|(share, _)| {
                (
                    format!("p{:.0}", share * 100.0),
                    bin.latency.quantile(*share),
                )
            })
            .collect(),
    });
    Ok(Json(Series {
        width: course.width,
        bins: bins.collect(),
    }))
}
