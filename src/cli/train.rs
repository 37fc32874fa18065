//! `mailweir train`: learn from sorted mail, say how well it went, write the model.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::filter::bayes::{
    Class, Engine, EngineKind, Evaluation, Facts, Receiving, Trained, Trainer, judge_all,
};
use crate::mail::corpus::Corpus;

use super::printable::printable;

/// Trains the Bayesian filter on sorted mail.
///
/// A PATH is a message, an mbox, a Maildir, or a folder with any of these. Exit codes: 0 when the model
/// was written, 1 when it was not, 2 for wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct TrainArgs {
    /// Wanted mail
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub ham: Vec<PathBuf>,
    /// Spam
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub spam: Vec<PathBuf>,
    /// Where the model goes; replaced at once and as a whole
    #[arg(long, default_value = "model.mwb", value_name = "FILE")]
    pub model: PathBuf,
    /// The engine to train
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineKind,
    /// Order of learning and split for the evaluation; the same seed gives the same model
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Header fields that are not read, beside those that the receiving side and filters write; `X-Ours-*` for a
    /// beginning, `Received` for the whole route
    #[arg(long, num_args = 1.., value_name = "NAME")]
    pub ignore_header: Vec<String>,
    /// Header fields that are read although the receiving side or a filter writes them
    #[arg(long, num_args = 1.., value_name = "NAME")]
    pub read_header: Vec<String>,
    /// Wanted mail that is not learned, to judge with the finished model
    #[arg(long, num_args = 1.., value_name = "PATH", requires = "test_spam")]
    pub test_ham: Vec<PathBuf>,
    /// Spam that is not learned, to judge with the finished model
    #[arg(long, num_args = 1.., value_name = "PATH", requires = "test_ham")]
    pub test_spam: Vec<PathBuf>,
}

/// Probabilities at which the report counts losses.
const THRESHOLDS: [f64; 4] = [0.6, 0.9, 0.99, 0.999];
/// Wrongly judged messages of a class that the report names.
const WORST: usize = 5;
/// Unreadable files that are named one by one.
const NAMED_FAILURES: usize = 20;

/// Trains, evaluates, writes the model and prints the report to standard output.
///
/// # Errors
/// A class without messages, or a model that cannot be written; nothing is written then.
pub fn run(args: TrainArgs) -> anyhow::Result<ExitCode> {
    let started = SystemTime::now();
    let receiving = Receiving::new(&args.ignore_header, &args.read_header)
        .map_err(|e| anyhow::anyhow!("--ignore-header, --read-header: {e}"))?;
    let mut trainer = Trainer::new(args.engine).ignoring(receiving);
    let mut failures = 0_usize;
    let bar = progress_bar();
    for (class, paths) in [(Class::Ham, &args.ham), (Class::Spam, &args.spam)] {
        bar.set_message(format!("reading {class}"));
        for path in paths {
            // What the caller named must be there; what is damaged inside is only left out.
            std::fs::metadata(path).with_context(|| format!("cannot read {}", shown(path)))?;
            trainer.learn_from(
                path.clone(),
                class,
                &mut |messages| bar.inc(messages as u64),
                &mut |error| {
                    failures += 1;
                    if failures <= NAMED_FAILURES {
                        bar.suspend(|| {
                            eprintln!("left out: {}", printable(&error.to_string(), 400))
                        });
                    }
                },
            );
        }
    }
    bar.set_message("learning");
    let sources = args.ham.iter().map(|p| format!("ham {}", shown(p)));
    let sources = sources.chain(args.spam.iter().map(|p| format!("spam {}", shown(p))));
    let trained = trainer.finish(Facts {
        trained_at: trained_at(started)?,
        seed: args.seed,
        sources: sources.collect(),
        ..Facts::default()
    })?;
    bar.finish_and_clear();
    trained.engine.save(&args.model)?;

    let mut out = std::io::stdout().lock();
    report(
        &mut out,
        &trained,
        &args,
        failures,
        started.elapsed().unwrap_or_default(),
    )?;
    if !args.test_ham.is_empty() {
        let test = judge(&trained.engine, &args)?;
        writeln!(
            out,
            "\nOn messages that were not learned (--test-ham, --test-spam):"
        )?;
        figures(&mut out, &test)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn judge(engine: &Engine, args: &TrainArgs) -> anyhow::Result<Evaluation> {
    let mut evaluation = Evaluation::default();
    for (class, paths) in [(Class::Ham, &args.test_ham), (Class::Spam, &args.test_spam)] {
        for path in paths {
            std::fs::metadata(path).with_context(|| format!("cannot read {}", shown(path)))?;
            let mut samples = Corpus::new(path).flatten();
            loop {
                let batch: Vec<_> = samples.by_ref().take(512).collect();
                if batch.is_empty() {
                    break;
                }
                evaluation.judged.extend(judge_all(engine, class, batch));
            }
        }
        if evaluation.count(class) == 0 {
            bail!("there is no {class} to test with");
        }
    }
    Ok(evaluation)
}

/// Now, or what SOURCE_DATE_EPOCH says: with it, the same corpus gives the same file.
fn trained_at(now: SystemTime) -> anyhow::Result<u64> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().with_context(|| {
            format!(
                "SOURCE_DATE_EPOCH is not a number of seconds: {}",
                printable(&text, 100)
            )
        }),
        Err(_) => Ok(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()),
    }
}

fn report(
    out: &mut impl Write,
    trained: &Trained,
    args: &TrainArgs,
    failures: usize,
    took: Duration,
) -> std::io::Result<()> {
    let facts = trained.engine.facts();
    let read = &trained.read;
    writeln!(
        out,
        "learned      {} ham, {} spam in {:.1} s",
        facts.ham,
        facts.spam,
        took.as_secs_f64()
    )?;
    writeln!(
        out,
        "left out     {} exact copies, {} in both classes, {failures} not readable",
        read.copies, read.in_both
    )?;
    writeln!(
        out,
        "near copies  {} (kept together in the evaluation)",
        read.near_copies
    )?;
    let size = std::fs::metadata(&args.model).map_or(0, |m| m.len());
    writeln!(
        out,
        "model        {}: engine {}, {} features, {:.1} MiB",
        shown(&args.model),
        args.engine.name(),
        trained.engine.features(),
        size as f64 / f64::from(1 << 20)
    )?;
    let Some(evaluation) = &trained.evaluation else {
        writeln!(
            out,
            "\nThe corpus is too small to be evaluated: 20 different messages of each class are needed."
        )?;
        return Ok(());
    };
    writeln!(
        out,
        "\nOn messages kept aside (five folds, near copies together):"
    )?;
    figures(out, evaluation)
}

fn figures(out: &mut impl Write, evaluation: &Evaluation) -> std::io::Result<()> {
    let (ham, spam) = (evaluation.count(Class::Ham), evaluation.count(Class::Spam));
    match evaluation.one_minus_roca() {
        Some(roca) => writeln!(out, "1-ROCA       {roca:.3} %  ({ham} ham, {spam} spam)")?,
        None => writeln!(out, "1-ROCA       unknown: a class is empty")?,
    }
    writeln!(
        out,
        "probability  ham at or above (lost)   spam below (missed)"
    )?;
    for threshold in THRESHOLDS {
        let (lost, missed) = (
            evaluation.ham_at(threshold),
            evaluation.spam_below(threshold),
        );
        writeln!(
            out,
            "{threshold:<11}  {lost:>6} {:>8.2} %        {missed:>6} {:>8.2} %",
            percent(lost, ham),
            percent(missed, spam)
        )?;
    }
    for class in [Class::Ham, Class::Spam] {
        let worst = evaluation.worst(class, WORST);
        if worst.is_empty() {
            continue;
        }
        writeln!(out, "{class} judged most wrongly (or sorted wrongly):")?;
        for judged in worst {
            let (path, number) = &judged.name;
            let number = number.map(|n| format!(" message {n}")).unwrap_or_default();
            writeln!(out, "  {:.4}  {}{number}", judged.probability, shown(path))?;
        }
    }
    Ok(())
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {pos} messages, {per_sec}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A path for a terminal: file names come from elsewhere.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), 300)
}
