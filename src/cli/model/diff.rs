//! `mailweir model diff`: two models side by side.

use std::io::{self, Write};
use std::path::PathBuf;

use super::origin::{open, origin};
use crate::cli::evaluate::{self, reading};
use crate::cli::progress::Progress;
use crate::printable::printable;
use crate::workbench::evaluation::{Comparison, Evaluation};
use crate::workbench::registry::Registry;
use crate::workbench::{Cut, promotion, scores};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct DiffArgs {
    /// Id or its beginning, `live`, `previous`, or a file
    first: String,
    /// Id or its beginning, `live`, `previous`, or a file
    second: String,
    /// Wanted mail to judge; without --ham and --spam the pinned messages
    #[arg(long, num_args = 1.., value_name = "PATH", requires = "spam")]
    ham: Vec<PathBuf>,
    /// Spam to judge
    #[arg(long, num_args = 1.., value_name = "PATH", requires = "ham")]
    spam: Vec<PathBuf>,
    /// Messages that are named at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    most: usize,
}

/// Says where both come from, their figures, and which messages they call differently.
pub(super) fn diff(
    out: &mut impl Write,
    registry: &Registry,
    args: &DiffArgs,
) -> anyhow::Result<()> {
    let book = registry.book()?;
    let models = [
        open(registry, &book, &args.first)?,
        open(registry, &book, &args.second)?,
    ];
    for (title, engine) in &models {
        writeln!(out, "{:<20} {}", printable(title, 100), origin(engine))?;
    }
    let mut progress = Progress::new();
    let evaluation = if args.ham.is_empty() {
        promotion::judge_pinned(registry, book.pinned.as_ref(), &models, &mut progress)?
    } else {
        let mut reading = reading(&args.ham, &args.spam)?;
        let cut = (Cut::default(), 1);
        let evaluation = Evaluation::held_out(&mut reading, &models, cut, &mut progress);
        reading.unchanged()?;
        evaluation
    };
    progress.end();
    let comparison: Comparison = evaluation.compare();
    evaluate::overview(out, &evaluation, &comparison)?;
    changed(out, &evaluation, args.most)?;
    Ok(())
}

/// The messages that the two call differently, the farthest apart first.
fn changed(out: &mut impl Write, evaluation: &Evaluation, most: usize) -> io::Result<()> {
    let [first, second] = evaluation.runs.as_slice() else {
        return Ok(());
    };
    let call = |p: f64| evaluation.cut.call(p).name();
    let scores_of = first.scores.iter().zip(&second.scores);
    let mut changed: Vec<_> = evaluation
        .members
        .iter()
        .zip(scores_of)
        .map(|(member, (a, b))| (member, a.probability, b.probability))
        .filter(|(_, a, b)| call(*a) != call(*b))
        .collect();
    changed.sort_by(|x, y| (y.2 - y.1).abs().total_cmp(&(x.2 - x.1).abs()));
    writeln!(out, "\n{} messages are called differently", changed.len())?;
    for (member, a, b) in changed.iter().take(most) {
        let name = printable(&scores::shown(&member.name), 200);
        let (class, from, to) = (member.class, call(*a), call(*b));
        writeln!(
            out,
            "  is {class:<5}{from:>7} {a:.4} -> {to:>6} {b:.4}  {name}"
        )?;
    }
    Ok(())
}
