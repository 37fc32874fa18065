//! `mailweir rules whatif`: verdicts under the configured rules and under others, message by message.

mod held;
mod past;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use futures_util::StreamExt;
use indicatif::ProgressBar;
use jiff::Timestamp;
use serde::Serialize;

use super::table;
use crate::cli::examination::{EnvelopeArgs, name};
use crate::cli::{told, when};
use crate::config::{Config, FilterName, unwritten};
use crate::filter::Action;
use crate::mail::corpus::{Corpus, Sample};
use crate::metrics::Metrics;
use crate::printable::{printable, printable_path};
use crate::server::Engine;
use crate::verdict::Verdict;

/// `mailweir rules whatif`
#[derive(Debug, Args)]
pub(super) struct WhatifArgs {
    #[command(flatten)]
    envelope: EnvelopeArgs,
    /// Ask DNS lists and ClamAV servers too. Otherwise verdicts are those of rules and classifier; of
    /// messages in the quarantine, the answers of that time count.
    #[arg(long)]
    network: bool,
    /// The messages in the quarantine, with the envelopes that they came with.
    #[arg(long)]
    quarantine: bool,
    /// The messages in the history, of which no copy need be there: their hits of then get other points, which tells
    /// nothing of rules that did not hit. What is in the quarantine too is better judged with --quarantine.
    #[arg(long)]
    history: bool,
    /// With --history: verdicts reached at or after: 2h, 7d (ago), 2026-11-05, 2026-11-05T08:00:00Z.
    #[arg(long, requires = "history", value_parser = when::parse, value_name = "WHEN")]
    since: Option<Timestamp>,
    /// With --history: verdicts reached before.
    #[arg(long, requires = "history", value_parser = when::parse, value_name = "WHEN")]
    until: Option<Timestamp>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Messages, folders of them, Maildirs or mboxes.
    #[arg(required_unless_present_any = ["quarantine", "history"], value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Messages at work at one time.
const AT_ONCE: usize = 8;

/// The engine as it is and as it would be.
struct Pair {
    now: Engine,
    then: Engine,
}

/// One message whose verdict would change, or whose score would.
#[derive(Serialize)]
struct Change {
    path: String,
    now: Judged,
    then: Judged,
    /// Rules that would hit and do not.
    gained: Vec<String>,
    /// Rules that hit and would not.
    lost: Vec<String>,
}

#[derive(Serialize)]
struct Judged {
    verdict: Action,
    score: f64,
}

#[derive(Serialize)]
struct Summary<'a> {
    messages: usize,
    not_readable: usize,
    verdicts_changed: usize,
    scores_changed: usize,
    /// By `verdict -> verdict`.
    transitions: BTreeMap<String, usize>,
    version_now: &'a str,
    version_then: &'a str,
    changed: Vec<&'a Change>,
}

pub(super) fn run(
    args: &WhatifArgs,
    config: Config,
    rules: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let rules = rules.context("which rules? Give them with --rules DIR")?;
    let mut other = config.clone();
    let path = std::path::absolute(&rules).unwrap_or(rules);
    other.file.rules.path = Some(unwritten(path));
    for path in &args.paths {
        std::fs::metadata(path).with_context(|| format!("cannot read {}", printable_path(path)))?;
    }
    let runtime = crate::cli::runtime()?;
    runtime.block_on(async {
        let local = |mut config: Config| {
            config.chain.retain(|name| {
                args.network || matches!(name, FilterName::Rules | FilterName::Bayes)
            });
            config
        };
        let metrics = Arc::new(Metrics::new()?);
        let built = Engine::build(&local(config.clone()), &metrics).and_then(|now| {
            let then = Engine::build_beside(&local(other), &metrics, Some(&now), None)?;
            Ok(Arc::new(Pair { now, then }))
        });
        let Some(pair) = told(built) else {
            return Ok(ExitCode::FAILURE);
        };
        anyhow::ensure!(pair.now.rules().is_some(), "`rules` is not in the chain");
        whatif(args, &config, &pair).await
    })
}

/// What became of the messages.
#[derive(Default)]
struct Tally {
    messages: usize,
    not_readable: usize,
    changes: Vec<Change>,
}

async fn whatif(args: &WhatifArgs, config: &Config, pair: &Arc<Pair>) -> anyhow::Result<ExitCode> {
    let bar = crate::cli::progress::counting();
    let mut tally = Tally::default();
    if args.quarantine {
        held::compare(config, pair, !args.network, &bar, &mut tally).await?;
    }
    if args.history {
        past::compare(args, config, pair, &bar, &mut tally).await?;
    }
    let samples = args.paths.iter().flat_map(Corpus::new);
    let mut compared = futures_util::stream::iter(samples)
        .map(|sample| {
            let (pair, envelope) = (pair.clone(), args.envelope.clone());
            tokio::spawn(async move {
                match sample {
                    Ok(sample) => Ok(compare(&pair, &envelope, sample).await),
                    Err(e) => Err(e),
                }
            })
        })
        .buffered(AT_ONCE);
    while let Some(result) = compared.next().await {
        match result? {
            Ok((path, now, then)) => tally.add(path, &now, &then),
            Err(e) => tally.failed(&bar, &e.to_string()),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    tally.show(args.json, pair)?;
    Ok(match tally.not_readable {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn compare(
    pair: &Pair,
    envelope: &EnvelopeArgs,
    sample: Sample,
) -> (String, Verdict, Verdict) {
    let path = name(&sample);
    let envelope = envelope.of(&sample.raw);
    let (_, now) = pair.now.examine(envelope.clone(), sample.raw.clone()).await;
    let (_, then) = pair.then.examine(envelope, sample.raw).await;
    (path, now, then)
}

impl Tally {
    fn add(&mut self, path: String, now: &Verdict, then: &Verdict) {
        self.messages += 1;
        if now.action == then.action && now.score == then.score {
            return;
        }
        let rules = |verdict: &Verdict| -> BTreeSet<String> {
            verdict
                .hits()
                .map(|(_, hit)| hit.rule.to_string())
                .collect()
        };
        let (before, after) = (rules(now), rules(then));
        let judged = |verdict: &Verdict| Judged {
            verdict: verdict.action,
            score: verdict.score,
        };
        self.changes.push(Change {
            path,
            now: judged(now),
            then: judged(then),
            gained: after.difference(&before).cloned().collect(),
            lost: before.difference(&after).cloned().collect(),
        });
    }

    fn failed(&mut self, bar: &ProgressBar, why: &str) {
        self.not_readable += 1;
        bar.suspend(|| eprintln!("mailweir: {}", printable(why, 400)));
    }

    fn show(&self, json: bool, pair: &Pair) -> anyhow::Result<()> {
        let turned = |c: &&Change| c.now.verdict != c.then.verdict;
        let changed: Vec<&Change> = self.changes.iter().filter(turned).collect();
        let mut transitions: BTreeMap<String, usize> = BTreeMap::new();
        for change in &changed {
            let from_to = format!("{} -> {}", change.now.verdict, change.then.verdict);
            *transitions.entry(from_to).or_default() += 1;
        }
        let version =
            |engine: &'_ Engine| engine.rules().map_or("", |set| set.version()).to_owned();
        let (now, then) = (version(&pair.now), version(&pair.then));
        let mut out = std::io::stdout().lock();
        if json {
            let summary = Summary {
                messages: self.messages,
                not_readable: self.not_readable,
                verdicts_changed: changed.len(),
                scores_changed: self.changes.len(),
                transitions,
                version_now: &now,
                version_then: &then,
                changed,
            };
            serde_json::to_writer_pretty(&mut out, &summary)?;
            writeln!(out)?;
            return Ok(());
        }
        if !changed.is_empty() {
            let mut shown = table(&["Message", "Now", "Then", "Rules"]);
            for change in &changed {
                let judged = |j: &Judged| format!("{} {:.2}", j.verdict, j.score);
                let gained = change.gained.iter().map(|r| format!("+{r}"));
                let lost = change.lost.iter().map(|r| format!("-{r}"));
                shown.add_row([
                    printable(&change.path, 200),
                    judged(&change.now),
                    judged(&change.then),
                    gained.chain(lost).collect::<Vec<_>>().join(" "),
                ]);
            }
            writeln!(out, "{shown}")?;
        }
        writeln!(
            out,
            "{} messages: {} verdicts and {} scores would change; rules {now} now, {then} then",
            self.messages,
            changed.len(),
            self.changes.len(),
        )?;
        for (from_to, count) in transitions {
            writeln!(out, "  {count:>6}  {from_to}")?;
        }
        Ok(())
    }
}
