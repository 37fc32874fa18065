//! `mailweir evaluate`: how good engines and models are on messages that they have not learned.

mod comparison;
mod json;
mod page;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::header_fields::HeaderFieldArgs;
use super::progress::Progress;
use crate::filter::bayes::{Class, Engine, EngineKind, Receiving, durable};
use crate::printable::printable_path;
use crate::workbench::Cut;
use crate::workbench::evaluation::{Comparison, Evaluation, Validation};
use crate::workbench::reading::Reading;
use crate::workbench::{online, scores};

pub(super) use comparison::{overview, show};

/// Says how good the classifier is on messages that it has not learned.
///
/// Without --model and --online, engines are cross-validated on the messages given. A PATH is a message, an
/// mbox, a Maildir, or a folder with any of these, packed by gzip or not. What cannot be read in them is named
/// and left out. Exit codes: 0 done, 1 a PATH is not there, a file could not be written, a class is empty, or a
/// message of LIST could not be read, 2 for wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct EvaluateArgs {
    /// Wanted mail
    #[arg(
        long,
        num_args = 1..,
        value_name = "PATH",
        required_unless_present = "online",
        conflicts_with = "online"
    )]
    pub ham: Vec<PathBuf>,
    /// Spam
    #[arg(
        long,
        num_args = 1..,
        value_name = "PATH",
        required_unless_present = "online",
        conflicts_with = "online"
    )]
    pub spam: Vec<PathBuf>,
    /// Judge each of N parts by what the others taught; 5 where nothing else is asked for
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=100))]
    pub folds: Option<u16>,
    /// Judge with a finished model that has not learned these messages; may be repeated
    #[arg(long, value_name = "FILE")]
    pub model: Vec<PathBuf>,
    /// Judge, then learn, the messages of a list in its order: lines of path and label (ham or spam),
    /// separated by a tab, paths relative to the list
    #[arg(long, value_name = "LIST", conflicts_with_all = ["folds", "model"])]
    pub online: Option<PathBuf>,
    /// Engine to train; may be repeated to compare
    #[arg(long, value_enum)]
    pub engine: Vec<EngineKind>,
    #[command(flatten)]
    header_fields: HeaderFieldArgs,
    /// Seed of folds, training and intervals
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Below this probability a message is called ham
    #[arg(long, value_name = "P", default_value_t = Cut::default().ham_below)]
    pub ham_below: f64,
    /// From this probability on a message is called spam
    #[arg(long, value_name = "P", default_value_t = Cut::default().spam_from)]
    pub spam_from: f64,
    /// Do not train on an eighth, a quarter and a half too
    #[arg(long)]
    pub no_learning_curve: bool,
    /// Write path, label, score and verdict of each message as CSV; with several engines or models one file
    /// each, numbered
    #[arg(long, value_name = "FILE")]
    pub scores: Option<PathBuf>,
    /// Write a report with plots, complete in one file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Evaluates, writes the files that were asked for, prints the figures.
///
/// # Errors
/// What cannot be read or written, or a class without messages.
pub fn run(args: EvaluateArgs) -> anyhow::Result<ExitCode> {
    let cut = Cut {
        ham_below: args.ham_below,
        spam_from: args.spam_from,
    };
    let in_order = 0.0 <= cut.ham_below && cut.ham_below <= cut.spam_from && cut.spam_from <= 1.0;
    if !in_order {
        bail!(
            "--ham-below and --spam-from are probabilities from 0 to 1, the first not above the second"
        );
    }
    for file in args.scores.iter().chain(&args.html) {
        if !file.exists() {
            can_be_made(file)?;
        }
    }
    let evaluation = evaluate(&args, cut)?;
    let comparison = evaluation.compare();
    for (index, run) in evaluation.runs.iter().enumerate() {
        if let Some(file) = &args.scores {
            let file = numbered(file, index, evaluation.runs.len());
            write_to(&file, |out| scores::write(out, &evaluation, run))?;
        }
    }
    if let Some(file) = &args.html {
        write_to(file, |out| page::html(out, &evaluation, &comparison))?;
    }
    print(&args, &evaluation, &comparison)?;
    Ok(ExitCode::SUCCESS)
}

fn evaluate(args: &EvaluateArgs, cut: Cut) -> anyhow::Result<Evaluation> {
    let engines = match args.engine.as_slice() {
        [] => vec![EngineKind::default()],
        chosen => chosen.to_vec(),
    };
    let receiving = args.header_fields.receiving()?;
    let mut progress = Progress::new();
    if let Some(list) = &args.online {
        let list = online::List::read(list)?;
        let evaluation =
            online::evaluate(&list, &engines, &receiving, (cut, args.seed), &mut progress);
        progress.end();
        if progress.left_out > 0 {
            bail!(
                "messages of the list could not be read, and what is left out changes all that is judged after it"
            );
        }
        return Ok(evaluation);
    }
    let models = args
        .model
        .iter()
        .map(|path| Ok((path.display().to_string(), Engine::open(path)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut reading = reading(&args.ham, &args.spam)?;
    let evaluation = if models.is_empty() || args.folds.is_some() || !args.engine.is_empty() {
        let folds = usize::from(args.folds.unwrap_or(5));
        let options = Validation {
            folds,
            seed: args.seed,
            learning: !args.no_learning_curve,
            receiving,
        };
        let mut evaluation =
            Evaluation::cross_validated(&mut reading, &engines, options, cut, &mut progress)
                .with_context(|| format!("with one of {folds} parts kept aside"))?;
        evaluation.ask(&mut reading, &models, &mut progress);
        evaluation
    } else {
        if receiving != Receiving::default() {
            bail!(
                "a model reads the header fields that it was trained on; --ignore-header and --read-header go without --model, or with --folds or --engine"
            );
        }
        Evaluation::held_out(&mut reading, &models, (cut, args.seed), &mut progress)
    };
    progress.end();
    reading.unchanged()?;
    for class in [Class::Ham, Class::Spam] {
        if !evaluation.members.iter().any(|m| m.class == class) {
            bail!("there is no {class} to evaluate with");
        }
    }
    Ok(evaluation)
}

/// Sorted mail to read. What the caller named must be there; what is damaged inside is only left out.
pub(super) fn reading(ham: &[PathBuf], spam: &[PathBuf]) -> anyhow::Result<Reading<Class>> {
    let mut paths = Vec::new();
    for (class, of_class) in [(Class::Ham, ham), (Class::Spam, spam)] {
        for path in of_class {
            std::fs::metadata(path)
                .with_context(|| format!("cannot read {}", printable_path(path)))?;
            paths.push((class, path.clone()));
        }
    }
    Ok(Reading::new(paths))
}

fn print(
    args: &EvaluateArgs,
    evaluation: &Evaluation,
    comparison: &Comparison,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &json::Json::of(evaluation, comparison))?;
        writeln!(out)?;
    } else {
        show(&mut out, evaluation, comparison)?;
    }
    Ok(())
}

fn numbered(file: &Path, index: usize, count: usize) -> PathBuf {
    if count < 2 {
        return file.to_owned();
    }
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{}", index + 1));
    if let Some(extension) = file.extension() {
        name.push(".");
        name.push(extension);
    }
    file.with_file_name(name)
}

/// Whether files can be made where `file` is to be: better found out before an hour of work than after it.
pub(super) fn can_be_made(file: &Path) -> anyhow::Result<()> {
    tempfile::tempfile_in(durable::folder(file))
        .map(drop)
        .with_context(|| format!("cannot write {}", printable_path(file)))
}

fn write_to(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", printable_path(path));
    let mut out = BufWriter::new(File::create(path).with_context(failed)?);
    write(&mut out)
        .and_then(|()| out.flush())
        .with_context(failed)
}
