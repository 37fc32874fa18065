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
use crate::filter::bayes::{Class, Engine, EngineKind, Facts, Read, Receiving, Trainer};
use crate::printable::{printable, printable_path};
use crate::workbench::evaluation::{Comparison, Evaluation, Validation};
use crate::workbench::promotion::PromotionError;
use crate::workbench::reading::{Reading, by_class};
use crate::workbench::registry::Evaluated;
use crate::workbench::{Cut, leakage};

/// Arguments of `mailweir train`.
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
/// A class without messages, or a model that cannot be written: the model before stays.
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
        if !pinned && registry.live().is_some() {
            return Err(PromotionError::NotPinned.into());
        }
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
    evaluate::can_be_made(&args.model)?;
    let mut progress = Progress::new();
    let mut corpus = reading(&args.ham, &args.spam)?;
    let left_out = kept(&mut corpus, &args.leave_out, &mut progress)?;
    corpus.leave_out(left_out);
    let mut trainer = Trainer::new(kind).ignoring(receiving.clone());
    corpus.batches("reading", &mut progress, |batch| {
        for (class, samples) in by_class(batch) {
            trainer.learn(class, samples);
        }
    });
    let lost = Lost {
        unreadable: progress.left_out,
        withheld: corpus.withheld(),
    };
    progress.say("learning");
    let trained = trainer.finish(Facts {
        trained_at,
        seed: args.seed,
        sources: sources(&args),
        ..Facts::default()
    })?;
    progress.end();
    let took = started.elapsed();
    let kept_aside = match args.learning_curve {
        true => learning_curve(&args, kind, (receiving, corpus), &mut progress)?,
        false => None,
    };
    let kept_aside = kept_aside.or_else(|| Evaluation::of_training(&trained));
    let models = [(args.model.display().to_string(), trained.engine)];
    let tested = tested(&args, &models, &mut progress)?;
    progress.end();
    let [(_, engine)] = models;
    engine.save(&args.model)?;
    let kept_aside = kept_aside.map(|evaluation| (evaluation.compare(), evaluation));
    let came_to = kept_aside.as_ref();
    let came_to =
        came_to.and_then(|(comparison, evaluation)| Evaluated::of(evaluation, comparison));
    // The model is there and serves without it.
    if let Err(error) = Evaluated::put_beside(came_to.as_ref(), &args.model) {
        eprintln!(
            "what the training came to cannot be kept beside {}: {error}",
            printable_path(&args.model)
        );
    }

    let mut out = std::io::stdout().lock();
    report(&mut out, (&engine, &trained.read), &args, &lost, took)?;
    evaluated(&mut out, kept_aside.as_ref())?;
    if let Some(tested) = &tested {
        writeln!(
            out,
            "\nOn messages that were not learned (--test-ham, --test-spam):"
        )?;
        evaluate::show(&mut out, tested, &tested.compare())?;
    }
    let Some(config) = &promoting else {
        return Ok(ExitCode::SUCCESS);
    };
    writeln!(out)?;
    let promoted = super::model::promote_trained(&mut out, config, &args.model);
    // The folder of models has copies of its own.
    let _ = std::fs::remove_file(&args.model);
    let _ = Evaluated::put_beside(None, &args.model);
    promoted
}

/// The evaluation of what is learned, with that of parts of it. `None`, with a word about it, when the mail changes
/// meanwhile.
fn learning_curve(
    args: &TrainArgs,
    kind: EngineKind,
    (receiving, mut corpus): (Receiving, Reading<Class>),
    progress: &mut Progress,
) -> anyhow::Result<Option<Evaluation>> {
    let options = Validation {
        folds: 5,
        seed: args.seed,
        learning: true,
        receiving,
    };
    let cut = Cut::default();
    let crossed = Evaluation::cross_validated(&mut corpus, &[kind], options, cut, progress)?;
    progress.end();
    Ok(match corpus.unchanged() {
        Ok(()) => Some(crossed),
        Err(changed) => {
            eprintln!("no learning curve: {changed}");
            None
        }
    })
}

/// What models say of the messages that were given to test with, if any were.
fn tested(
    args: &TrainArgs,
    models: &[(String, Engine)],
    progress: &mut Progress,
) -> anyhow::Result<Option<Evaluation>> {
    if args.test_ham.is_empty() {
        return Ok(None);
    }
    let mut test = reading(&args.test_ham, &args.test_spam)?;
    let cut = (Cut::default(), args.seed);
    let evaluation = Evaluation::held_out(&mut test, models, cut, progress);
    test.unchanged()?;
    for class in [Class::Ham, Class::Spam] {
        if evaluation.count(class) == 0 {
            bail!("there is no {class} to test with");
        }
    }
    Ok(Some(evaluation))
}

/// The paths that are learned from, as the model names them.
fn sources(args: &TrainArgs) -> Vec<String> {
    let named = |class: &str, paths: &[PathBuf]| -> Vec<String> {
        let paths = paths.iter();
        paths
            .map(|p| format!("{class} {}", printable_path(p)))
            .collect()
    };
    [named("ham", &args.ham), named("spam", &args.spam)].concat()
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
    (engine, read): (&Engine, &Read),
    args: &TrainArgs,
    lost: &Lost,
    took: Duration,
) -> std::io::Result<()> {
    let facts = engine.facts();
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
        engine.kind().name(),
        engine.features(),
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
