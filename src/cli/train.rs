//! `mailweir train`: learn from sorted mail, say how well it went, write the model.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use super::evaluate::{self, reading, shown};
use super::printable::printable;
use super::progress::Progress;
use crate::filter::bayes::{Class, EngineKind, Facts, Trained, Trainer};
use crate::mail::corpus::Sample;
use crate::workbench::Cut;
use crate::workbench::evaluation::Evaluation;
use crate::workbench::reading::{Reading, by_class};

/// Trains the Bayesian filter on sorted mail.
///
/// A PATH is a message, an mbox, a Maildir, or a folder with any of these, packed by gzip or not. Exit codes: 0 when the model
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
    /// Wanted mail that is not learned, to judge with the finished model
    #[arg(long, num_args = 1.., value_name = "PATH", requires = "test_spam")]
    pub test_ham: Vec<PathBuf>,
    /// Spam that is not learned, to judge with the finished model
    #[arg(long, num_args = 1.., value_name = "PATH", requires = "test_ham")]
    pub test_spam: Vec<PathBuf>,
    /// Messages that must not be learned even if they are among the others, such as the validation set of
    /// `mailweir model pin`; exact copies only
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub leave_out: Vec<PathBuf>,
}

/// Trains, evaluates, writes the model and prints the report to standard output.
///
/// # Errors
/// A class without messages, or a model that cannot be written; nothing is written then.
pub fn run(args: TrainArgs) -> anyhow::Result<ExitCode> {
    let started = SystemTime::now();
    let mut progress = Progress::new();
    let left_out = digests(&args.leave_out, &mut progress)?;
    let mut trainer = Trainer::new(args.engine);
    let mut withheld = 0;
    reading(&args.ham, &args.spam)?.batches("reading", &mut progress, |batch| {
        let learned = batch.into_iter().filter(|(_, sample)| {
            let withhold =
                !left_out.is_empty() && left_out.contains(blake3::hash(&sample.raw).as_bytes());
            withheld += usize::from(withhold);
            !withhold
        });
        for (class, samples) in by_class(learned) {
            trainer.learn(class, samples);
        }
    });
    progress.say("learning");
    let sources = args.ham.iter().map(|p| format!("ham {}", shown(p)));
    let sources = sources.chain(args.spam.iter().map(|p| format!("spam {}", shown(p))));
    let trained = trainer.finish(Facts {
        trained_at: trained_at(started)?,
        seed: args.seed,
        sources: sources.collect(),
        ..Facts::default()
    })?;
    progress.end();
    trained.engine.save(&args.model)?;

    let mut out = std::io::stdout().lock();
    let took = started.elapsed().unwrap_or_default();
    let lost = Lost {
        unreadable: progress.left_out,
        withheld,
    };
    report(&mut out, &trained, &args, &lost, took)?;
    if !args.test_ham.is_empty() {
        let mut test = reading(&args.test_ham, &args.test_spam)?;
        let models = [(args.model.display().to_string(), trained.engine)];
        let cut = (Cut::default(), args.seed);
        let evaluation = Evaluation::held_out(&mut test, &models, cut, &mut progress);
        progress.end();
        for class in [Class::Ham, Class::Spam] {
            if evaluation.count(class) == 0 {
                bail!("there is no {class} to test with");
            }
        }
        writeln!(
            out,
            "\nOn messages that were not learned (--test-ham, --test-spam):"
        )?;
        evaluate::show(&mut out, &evaluation, &evaluation.compare())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Messages that were there and were not learned.
struct Lost {
    unreadable: usize,
    withheld: usize,
}

/// The digests of all messages under `paths`.
fn digests(paths: &[PathBuf], progress: &mut Progress) -> anyhow::Result<HashSet<[u8; 32]>> {
    for path in paths {
        std::fs::metadata(path).with_context(|| format!("cannot read {}", shown(path)))?;
    }
    let mut digests = HashSet::new();
    Reading::new(paths.iter().map(|p| ((), p.clone())).collect()).batches(
        "reading what is left out",
        progress,
        |batch: Vec<((), Sample)>| {
            digests.extend(batch.iter().map(|(_, s)| *blake3::hash(&s.raw).as_bytes()));
        },
    );
    Ok(digests)
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
    lost: &Lost,
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
        "left out     {} exact copies, {} in both classes, {} not readable, {} as told by --leave-out",
        read.copies, read.in_both, lost.unreadable, lost.withheld
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
    let Some(evaluation) = Evaluation::of_training(trained) else {
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
    evaluate::show(out, &evaluation, &evaluation.compare())
}
