//! `mailweir corpus check`: what is wrong with sorted mail before anything is learned from it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;

use super::header_fields::HeaderFieldArgs;
use super::progress::Progress;
use crate::filter::bayes::Class;
use crate::printable::{printable, printable_path};
use crate::workbench::corpus::skew::Dates;
use crate::workbench::corpus::{self, DOUBTFUL, Findings, Group, Mark, Options};

/// `mailweir corpus`
#[derive(Clone, Debug, clap::Args)]
pub struct CorpusArgs {
    #[command(subcommand)]
    command: CorpusCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum CorpusCommand {
    /// Find near copies, contradicting and doubtful labels, skew, and test mail that is learned
    Check(CheckArgs),
}

/// Looks for what makes a corpus teach the wrong thing.
///
/// What cannot be read is named and left out. Exit codes: 0 done, 1 a PATH is not there or holds no message, or,
/// with --strict, a message lies under both labels or in both the training and the test set; 2 for wrong arguments.
#[derive(Clone, Debug, clap::Args)]
struct CheckArgs {
    /// Folders with ham and spam in folders of these names, or mail without labels
    #[arg(value_name = "PATH", required_unless_present_any = ["ham", "spam"])]
    paths: Vec<PathBuf>,
    /// Wanted mail
    #[arg(long, num_args = 1.., value_name = "PATH")]
    ham: Vec<PathBuf>,
    /// Spam
    #[arg(long, num_args = 1.., value_name = "PATH")]
    spam: Vec<PathBuf>,
    /// Wanted mail that is kept to test with
    #[arg(long, num_args = 1.., value_name = "PATH")]
    test_ham: Vec<PathBuf>,
    /// Spam that is kept to test with
    #[arg(long, num_args = 1.., value_name = "PATH")]
    test_spam: Vec<PathBuf>,
    /// Folds of the search for wrong labels
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=100))]
    folds: u16,
    #[command(flatten)]
    header_fields: HeaderFieldArgs,
    /// Seed of the folds
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Longest list
    #[arg(long, value_name = "N", default_value_t = 20)]
    most: usize,
    /// Fail when a message lies under both labels, or in both training and test
    #[arg(long)]
    strict: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Checks and prints.
///
/// # Errors
/// A path that is not there, or a place where no message is.
pub fn run(args: CorpusArgs) -> anyhow::Result<ExitCode> {
    let CorpusCommand::Check(args) = args.command;
    let mut progress = Progress::new();
    let options = Options {
        folds: usize::from(args.folds),
        seed: args.seed,
        most: args.most,
        receiving: args.header_fields.receiving()?,
    };
    let findings = corpus::check(marked(&args)?, &options, &mut progress)?;
    progress.end();
    let counts = findings.counts;
    if counts.ham + counts.spam + counts.unlabelled + counts.test == 0 {
        bail!("there are no messages to check");
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &findings)?;
        writeln!(out)?;
    } else {
        show(&mut out, &findings)?;
    }
    if args.strict && findings.grave() {
        eprintln!(
            "mailweir: messages lie under both labels, or are learned and tested with too (--strict)"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn marked(args: &CheckArgs) -> anyhow::Result<Vec<(Mark, PathBuf)>> {
    let mut marked = Vec::new();
    let mut add = |path: &Path, class, test| -> anyhow::Result<()> {
        std::fs::metadata(path).with_context(|| format!("cannot read {}", printable_path(path)))?;
        marked.push((Mark { class, test }, path.to_owned()));
        Ok(())
    };
    for path in &args.paths {
        let (ham, spam) = (path.join("ham"), path.join("spam"));
        if ham.is_dir() && spam.is_dir() {
            add(&ham, Some(Class::Ham), false)?;
            add(&spam, Some(Class::Spam), false)?;
        } else {
            add(path, None, false)?;
        }
    }
    for (paths, class, test) in [
        (&args.ham, Class::Ham, false),
        (&args.spam, Class::Spam, false),
        (&args.test_ham, Class::Ham, true),
        (&args.test_spam, Class::Spam, true),
    ] {
        for path in paths {
            add(path, Some(class), test)?;
        }
    }
    Ok(marked)
}

fn show(out: &mut impl Write, found: &Findings) -> io::Result<()> {
    let counts = found.counts;
    writeln!(
        out,
        "messages        {} ham, {} spam, {} without a label, {} to test with",
        counts.ham, counts.spam, counts.unlabelled, counts.test
    )?;
    writeln!(
        out,
        "copies          {} exact, {} near copies with them",
        found.copies, found.near_copies
    )?;
    writeln!(out, "both labels     {} groups", found.contradicting)?;
    match found.doubtful {
        Some(n) => writeln!(
            out,
            "doubtful        {n} messages get {DOUBTFUL} or more for the other label"
        )?,
        None => writeln!(out, "doubtful        not known: this takes ham and spam")?,
    }
    if counts.test > 0 {
        writeln!(
            out,
            "leaking         {} of the {} test messages are learned, or near copies of them",
            found.leaking, counts.test
        )?;
    }
    if let Some(distance) = found.date_distance {
        let warning = if distance >= 0.5 {
            ": ham and spam are of different times, and figures are too good"
        } else {
            ""
        };
        writeln!(out, "dates           {distance:.2} apart, 0 to 1{warning}")?;
    }
    for dates in &found.dates {
        when(out, dates)?;
    }
    if !found.leaks.is_empty() {
        writeln!(
            out,
            "\nTest messages that are learned (exact, or nearly so):"
        )?;
        for leak in &found.leaks {
            let how = if leak.exact { "exact" } else { "near" };
            writeln!(
                out,
                "  {how:<6} {}  {}",
                text(&leak.test),
                text(&leak.learned)
            )?;
        }
    }
    if !found.contradictions.is_empty() {
        writeln!(out, "\nUnder both labels:")?;
        groups(out, &found.contradictions)?;
    }
    if !found.suspects.is_empty() {
        writeln!(
            out,
            "\nProbably under the wrong label, the most probable first (probability of spam, by models that had not learned them):"
        )?;
        for suspect in &found.suspects {
            let (label, probability) = (suspect.label, suspect.probability);
            writeln!(out, "  {label:<5}{probability:.4}  {}", text(&suspect.path))?;
        }
    }
    if !found.skew.is_empty() {
        writeln!(
            out,
            "\nWhat tells ham from spam here without being a mark of spam:\n   ham %  spam %"
        )?;
        for sign in &found.skew {
            let seen = if sign.seen_by_classifier {
                ""
            } else {
                "  (the classifier does not see it)"
            };
            let (ham, spam) = (100.0 * sign.ham, 100.0 * sign.spam);
            let what = sign.what.name();
            writeln!(
                out,
                "  {ham:>6.1}  {spam:>6.1}  {what} {}{seen}",
                text(&sign.value)
            )?;
        }
    }
    if !found.groups.is_empty() {
        writeln!(out, "\nLargest groups of near copies:")?;
        groups(out, &found.groups)?;
    }
    Ok(())
}

/// Messages of a group that are named.
const NAMED: usize = 4;

fn groups(out: &mut impl Write, groups: &[Group]) -> io::Result<()> {
    for group in groups {
        let how = if group.exact {
            "the same"
        } else {
            "nearly the same"
        };
        writeln!(out, "  {} {how}:", group.messages.len())?;
        for (label, path) in group.messages.iter().take(NAMED) {
            writeln!(out, "    {:<5}{}", label.unwrap_or(""), text(path))?;
        }
    }
    Ok(())
}

fn when(out: &mut impl Write, dates: &Dates) -> io::Result<()> {
    let days = dates.quantiles.map(|at| {
        Timestamp::from_second(at)
            .map_or_else(|_| "?".into(), |t| t.strftime("%Y-%m-%d").to_string())
    });
    writeln!(
        out,
        "  {:<4} from 0, 10, 50, 90, 100 %: {}  ({} without a date)",
        dates.class,
        days.join("  "),
        dates.undated
    )
}

fn text(text: &str) -> String {
    printable(text, 200)
}
