//! `mailweir model`: which model the daemon uses, which it used, and why.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use super::evaluate::{self, reading, shown};
use super::printable::printable;
use super::progress::Progress;
use crate::config::Config;
use crate::filter::bayes::{self, Engine};
use crate::mail::Mail;
use crate::mail::corpus::Corpus;
use crate::workbench::Cut;
use crate::workbench::evaluation::{Comparison, Evaluation};
use crate::workbench::promotion::{self, Candidate, How, Outcome};
use crate::workbench::registry::{Book, Entry, Registry, Why};
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
    Promote(PromoteArgs),
    /// Put the model into force again that was before
    Rollback {
        /// Another one: id or its beginning
        model: Option<String>,
    },
    /// Say which features of a message speak for spam and for ham, by the model in force and all lessons since
    Explain(ExplainArgs),
    /// Compare two models: where they come from, and what they say of the same messages
    Diff(DiffArgs),
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

/// Exit codes: 0 the model is in force, 1 something failed, 2 wrong arguments, 3 it was kept aside.
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

#[derive(Clone, Debug, clap::Args)]
struct DiffArgs {
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
        ModelCommand::List { json } => list(&mut out, &registry, json)?,
        ModelCommand::Show { model, json } => show(&mut out, &registry, &model, json)?,
        ModelCommand::Pin(args) => {
            let mut progress = Progress::new();
            let mut messages = reading(&args.ham, &args.spam)?;
            let pinned = promotion::pin(&registry, &mut messages, args.replace, &mut progress)?;
            progress.end();
            let place = shown(&registry.validation());
            writeln!(
                out,
                "pinned {} ham and {} spam in {place}; train with --leave-out {place}, so that they are never learned",
                pinned.ham, pinned.spam,
            )?;
        }
        ModelCommand::Promote(args) => return promote(&mut out, config, &args),
        ModelCommand::Rollback { model } => rollback(&mut out, &registry, model.as_deref())?,
        ModelCommand::Explain(args) => explain(&mut out, &registry, config, &args)?,
        ModelCommand::Diff(args) => diff(&mut out, &registry, &args)?,
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
    let args = PromoteArgs {
        model: model.display().to_string(),
        force: false,
        keep: KEEP,
    };
    promote(out, config, &args)
}

fn promote(out: &mut impl Write, config: &Config, args: &PromoteArgs) -> anyhow::Result<ExitCode> {
    let registry = &registry(config);
    let file = Path::new(&args.model);
    let candidate = if file.is_file() {
        Candidate::File(file.to_owned())
    } else {
        Candidate::Known(args.model.clone())
    };
    let mut progress = Progress::new();
    let how = How {
        engine: config.file.bayes.engine,
        force: args.force,
        keep: usize::from(args.keep),
    };
    let outcome = promotion::promote(registry, &candidate, how, &mut progress)?;
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
        shown(registry.pointer())
    )
}

fn rollback(out: &mut impl Write, registry: &Registry, model: Option<&str>) -> anyhow::Result<()> {
    let mut changing = registry.change()?;
    let id = registry.resolve(&changing.book, model.unwrap_or("previous"))?;
    // What cannot be loaded would leave the daemon without a model.
    changing.load(&id)?;
    if registry.live().as_deref() == Some(id.as_str()) {
        writeln!(out, "{id} is in force already")?;
        return Ok(());
    }
    changing.put_in_force(&id, Why::RolledBack)?;
    writeln!(out, "{id} is in force again")?;
    reload(out, registry)?;
    Ok(())
}

/// A model by id or file, with what it is called.
fn open(registry: &Registry, book: &Book, name: &str) -> anyhow::Result<(String, Engine)> {
    let file = Path::new(name);
    if file.is_file() {
        return Ok((name.to_owned(), Engine::open(file)?));
    }
    let id = registry.resolve(book, name)?;
    let engine = Engine::open(&registry.file(&id))?;
    Ok((id, engine))
}

fn diff(out: &mut impl Write, registry: &Registry, args: &DiffArgs) -> anyhow::Result<()> {
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
        Evaluation::held_out(&mut reading, &models, (Cut::default(), 1), &mut progress)
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
        let learned = tokens.learned.as_ref();
        let learned = learned.map_or(String::new(), |class| format!(", learned as {class}"));
        writeln!(
            out,
            "{}: probability {:.4}, log odds {:+.2}{learned}",
            printable(&name, 200),
            tokens.probability,
            tokens.odds
        )?;
        for (side, of_side) in [("spam", &tokens.spam), ("ham", &tokens.ham)] {
            writeln!(
                out,
                "  for {side:<5} {:>7}  {:>16}  {:>16}",
                "odds", "in ham", "in spam"
            )?;
            for token in of_side {
                let seen = |count: u32, share: f64| format!("{count} ({:.1} %)", 100.0 * share);
                writeln!(
                    out,
                    "            {:>+7.3}  {:>16}  {:>16}  {}",
                    token.odds,
                    seen(token.ham, token.ham_share),
                    seen(token.spam, token.spam_share),
                    printable(&token.name, 80)
                )?;
            }
        }
    }
    Ok(())
}

fn origin(engine: &Engine) -> String {
    let facts = engine.facts();
    format!(
        "{}, {} ham and {} spam, {} features, trained {}",
        engine.kind().name(),
        facts.ham,
        facts.spam,
        engine.features(),
        when(i64::try_from(facts.trained_at).unwrap_or(0))
    )
}

fn when(at: i64) -> String {
    Timestamp::from_second(at).map_or_else(
        |_| "at a time that no calendar has".into(),
        |t| t.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

#[derive(Serialize)]
struct Listed<'a> {
    live: Option<String>,
    previous: Option<String>,
    #[serde(flatten)]
    book: &'a Book,
}

fn list(out: &mut impl Write, registry: &Registry, json: bool) -> anyhow::Result<()> {
    let book = registry.book()?;
    let live = registry.live();
    let previous = live.as_deref().and_then(|l| book.before(l));
    if json {
        let listed = Listed {
            live,
            previous,
            book: &book,
        };
        serde_json::to_writer_pretty(&mut *out, &listed)?;
        writeln!(out)?;
        return Ok(());
    }
    if live.is_none() && registry.pointer().exists() {
        writeln!(
            out,
            "{} is in force and was not promoted; the next promotion takes it in",
            shown(registry.pointer())
        )?;
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([
            "model", "state", "ham", "spam", "1-ROCA", "lost", "missed", "why",
        ]);
    for entry in &book.models {
        let trial = entry.trial.as_ref();
        let number = |n: Option<String>| {
            Cell::new(n.unwrap_or_default()).set_alignment(CellAlignment::Right)
        };
        table.add_row([
            Cell::new(&entry.id),
            Cell::new(state(entry, live.as_deref(), previous.as_deref())),
            number(Some(entry.ham.to_string())),
            number(Some(entry.spam.to_string())),
            number(
                trial
                    .and_then(|t| t.one_minus_roca)
                    .map(|r| format!("{r:.3}")),
            ),
            number(trial.and_then(|t| t.ham_lost).map(|n| n.to_string())),
            number(trial.and_then(|t| t.spam_missed).map(|n| n.to_string())),
            Cell::new(trial.map_or(String::new(), |t| printable(&t.reason, 200))),
        ]);
    }
    writeln!(out, "{table}")?;
    match &book.pinned {
        Some(pinned) => writeln!(
            out,
            "validation set: {} ham, {} spam, pinned {}, in {}",
            pinned.ham,
            pinned.spam,
            when(pinned.at),
            shown(&registry.validation())
        )?,
        None => writeln!(out, "no validation set is pinned")?,
    }
    Ok(())
}

fn state(entry: &Entry, live: Option<&str>, previous: Option<&str>) -> &'static str {
    let is = |id: Option<&str>| id == Some(entry.id.as_str());
    match &entry.trial {
        _ if is(live) => "in force",
        _ if is(previous) => "before",
        Some(trial) if !trial.passed => "kept aside",
        Some(_) => "was in force",
        None => "not tried",
    }
}

fn show(out: &mut impl Write, registry: &Registry, name: &str, json: bool) -> anyhow::Result<()> {
    let book = registry.book()?;
    let (title, engine) = open(registry, &book, name)?;
    let entry = book.entry(&title);
    let facts = engine.facts();
    if json {
        let sources: Vec<&String> = facts.sources.iter().collect();
        let value = serde_json::json!({
            "model": title,
            "engine": engine.kind().name(),
            "ham": facts.ham,
            "spam": facts.spam,
            "trained_at": facts.trained_at,
            "seed": facts.seed,
            "features": engine.features(),
            "sources": sources,
            "entry": entry,
        });
        writeln!(out, "{value:#}")?;
        return Ok(());
    }
    writeln!(out, "model     {}", printable(&title, 200))?;
    writeln!(out, "made of   {}", origin(&engine))?;
    writeln!(out, "seed      {}", facts.seed)?;
    for source in &facts.sources {
        writeln!(out, "source    {}", printable(source, 300))?;
    }
    let Some(entry) = entry else {
        return Ok(());
    };
    writeln!(out, "digest    {}", entry.digest)?;
    let live = registry.live();
    let previous = live.as_deref().and_then(|l| book.before(l));
    writeln!(
        out,
        "state     {}",
        state(entry, live.as_deref(), previous.as_deref())
    )?;
    if let Some(trial) = &entry.trial {
        let result = if trial.passed { "passed" } else { "kept aside" };
        writeln!(
            out,
            "trial     {}, {result}: {}",
            when(trial.at),
            printable(&trial.reason, 300)
        )?;
    }
    for change in book.history.iter().filter(|c| c.to == entry.id) {
        let from = change.from.as_deref().unwrap_or("none");
        writeln!(
            out,
            "in force  {}, {}, after {from}",
            when(change.at),
            change.why
        )?;
    }
    Ok(())
}
