//! `mailweir replay`: messages evaluated again from what filters heard when they came.

mod comparison;
mod source;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::explain::past;
use super::{ConfigArgs, logging, told};
use crate::config::{Config, Problems, unwritten};
use crate::history::{Comparison, DecidedBy, History};
use crate::metrics::Metrics;
use crate::printable::printable;
use crate::server::Engine;
use crate::store::Facts;
use source::{Found, Source};

/// Evaluate messages again from what filters heard when they came, and compare the results.
///
/// Nobody is asked: answers of DNS, replies of ClamAV and what was remembered of senders come from the history, where the
/// daemon keeps them (history.answers). With the rules and the model of then the result is the same; with --rules or
/// --model it is what would have become of the message. Messages come from the quarantine, or from the files given. Exit
/// codes: 0 the same verdict, score and hits, for each message; 1 a message could not be replayed; 2 the command line is
/// wrong; 3 another result.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// Other rules: a folder or a file.
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Another model of the classifier.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// The message of the one id that is given, where it is not in the quarantine.
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
    /// Print one JSON object a message.
    #[arg(long)]
    json: bool,
    /// Ids, as log and header have them; or messages, folders of them, Maildirs or mboxes, byte for byte as they came, or
    /// with the field X-Mailweir-Id that they got.
    #[arg(required = true, value_name = "ID|FILE")]
    what: Vec<PathBuf>,
}

/// Longest text from outside in a line, characters.
const SHOWN: usize = 300;

pub(super) fn run(args: &ReplayArgs, config: &Config) -> anyhow::Result<ExitCode> {
    if args.message.is_some() {
        let one = matches!(args.what.as_slice(), [id] if past::id(id).is_some());
        anyhow::ensure!(one, "--message belongs to one id");
    }
    logging::start(config.log());
    super::runtime()?.block_on(async {
        let metrics = Arc::new(Metrics::new()?);
        let Some(engine) = told(engine(config, args, &metrics)) else {
            return Ok(ExitCode::FAILURE);
        };
        let history = History::read(&config.data_dir, metrics.clone())
            .await
            .context("cannot read the history")?;
        let source = Source::new(config, &history, args.message.clone(), metrics);
        let done = replay(args, &engine, &source).await;
        source.close().await;
        history.close().await;
        done
    })
}

/// The engine of the configuration, with other rules and another model where they are given.
pub(super) fn engine(
    config: &Config,
    args: &ReplayArgs,
    metrics: &Arc<Metrics>,
) -> Result<Engine, Problems> {
    let mut config = config.clone();
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    if let Some(rules) = &args.rules {
        config.file.rules.path = Some(unwritten(absolute(rules)));
    }
    if let Some(model) = &args.model {
        config.file.bayes.model = Some(unwritten(absolute(model)));
    }
    // Filters that remember senders are built as in the daemon, and are told what was remembered.
    let facts = Arc::new(Facts::new(metrics.clone()));
    Engine::build_beside(&config, metrics, None, Some(&facts))
}

/// What came of all of them.
#[derive(Default)]
struct Tally {
    replayed: usize,
    different: usize,
    failed: usize,
}

async fn replay(
    args: &ReplayArgs,
    engine: &Engine,
    source: &Source<'_>,
) -> anyhow::Result<ExitCode> {
    let mut tally = Tally::default();
    for what in &args.what {
        let mut found = source.find(what);
        while let Some(found) = found.next().await {
            match found {
                Ok(found) => {
                    let same = one(args, engine, found).await?;
                    tally.replayed += 1;
                    tally.different += usize::from(!same);
                }
                Err(why) => {
                    tally.failed += 1;
                    eprintln!("mailweir: {}", printable(&format!("{why:#}"), SHOWN));
                }
            }
        }
    }
    if !args.json && tally.replayed + tally.failed > 1 {
        eprintln!(
            "{} replayed, {} came out otherwise, {} could not be replayed",
            tally.replayed, tally.different, tally.failed
        );
    }
    Ok(match (tally.failed, tally.different) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(3),
        _ => ExitCode::FAILURE,
    })
}

/// Replays one message; gives whether the result is the same.
async fn one(args: &ReplayArgs, engine: &Engine, found: Found) -> anyhow::Result<bool> {
    let Found {
        then,
        record,
        raw,
        exact,
    } = found;
    let versions = engine.versions();
    let (scan, ruling, heard) = engine.replay(then.envelope(), raw, record).await;
    let now = then.again(&scan, &ruling, &versions);
    let comparison = Comparison::new(&then, &now, heard.missing());
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&comparison)?)?;
        return Ok(comparison.same);
    }
    if !exact {
        writeln!(
            out,
            "{}: the file is not byte for byte the message that came, and results may differ for that",
            then.id
        )?;
    }
    if then.decided_by == DecidedBy::Release {
        writeln!(
            out,
            "{}: it passed because somebody had released it; no filter looked at it then",
            then.id
        )?;
    }
    comparison::show(&comparison, &mut out)?;
    Ok(comparison.same)
}
