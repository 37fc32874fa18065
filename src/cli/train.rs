//! `mailweir train`: learn from sorted mail, say how well it went, write the model.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::evaluate::{self, reading};
use super::header_fields::HeaderFieldArgs;
use super::progress::Progress;
use super::{ConfigArgs, told};
use crate::clock;
use crate::filter::bayes::{Class, EngineKind, Facts, Trained, Trainer};
use crate::printable::{printable, printable_path};
use crate::workbench::evaluation::{Comparison, Evaluation, Validation};
use crate::workbench::reading::{Reading, by_class};
use crate::workbench::registry::Evaluated;
use crate::workbench::{Cut, leakage};

/// Trains the Bayesian filter on sorted mail.
///
/// A PATH is a message, an mbox, a Maildir, or a folder with any of these, packed by gzip or not. Exit codes: 0 when the model
/// was written, 1 when it was not, 2 for wrong arguments, 3 when --promote kept it aside.
#[derive(Clone, Debug, clap::Args)]
pub struct TrainArgs {
    /// Wanted mail
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub ham: Vec<PathBuf>,
    /// Spam
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub spam: Vec<PathBuf>,
    /// Where the model goes; replaced at once and as a whole
    #[arg(
        long,
        default_value = "model.mwb",
        value_name = "FILE",
        conflicts_with = "promote"
    )]
    pub model: PathBuf,
    /// Try the model on the messages of `mailweir model pin` and put it into force if it does no worse than the
    /// one in use; neither those messages nor near copies of them are learned
    #[arg(long)]
    pub promote: bool,
    /// The engine to train; osb where nothing is said, that of the configuration with --promote
    #[arg(long, value_enum, conflicts_with = "promote")]
    pub engine: Option<EngineKind>,
    /// Order of learning and split for the evaluation; the same seed gives the same model
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    header_fields: HeaderFieldArgs,
    /// Wanted mail that is not learned, to judge with the finished model
    #[arg(long, num_args = 1.., value_name = "PATH", requires = "test_spam")]
    pub test_ham: Vec<PathBuf>,
    /// Spam that is not learned, to judge with the finished model
    #[arg(long, num_args = 1.., value_name = "PATH", requires = "test_ham")]
    pub test_spam: Vec<PathBuf>,
    /// Train on an eighth, a quarter and a half of the messages too, to see what more of them would bring; takes several times as long
    #[arg(long)]
    pub learning_curve: bool,
    /// Messages that are kept to test with: neither they nor near copies of them are learned
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub leave_out: Vec<PathBuf>,
}

/// Trains, evaluates, writes the model and prints the report to standard output.
///
/// # Errors
/// A class without messages, or a model that cannot be written; nothing is written then.
pub(super) fn run(mut args: TrainArgs, config: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let (started, trained_at) = (Instant::now(), trained_at()?);
    let receiving = args.header_fields.receiving()?;
    let promoting = match args.promote {
        true => match told(config.load()) {
            Some(config) => Some(config),
            None => return Ok(ExitCode::FAILURE),
        },
        false => None,
    };
    let mut kind = args.engine.unwrap_or_default();
    if let Some(config) = &promoting {
        let registry = super::model::registry(config);
        kind = config.file.bayes.engine;
        // A folder that cannot be changed is better found out before the training than after it.
        let changing = registry.change()?;
        let pinned = changing.book.pinned.is_some();
        for file in changing.sweep()? {
            let file = registry.file("").with_file_name(file);
            eprintln!(
                "removed {}: no model that is kept, and left there by a process that is gone or has a better one",
                printable_path(&file)
            );
        }
        drop(changing);
        args.model = registry.candidate();
        if pinned {
            args.leave_out.push(registry.validation());
        }
    }
    let mut progress = Progress::new();
    let mut corpus = reading(&args.ham, &args.spam)?;
    let left_out = kept(&mut corpus, &args.leave_out, &mut progress)?;
    let mut trainer = Trainer::new(kind).ignoring(receiving.clone());
    let mut withheld = 0;
    corpus.batches("reading", &mut progress, |batch| {
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
    let sources = args
        .ham
        .iter()
        .map(|p| format!("ham {}", printable_path(p)));
    let sources = sources.chain(
        args.spam
            .iter()
            .map(|p| format!("spam {}", printable_path(p))),
    );
    let trained = trainer.finish(Facts {
        trained_at,
        seed: args.seed,
        sources: sources.collect(),
        ..Facts::default()
    })?;
    progress.end();
    trained.engine.save(&args.model)?;

    let mut out = std::io::stdout().lock();
    let took = started.elapsed();
    let lost = Lost {
        unreadable: progress.left_out,
        withheld,
    };
    report(&mut out, &trained, &args, &lost, took)?;
    let evaluation = match args.learning_curve {
        true => {
            let options = Validation {
                folds: 5,
                seed: args.seed,
                learning: true,
                receiving,
            };
            let cut = Cut::default();
            let crossed =
                Evaluation::cross_validated(&mut corpus, &[kind], options, cut, &mut progress)?;
            progress.end();
            Some(crossed)
        }
        false => Evaluation::of_training(&trained),
    };
    let compared = evaluation.map(|evaluation| (evaluation.compare(), evaluation));
    evaluated(&mut out, compared.as_ref())?;
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
    if let Some(config) = &promoting {
        writeln!(out)?;
        let kept = compared.as_ref();
        let kept = kept.and_then(|(comparison, evaluation)| Evaluated::of(evaluation, comparison));
        let promoted = super::model::promote_trained(&mut out, config, &args.model, kept.as_ref());
        // The folder of models has its own copy.
        let _ = std::fs::remove_file(&args.model);
        return promoted;
    }
    Ok(ExitCode::SUCCESS)
}

/// Messages that were there and were not learned.
struct Lost {
    unreadable: usize,
    withheld: usize,
}

/// The digests of the messages of `corpus` that are, nearly, among those kept under `paths`.
fn kept(
    corpus: &mut Reading<Class>,
    paths: &[PathBuf],
    progress: &mut Progress,
) -> anyhow::Result<HashSet<[u8; 32]>> {
    if paths.is_empty() {
        return Ok(HashSet::new());
    }
    for path in paths {
        std::fs::metadata(path).with_context(|| format!("cannot read {}", printable_path(path)))?;
    }
    let mut kept = Reading::new(paths.iter().map(|p| ((), p.clone())).collect());
    Ok(leakage::near(corpus, &mut kept, progress))
}

/// Now, or what SOURCE_DATE_EPOCH says: with it, the same corpus gives the same file.
fn trained_at() -> anyhow::Result<u64> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().with_context(|| {
            format!(
                "SOURCE_DATE_EPOCH is not a number of seconds: {}",
                printable(&text, 100)
            )
        }),
        Err(_) => Ok(clock::unsigned_seconds()),
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
        "left out     {} exact copies, {} in both classes, {} not readable, {} kept to test with",
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
        printable_path(&args.model),
        trained.engine.kind().name(),
        trained.engine.features(),
        size as f64 / f64::from(1 << 20)
    )?;
    Ok(())
}

/// What came out on messages that were kept aside.
fn evaluated(
    out: &mut impl Write,
    compared: Option<&(Comparison, Evaluation)>,
) -> std::io::Result<()> {
    let Some((comparison, evaluation)) = compared else {
        return writeln!(
            out,
            "\nThe corpus is too small to be evaluated: 20 different messages of each class are needed."
        );
    };
    writeln!(
        out,
        "\nOn messages kept aside (five folds, near copies together):"
    )?;
    evaluate::show(out, evaluation, comparison)
}
