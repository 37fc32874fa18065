//! `mailweir model`: which model the daemon uses, which it used, and why.

mod diff;
mod list;
mod origin;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::evaluate::{self, reading};
use super::progress::Progress;
use super::tokens;
use crate::config::Config;
use crate::filter::bayes;
use crate::mail::Mail;
use crate::mail::corpus::Corpus;
use crate::printable::{printable, printable_path};
use crate::workbench::promotion::{self, Candidate, How, Outcome};
use crate::workbench::registry::Registry;
use crate::workbench::scores;
use crate::workbench::tokens::Tokens;

/// `mailweir model`
#[derive(Clone, Debug, clap::Args)]
pub struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum ModelCommand {
    /// List the models that are in force, were, or were kept aside
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show where a model comes from and what became of it
    Show {
        /// Id or its beginning, `live`, `previous`, or a file
        #[arg(default_value = "live")]
        model: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Copy messages into the data folder that every new model is tried on
    Pin(PinArgs),
    /// Put a model into force if it does no worse than the one in use on the pinned messages
    ///
    /// Exit codes: 0 the model is in force; 1 something failed; 2 wrong arguments; 3 it was kept aside.
    Promote(PromoteArgs),
    /// Put the model into force again that was before
    Rollback {
        /// Another one: id or its beginning
        model: Option<String>,
    },
    /// Say which features of a message speak for spam and for ham, by the model in force and all lessons since
    Explain(ExplainArgs),
    /// Compare two models: where they come from, and what they say of the same messages
    Diff(diff::DiffArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct PinArgs {
    /// Wanted mail that will never be learned
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    ham: Vec<PathBuf>,
    /// Spam that will never be learned
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    spam: Vec<PathBuf>,
    /// Take the place of the set that is pinned
    #[arg(long)]
    replace: bool,
}

#[derive(Clone, Debug, clap::Args)]
struct PromoteArgs {
    /// A model file, or the id of a model that was kept aside
    model: String,
    /// Whatever the trial says
    #[arg(long)]
    force: bool,
    /// Models that are kept; the oldest others are removed
    #[arg(long, value_name = "N", default_value_t = KEEP, value_parser = clap::value_parser!(u16).range(2..))]
    keep: u16,
}

#[derive(Clone, Debug, clap::Args)]
struct ExplainArgs {
    /// Messages, folders of them, Maildirs or mboxes
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Features of each side
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1000))]
    most: u16,
    /// Print one JSON object a message
    #[arg(long)]
    json: bool,
}

/// Models that are kept where nothing else is said.
const KEEP: u16 = 20;
/// The exit code for a model that was kept aside.
const KEPT_ASIDE: u8 = 3;

/// Does what was asked for with the models of that configuration.
///
/// # Errors
/// What cannot be read, written, or found.
pub(super) fn run(args: ModelArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let registry = registry(config);
    let mut out = io::stdout().lock();
    match args.command {
        ModelCommand::List { json } => list::list(&mut out, &registry, json)?,
        ModelCommand::Show { model, json } => list::show(&mut out, &registry, &model, json)?,
        ModelCommand::Pin(args) => {
            let mut progress = Progress::new();
            let mut messages = reading(&args.ham, &args.spam)?;
            let pinned = promotion::pin(&registry, &mut messages, args.replace, &mut progress)?;
            progress.end();
            let place = printable_path(&registry.validation());
            writeln!(
                out,
                "pinned {} ham and {} spam in {place}; train with --leave-out {place}, so that they are never learned",
                pinned.ham, pinned.spam,
            )?;
        }
        ModelCommand::Promote(args) => return promote_named(&mut out, config, &args),
        ModelCommand::Rollback { model } => rollback(&mut out, config, model.as_deref())?,
        ModelCommand::Explain(args) => explain(&mut out, &registry, config, &args)?,
        ModelCommand::Diff(args) => diff::diff(&mut out, &registry, &args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The models of that configuration.
pub(super) fn registry(config: &Config) -> Registry {
    let options = &config.file.bayes;
    Registry::of(&options.model_path(&config.base, &config.data_dir))
}

/// Promotes what was just trained, as `mailweir model promote` does.
pub(super) fn promote_trained(
    out: &mut impl Write,
    config: &Config,
    model: &Path,
) -> anyhow::Result<ExitCode> {
    promote(out, config, &Candidate::File(model.to_owned()), false, KEEP)
}

fn promote_named(
    out: &mut impl Write,
    config: &Config,
    args: &PromoteArgs,
) -> anyhow::Result<ExitCode> {
    let file = Path::new(&args.model);
    let candidate = if file.is_file() {
        Candidate::File(file.to_owned())
    } else {
        Candidate::Known(args.model.clone())
    };
    promote(out, config, &candidate, args.force, args.keep)
}

fn promote(
    out: &mut impl Write,
    config: &Config,
    candidate: &Candidate,
    force: bool,
    keep: u16,
) -> anyhow::Result<ExitCode> {
    let registry = &registry(config);
    let mut progress = Progress::new();
    let how = How {
        engine: config.file.bayes.engine,
        force,
        keep: usize::from(keep),
    };
    let outcome = promotion::promote(registry, candidate, how, &mut progress)?;
    progress.end();
    if let Some((evaluation, comparison)) = &outcome.comparison {
        evaluate::overview(out, evaluation, comparison)?;
    }
    told(out, registry, &outcome)?;
    Ok(if outcome.in_force {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(KEPT_ASIDE)
    })
}

fn told(out: &mut impl Write, registry: &Registry, outcome: &Outcome) -> io::Result<()> {
    let Outcome {
        id, from, trial, ..
    } = outcome;
    let reason = &trial.reason;
    match (outcome.in_force, trial.passed, from) {
        (true, _, Some(from)) if from == id => writeln!(out, "{id} is in force already")?,
        (true, true, _) => writeln!(out, "{id} is in force: {reason}")?,
        (true, false, _) => writeln!(
            out,
            "{id} is in force because of --force, although {reason}"
        )?,
        (false, ..) => writeln!(out, "{id} is kept aside: {reason}")?,
    }
    if outcome.known_before > 0 && !trial.passed {
        writeln!(
            out,
            "note: the model in force has learned {} of the pinned messages, so no honest model does better on them. Look at the \
             figures, use --force if you agree, and train with --promote from now on",
            outcome.known_before
        )?;
    }
    for id in &outcome.removed {
        writeln!(out, "removed {id}, the folder keeps the newest")?;
    }
    if outcome.in_force && from.as_ref() != Some(id) {
        reload(out, registry)?;
    }
    Ok(())
}

fn reload(out: &mut impl Write, registry: &Registry) -> io::Result<()> {
    writeln!(
        out,
        "{} leads to it; a daemon that runs takes it on SIGHUP (`systemctl reload mailweir`)",
        printable_path(registry.pointer())
    )
}

fn rollback(out: &mut impl Write, config: &Config, model: Option<&str>) -> anyhow::Result<()> {
    let registry = registry(config);
    let back = promotion::roll_back(&registry, config.file.bayes.engine, model)?;
    if back.from.as_ref() == Some(&back.id) {
        writeln!(out, "{} is in force already", back.id)?;
        return Ok(());
    }
    writeln!(out, "{} is in force again", back.id)?;
    reload(out, &registry)?;
    Ok(())
}

fn explain(
    out: &mut impl Write,
    registry: &Registry,
    config: &Config,
    args: &ExplainArgs,
) -> anyhow::Result<()> {
    let path = registry.pointer();
    let engine = bayes::current(path, config.file.bayes.engine)?
        .ok_or_else(|| bayes::ModelError::Missing(path.to_owned()))?;
    for sample in args.files.iter().flat_map(Corpus::new) {
        let sample = sample?;
        let mail = Mail::parse(sample.raw, &config.mail_limits);
        let tokens = Tokens::of(&engine, &mail, usize::from(args.most));
        let name = scores::shown(&(sample.path, sample.number));
        if args.json {
            let value = serde_json::json!({ "path": name, "tokens": tokens });
            writeln!(out, "{value}")?;
            continue;
        }
        let said = tokens::said(&tokens);
        writeln!(out, "{}: {said}", printable(&name, 200))?;
        tokens::sides(out, &tokens, "  ")?;
    }
    Ok(())
}
