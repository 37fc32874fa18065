//! The report of an evaluation as one HTML page. It is complete in itself: it fetches nothing and runs nothing,
//! and says so to the browser (Content-Security-Policy).

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::filter::bayes::Class;
use crate::printable::markup;
use crate::workbench::bootstrap::around;
use crate::workbench::curves::{self, Curves};
use crate::workbench::evaluation::{Comparison, Evaluation, Run};
use crate::workbench::figures::Figures;
use crate::workbench::plot::{Axis, Series, chart, legend};
use crate::workbench::scores;

/// Wrongly judged messages of a class on a page.
const WORST: usize = 20;
/// Columns of the distribution of scores.
const COLUMNS: usize = 60;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:75em;margin:2em auto;padding:0 1em;\
color:#222;background:#fff}h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}\
table{border-collapse:collapse;margin:1em 0}th,td{padding:.25em .8em;border-bottom:1px solid #ccc;text-align:right;vertical-align:top}td{white-space:nowrap}\
th:first-child,td:first-child,th.path,td.path{text-align:left}td.path{font-family:monospace;white-space:normal;word-break:break-all}\
.wide{overflow-x:auto}small{color:#666}\
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(30em,100%),1fr));gap:2em}figure{margin:0}figcaption{font-weight:600}\
svg{width:100%;height:auto;font:12px sans-serif;fill:#444}.grid{stroke:#ddd}.even{stroke:#999;stroke-dasharray:4 4}\
.legend span{margin-right:1.5em}.legend i{display:inline-block;width:1em;height:.6em;margin-right:.4em}\
.note{color:#666}@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}svg{fill:#bbb}\
.grid{stroke:#444}th,td{border-color:#444}.note,small{color:#999}}";

/// Writes the page.
///
/// # Errors
/// What writing says.
pub(super) fn html(
    out: &mut impl Write,
    evaluation: &Evaluation,
    comparison: &Comparison,
) -> io::Result<()> {
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>mailweir: evaluation</title>\n<style>{STYLE}</style></head><body>\n\
         <h1>Evaluation of the classifier</h1>\n<p>{} ham, {} spam; {} of them are near copies of another. {} Seed {}.</p>\n",
        evaluation.count(Class::Ham),
        evaluation.count(Class::Spam),
        evaluation.near_copies(),
        evaluation.design.explained(),
        evaluation.seed
    )?;
    write!(
        out,
        "{}",
        legend(evaluation.runs.iter().map(|r| r.title.as_str()))
    )?;
    overview(out, evaluation, comparison)?;
    differences(out, comparison)?;
    let all: Vec<Curves> = evaluation
        .runs
        .iter()
        .zip(&comparison.runs)
        .map(|(run, (_, figures))| Curves::of(evaluation, run, figures))
        .collect();
    writeln!(out, "<h2>Curves</h2><div class=\"plots\">")?;
    let figure = |out: &mut dyn Write, caption: &str, svg: String| {
        writeln!(
            out,
            "<figure><figcaption>{}</figcaption>{svg}</figure>",
            markup(caption)
        )
    };
    figure(
        out,
        "Ham lost and spam missed (ROC, both logarithmic)",
        curves::roc(
            &all,
            (evaluation.count(Class::Ham), evaluation.count(Class::Spam)),
        ),
    )?;
    figure(
        out,
        "What probabilities turned out to mean",
        curves::calibration(&all),
    )?;
    if evaluation.runs.iter().any(|r| r.learning.len() > 1) {
        figure(out, "Learning curve", curves::learning(&all))?;
    }
    for run in &evaluation.runs {
        figure(
            out,
            &format!("Scores of {}", run.title),
            distribution(evaluation, run),
        )?;
    }
    writeln!(out, "</div>")?;
    for (run, (title, figures)) in evaluation.runs.iter().zip(&comparison.runs) {
        thresholds(out, title, figures)?;
        worst(out, evaluation, run)?;
    }
    writeln!(
        out,
        "<p class=\"note\">Intervals hold 95 %: of shares after Wilson, of 1-ROCA and LAM by drawing clusters of near copies again. \
         mailweir {}</p></body></html>",
        env!("CARGO_PKG_VERSION")
    )
}

/// A figure over its interval.
fn stacked(figure: &str) -> String {
    match figure.split_once(" (") {
        Some((figure, interval)) => format!("{figure}<br/><small>({interval}</small>"),
        None => figure.to_owned(),
    }
}

fn overview(
    out: &mut impl Write,
    evaluation: &Evaluation,
    comparison: &Comparison,
) -> io::Result<()> {
    write!(
        out,
        "<h2>Figures</h2><div class=\"wide\"><table><tr><th></th><th>1-ROCA %</th><th>ham lost</th><th>spam missed</th><th>unsure</th><th>LAM %</th>\
         <th>missed at 0.1 % ham lost</th><th>probabilities off by</th><th>learned, messages/s</th></tr>"
    )?;
    for (run, (title, f)) in evaluation.runs.iter().zip(&comparison.runs) {
        let missed = f.missed_at.iter().find(|m| m.0 == 0.001).and_then(|m| m.1);
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2} %</td><td>{}</td></tr>",
            markup(title),
            stacked(&around(f.one_minus_roca, f.one_minus_roca_interval, 1.0, 3)),
            stacked(&f.ham_misclassified.to_string()),
            stacked(&f.spam_misclassified.to_string()),
            stacked(&f.unsure.to_string()),
            stacked(&around(Some(f.lam), f.lam_interval, 100.0, 2)),
            missed.map_or("–".into(), |m| format!("{:.2} %", 100.0 * m)),
            100.0 * f.calibration_error,
            run.training.map_or("–".into(), |(messages, took)| format!(
                "{messages}, {:.0}",
                messages as f64 / took.as_secs_f64().max(1e-9)
            )),
        )?;
    }
    writeln!(
        out,
        "</table></div><p class=\"note\">Spam is what gets {} or more, ham what gets less than {}; between them is unsure, which is delivered.</p>",
        evaluation.cut.spam_from, evaluation.cut.ham_below
    )
}

fn differences(out: &mut impl Write, comparison: &Comparison) -> io::Result<()> {
    let Some((first, _)) = comparison
        .runs
        .first()
        .filter(|_| !comparison.differences.is_empty())
    else {
        return Ok(());
    };
    writeln!(
        out,
        "<h2>Against {}</h2><p>On the same messages and the same draws; above 0 is worse.</p><table><tr><th></th><th>1-ROCA, points</th>\
         <th>LAM, points</th><th>ham lost by one alone</th><th>spam missed by one alone</th></tr>",
        markup(first)
    )?;
    for (title, d) in &comparison.differences {
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{} : {}</td><td>{} : {}</td></tr>",
            markup(title),
            around(d.one_minus_roca, d.one_minus_roca_interval, 1.0, 4),
            around(Some(d.lam), d.lam_interval, 100.0, 3),
            d.ham_lost.1,
            d.ham_lost.0,
            d.spam_missed.1,
            d.spam_missed.0,
        )?;
    }
    writeln!(out, "</table>")
}

fn distribution(evaluation: &Evaluation, run: &Run) -> String {
    const END: f64 = 20.0;
    let series = [Class::Ham, Class::Spam].map(|class| {
        let mut columns = [0_usize; COLUMNS];
        for (member, score) in evaluation.members.iter().zip(&run.scores) {
            let share = (score.odds.clamp(-END, END) + END) / (2.0 * END);
            let at = ((share * COLUMNS as f64) as usize).min(COLUMNS - 1);
            if member.class == class
                && let Some(column) = columns.get_mut(at)
            {
                *column += 1;
            }
        }
        let total = evaluation.count(class).max(1) as f64;
        Series {
            title: class.to_string(),
            points: columns
                .iter()
                .enumerate()
                .map(|(i, n)| {
                    let middle = (i as f64 + 0.5) / COLUMNS as f64 * 2.0 * END - END;
                    (middle, 100.0 * *n as f64 / total)
                })
                .collect(),
            marked: false,
        }
    });
    let highest = series
        .iter()
        .flat_map(|s| &s.points)
        .map(|p| p.1)
        .fold(1.0, f64::max);
    let svg = chart(
        "Scores of ham and of spam",
        &Axis::steps("log odds", -END, END),
        &Axis::steps("messages of the class, %", 0.0, highest),
        &series,
    );
    let names = series.iter().map(|s| s.title.as_str());
    format!("{}{svg}", legend(names))
}

fn thresholds(out: &mut impl Write, title: &str, figures: &Figures) -> io::Result<()> {
    let mut rows = String::new();
    for at in &figures.thresholds {
        // Writing to a string does not fail.
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            at.probability, at.ham_lost, at.spam_missed
        );
    }
    writeln!(
        out,
        "<h2>{}: by threshold</h2><table><tr><th>probability</th><th>ham at or above (lost)</th><th>spam below (missed)</th></tr>\n{rows}</table>",
        markup(title)
    )
}

fn worst(out: &mut impl Write, evaluation: &Evaluation, run: &Run) -> io::Result<()> {
    writeln!(
        out,
        "<h2>{}: judged most wrongly, or sorted wrongly</h2><table><tr><th>is</th><th>probability</th><th class=\"path\">message</th></tr>",
        markup(&run.title)
    )?;
    for class in [Class::Ham, Class::Spam] {
        for (member, probability) in evaluation.worst(run, class, WORST) {
            writeln!(
                out,
                "<tr><td>{class}</td><td>{probability:.4}</td><td class=\"path\">{}</td></tr>",
                markup(&scores::shown(&member.name))
            )?;
        }
    }
    writeln!(out, "</table>")
}
