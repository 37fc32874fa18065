//! `mailweir scan`: the verdicts of the configured chain on messages in files.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::examination::{EnvelopeArgs, Examined};
use super::{ConfigArgs, logging, progress, told};
use crate::config::Config;
use crate::filter::{Action, Outcome};
use crate::mail::corpus::{Corpus, CorpusError, Sample};
use crate::metrics::Metrics;
use crate::printable::printable;
use crate::server::Engine;
use crate::verdict::Verdict;

/// `mailweir scan`
#[derive(Debug, Args)]
pub(super) struct ScanArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print one JSON object a message: path, verdict, score, hits with evidence, outcomes.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    envelope: EnvelopeArgs,
    /// Messages, folders of them, Maildirs or mboxes.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Messages read ahead of those at work.
const READ_AHEAD: usize = 16;

pub(super) fn run(args: ScanArgs) -> anyhow::Result<ExitCode> {
    let Some(config) = told(args.config.load()) else {
        return Ok(ExitCode::FAILURE);
    };
    for path in &args.paths {
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    logging::start(config.log());
    let runtime = super::runtime()?;
    runtime.block_on(scan(args, config))
}

async fn scan(args: ScanArgs, config: Config) -> anyhow::Result<ExitCode> {
    let metrics = Arc::new(Metrics::new()?);
    let Some(engine) = told(Engine::build(&config, &metrics)).map(Arc::new) else {
        return Ok(ExitCode::FAILURE);
    };
    let args = Arc::new(args);
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let paths = args.paths.clone();
    let reader = tokio::task::spawn_blocking(move || read(paths, &sender));
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let mut scanned = ReceiverStream::new(receiver)
        .map(|sample| {
            let (engine, args) = (engine.clone(), args.clone());
            tokio::spawn(async move {
                match sample {
                    Ok(sample) => Ok(Examined::new(&engine, &args.envelope, sample).await),
                    Err(e) => Err(e),
                }
            })
        })
        .buffered(workers * 2);

    let bar = progress::counting();
    let mut counts = Counts::default();
    while let Some(done) = scanned.next().await {
        match done? {
            Ok(result) => {
                counts.add(&result.verdict);
                bar.suspend(|| print(&result, args.json))?;
            }
            Err(e) => {
                counts.failed += 1;
                bar.suspend(|| eprintln!("mailweir: {}", escaped(&e.to_string())));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    reader.await?;
    if !args.json {
        eprintln!("{}", counts.summary());
    }
    Ok(match counts.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn read(paths: Vec<PathBuf>, sender: &mpsc::Sender<Result<Sample, CorpusError>>) {
    for sample in paths.into_iter().flat_map(Corpus::new) {
        if sender.blocking_send(sample).is_err() {
            return;
        }
    }
}

fn print(result: &Examined, as_json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{}", serde_json::to_string(&result.json())?)?;
        return Ok(());
    }
    let verdict = &result.verdict;
    writeln!(
        out,
        "{:<10} {:>7.2}  {}",
        verdict.action.name(),
        verdict.score,
        escaped(&result.path)
    )?;
    for recipient in result.dropped() {
        let recipient = escaped(recipient.text());
        writeln!(
            out,
            "                    not for {recipient}, whose policy refuses it"
        )?;
    }
    for (filter, hit) in verdict.hits() {
        let mut effect = hit
            .decisive
            .map_or(String::new(), |a| format!(" decides: {a}"));
        if let Some(points) = hit.shadow {
            effect.push_str(&format!(" shadow: {points:.2}"));
        }
        if let Some(points) = hit.uncapped {
            effect.push_str(&format!(" capped, of {points:.2}"));
        }
        writeln!(
            out,
            "           {:>7.2}  {filter} {}{effect}  {}",
            hit.score,
            hit.rule,
            escaped(&hit.evidence)
        )?;
    }
    for report in &verdict.reports {
        if let Outcome::Unscanned { reason, detail, .. } = &report.outcome {
            writeln!(
                out,
                "                    {} has not checked it: {reason}, {}",
                report.filter,
                escaped(detail)
            )?;
        }
    }
    Ok(())
}

/// Longest text from outside on a line, characters.
const SHOWN: usize = 300;

/// Text from a message or a file name as a terminal can show it.
fn escaped(text: &str) -> String {
    printable(text, SHOWN)
}

#[derive(Default)]
struct Counts {
    by_action: std::collections::BTreeMap<Action, usize>,
    unscanned: usize,
    failed: usize,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        *self.by_action.entry(verdict.action).or_default() += 1;
        self.unscanned += usize::from(verdict.unscanned().next().is_some());
    }

    fn summary(&self) -> String {
        let mut parts: Vec<String> = self
            .by_action
            .iter()
            .map(|(action, n)| format!("{n} {action}"))
            .collect();
        if self.unscanned > 0 {
            parts.push(format!("{} of them not fully checked", self.unscanned));
        }
        if self.failed > 0 {
            parts.push(format!("{} could not be read", self.failed));
        }
        match parts.is_empty() {
            true => "no messages".to_owned(),
            false => parts.join(", "),
        }
    }
}
