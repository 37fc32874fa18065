//! `mailweir scan`: the verdicts of the configured chain on messages in files.

use std::io::{IsTerminal, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::printable::printable;
use super::{ConfigArgs, logging, told};
use crate::config::Config;
use crate::filter::{Action, Outcome};
use crate::mail::corpus::{Corpus, CorpusError, Sample};
use crate::mail::{Address, Envelope};
use crate::metrics::Metrics;
use crate::server::Engine;
use crate::verdict::{DecidedBy, Verdict};

/// `mailweir scan`
#[derive(Debug, Args)]
pub(super) struct ScanArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print one JSON object a message: path, verdict, score, hits with evidence, outcomes.
    #[arg(long)]
    json: bool,
    /// Client address, for the DNS lists and for rules.
    #[arg(long, value_name = "IP")]
    client_ip: Option<IpAddr>,
    /// HELO name.
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// Envelope sender; without it the Return-Path of each message, if it has one.
    #[arg(long, value_name = "ADDR")]
    from: Option<String>,
    /// Envelope recipient; may be repeated.
    #[arg(long, value_name = "ADDR")]
    rcpt: Vec<String>,
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
                    Ok(sample) => Ok(examine(&engine, &args, sample).await),
                    Err(e) => Err(e),
                }
            })
        })
        .buffered(workers * 2);

    let bar = progress_bar();
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

/// One message with its verdict.
struct Scanned {
    path: String,
    verdict: Verdict,
}

async fn examine(engine: &Engine, args: &ScanArgs, sample: Sample) -> Scanned {
    let mut path = sample.path.display().to_string();
    if let Some(number) = sample.number {
        path.push_str(&format!("#{number}"));
    }
    let mut envelope = Envelope {
        helo: args.helo.clone(),
        recipients: args
            .rcpt
            .iter()
            .map(|r| Address::new(r.as_bytes()))
            .collect(),
        ..Envelope::default()
    };
    envelope.client.addr = args.client_ip;
    envelope.sender = match &args.from {
        Some(from) => Some(Address::new(from.as_bytes())),
        None => return_path(&sample.raw),
    };
    let (_, verdict) = engine.examine(envelope, sample.raw).await;
    Scanned { path, verdict }
}

/// The sender that the delivering MTA wrote down, from the beginning of the header.
fn return_path(raw: &[u8]) -> Option<Address> {
    const NAME: &[u8] = b"return-path:";
    raw.split(|b| *b == b'\n')
        .take_while(|line| !line.trim_ascii().is_empty())
        .find(|line| {
            line.get(..NAME.len())
                .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
        })
        .and_then(|line| line.get(NAME.len()..))
        .map(|value| Address::new(value.trim_ascii()))
}

#[derive(Serialize)]
struct JsonResult<'a> {
    path: &'a str,
    verdict: Action,
    score: f64,
    decided_by: &'a DecidedBy,
    hits: Vec<JsonHit<'a>>,
    outcomes: Vec<JsonOutcome<'a>>,
}

#[derive(Serialize)]
struct JsonHit<'a> {
    filter: &'a str,
    #[serde(flatten)]
    hit: &'a crate::filter::Hit,
}

#[derive(Serialize)]
struct JsonOutcome<'a> {
    filter: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

fn json(result: &Scanned) -> serde_json::Result<String> {
    let verdict = &result.verdict;
    let outcomes = verdict.reports.iter().map(|report| JsonOutcome {
        filter: report.filter,
        outcome: report.outcome.label(),
        detail: match &report.outcome {
            Outcome::Checked(_) => None,
            Outcome::Skipped(why) => Some(why),
            Outcome::Unscanned { detail, .. } => Some(detail),
        },
    });
    serde_json::to_string(&JsonResult {
        path: &result.path,
        verdict: verdict.action,
        score: verdict.score,
        decided_by: &verdict.decided_by,
        hits: verdict
            .hits()
            .map(|(filter, hit)| JsonHit { filter, hit })
            .collect(),
        outcomes: outcomes.collect(),
    })
}

fn print(result: &Scanned, as_json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{}", json(result)?)?;
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

fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} {pos} messages, {per_sec}, {elapsed}")
    {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_return_path_is_the_sender_and_the_body_is_not_searched() {
        let sender = |raw: &[u8]| return_path(raw).map(|a| a.text().to_owned());
        assert_eq!(
            sender(b"Return-Path: <a@b.example>\r\nX: y\r\n\r\n"),
            Some("a@b.example".into())
        );
        assert_eq!(sender(b"return-path: <>\n\nbody"), Some(String::new()));
        assert_eq!(sender(b"X: y\n\nReturn-Path: <a@b.example>\n"), None);
    }
}
