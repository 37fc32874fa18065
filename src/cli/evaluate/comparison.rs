//! Figures of an evaluation as tables on a terminal.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use crate::filter::bayes::Class;
use crate::printable::printable;
use crate::workbench::bootstrap::around;
use crate::workbench::evaluation::{Comparison, Evaluation, Run};
use crate::workbench::figures::Figures;
use crate::workbench::scores;

/// Wrongly judged messages of a class that are named.
const WORST: usize = 5;
/// Thresholds of the table.
const SHOWN: [f64; 5] = [0.5, 0.6, 0.9, 0.99, 0.999];

/// Writes everything.
pub(in crate::cli) fn show(
    out: &mut impl Write,
    evaluation: &Evaluation,
    comparison: &Comparison,
) -> io::Result<()> {
    writeln!(
        out,
        "messages     {} ham, {} spam, {} of them near copies of another",
        evaluation.count(Class::Ham),
        evaluation.count(Class::Spam),
        evaluation.near_copies()
    )?;
    writeln!(out, "design       {}", evaluation.design.explained())?;
    overview(out, evaluation, comparison)?;
    for (run, (_, figures)) in evaluation.runs.iter().zip(&comparison.runs) {
        writeln!(out)?;
        if evaluation.runs.len() > 1 {
            writeln!(out, "{}:", title_of(&run.title))?;
        }
        one(out, evaluation, run, figures)?;
    }
    Ok(())
}

/// Writes one row a figure, one column a contender, and how each differs from the first.
pub(in crate::cli) fn overview(
    out: &mut impl Write,
    evaluation: &Evaluation,
    comparison: &Comparison,
) -> io::Result<()> {
    writeln!(out, "{}", rows(evaluation, comparison))?;
    for (title, difference) in &comparison.differences {
        let first = comparison.runs.first().map_or("", |r| &r.0);
        writeln!(
            out,
            "{} against {}: 1-ROCA {} points{}; ham lost by one alone {} : {}, spam missed by one alone {} : {}",
            title_of(title),
            title_of(first),
            difference
                .one_minus_roca
                .map_or("unknown".into(), |d| format!("{d:+.4}")),
            difference
                .one_minus_roca_interval
                .map_or(String::new(), |i| {
                    let chance = i.low <= 0.0 && i.high >= 0.0;
                    format!(
                        " ({:+.4} to {:+.4}{})",
                        i.low,
                        i.high,
                        if chance { ", may be chance" } else { "" }
                    )
                }),
            difference.ham_lost.1,
            difference.ham_lost.0,
            difference.spam_missed.1,
            difference.spam_missed.0,
        )?;
    }
    Ok(())
}

fn one(
    out: &mut impl Write,
    evaluation: &Evaluation,
    run: &Run,
    figures: &Figures,
) -> io::Result<()> {
    writeln!(out, "{}", thresholds(figures))?;
    if run.learning.len() > 1 {
        write!(out, "learning curve, 1-ROCA after so many messages:")?;
        for learnt in &run.learning {
            match learnt.one_minus_roca {
                Some(roca) => write!(out, "  {} {roca:.3} %", learnt.messages)?,
                None => write!(out, "  {} unknown", learnt.messages)?,
            }
        }
        writeln!(out)?;
    }
    for class in [Class::Ham, Class::Spam] {
        let worst = evaluation.worst(run, class, WORST);
        if !worst.is_empty() {
            writeln!(out, "{class} judged most wrongly (or sorted wrongly):")?;
        }
        for (member, probability) in worst {
            let name = printable(&scores::shown(&member.name), 300);
            writeln!(out, "  {probability:.4}  {name}")?;
        }
    }
    Ok(())
}

fn title_of(title: &str) -> String {
    printable(title, 60)
}

fn table(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}

/// One row a figure, one column a contender.
fn rows(evaluation: &Evaluation, comparison: &Comparison) -> Table {
    let titles = comparison.runs.iter().map(|(title, _)| title_of(title));
    let mut table = table(std::iter::once(String::new()).chain(titles).collect());
    let mut row = |name: &str, of: &dyn Fn(&Figures) -> String| {
        let cells = comparison.runs.iter().map(|(_, figures)| of(figures));
        table.add_row(std::iter::once(name.to_owned()).chain(cells));
    };
    row("1-ROCA, %", &|f| {
        around(f.one_minus_roca, f.one_minus_roca_interval, 1.0, 3)
    });
    let (ham_below, spam_from) = (evaluation.cut.ham_below, evaluation.cut.spam_from);
    row(&format!("ham lost (from {spam_from} on)"), &|f| {
        f.ham_misclassified.to_string()
    });
    row(&format!("spam missed (below {spam_from})"), &|f| {
        f.spam_misclassified.to_string()
    });
    row(&format!("unsure ({ham_below} to {spam_from})"), &|f| {
        f.unsure.to_string()
    });
    row("LAM, %", &|f| around(Some(f.lam), f.lam_interval, 100.0, 2));
    for (index, lost) in crate::workbench::figures::HAM_LOST.iter().enumerate() {
        row(
            &format!("spam missed at {} % ham lost", 100.0 * lost),
            &|f| match f.missed_at.get(index) {
                Some((_, Some(missed))) => format!("{:.2} %", 100.0 * missed),
                _ => "unknown".into(),
            },
        );
    }
    row("probabilities off by", &|f| {
        format!("{:.2} %", 100.0 * f.calibration_error)
    });
    let mut time = |name: &str, of: &dyn Fn(&Run) -> String| {
        let cells = evaluation.runs.iter().map(of);
        table.add_row(std::iter::once(name.to_owned()).chain(cells));
    };
    if evaluation.runs.iter().any(|r| r.training.is_some()) {
        time("training", &|run| match run.training {
            Some((messages, took)) => format!(
                "{:.1} s, {:.0} messages/s",
                took.as_secs_f64(),
                messages as f64 / took.as_secs_f64().max(1e-9)
            ),
            None => "before".into(),
        });
    }
    if evaluation.runs.iter().any(|r| !r.judging.is_zero()) {
        time("judging", &|run| {
            format!(
                "{:.1} s, {:.0} messages/s",
                run.judging.as_secs_f64(),
                run.scores.len() as f64 / run.judging.as_secs_f64().max(1e-9)
            )
        });
    }
    table
}

fn thresholds(figures: &Figures) -> Table {
    let mut table = table(
        [
            "probability",
            "ham at or above (lost)",
            "spam below (missed)",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    for at in figures
        .thresholds
        .iter()
        .filter(|t| SHOWN.contains(&t.probability))
    {
        table.add_row([
            Cell::new(at.probability),
            Cell::new(at.ham_lost).set_alignment(CellAlignment::Right),
            Cell::new(at.spam_missed).set_alignment(CellAlignment::Right),
        ]);
    }
    table
}
