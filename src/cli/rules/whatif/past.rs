//! Messages of the history, whose bytes are not there any more: verdicts from the hits of then under the points of now.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use indicatif::ProgressBar;

use super::{Pair, Tally, WhatifArgs};
use crate::config::Config;
use crate::filter::rules::RuleSet;
use crate::filter::{self, Report};
use crate::history::{Entry, History, Outcome, PAGE, Query, Stage, State};
use crate::metrics::Metrics;
use crate::printable::printable;
use crate::server::Engine;
use crate::verdict::Verdict;

/// Rules that are named, of those that hits of then cannot tell of.
const NAMED: usize = 20;

/// Compares the verdicts of all messages of the history, as far as their hits tell.
pub(super) async fn compare(
    args: &WhatifArgs,
    config: &Config,
    pair: &Pair,
    bar: &ProgressBar,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new()?);
    // Policies, and what becomes of failures, are those of the whole chain.
    let whole =
        Engine::build(config, &metrics).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let history = History::read(&config.data_dir, metrics)
        .await
        .context("cannot read the history")?;
    let query = Query {
        from: args.since,
        to: args.until,
        ..Query::default()
    };
    let mut before = None;
    loop {
        let page = history.search(&query, before, PAGE).await?;
        for entry in &page.entries {
            bar.inc(1);
            if entry.stage != Stage::End || entry.outcomes.is_empty() {
                // Nothing but the rules of other filters had a say, or nobody.
                continue;
            }
            let verdict = |engine: &Engine| {
                let set = engine.rules().map(Arc::as_ref);
                judged(&whole, entry, set)
            };
            let (now, then) = (verdict(&pair.now), verdict(&pair.then));
            tally.add(format!("history {}", entry.id), &now, &then);
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    history.close().await;
    if !args.json {
        bar.suspend(|| eprintln!("mailweir: {}", limits(pair)));
    }
    Ok(())
}

/// The verdict on the outcomes of then, with the points that a set gives to its rules.
fn judged(whole: &Engine, entry: &Entry, set: Option<&RuleSet>) -> Verdict {
    let mut reports: Vec<Report> = Vec::with_capacity(entry.outcomes.len());
    for outcome in &entry.outcomes {
        let mut report = report(whole, outcome);
        if let ("rules", Some(set)) = (report.filter, set) {
            let hits = set.rescored(report.outcome.hits());
            match &mut report.outcome {
                filter::Outcome::Checked(all) | filter::Outcome::Unscanned { hits: all, .. } => {
                    *all = hits;
                }
                filter::Outcome::Skipped(_) => {}
            }
        }
        reports.push(report);
    }
    whole.judge(entry.policy.as_deref(), &entry.envelope(), reports)
}

/// An outcome of then as one of now.
fn report(whole: &Engine, outcome: &Outcome) -> Report {
    let members = whole.chain.members().iter().map(|m| m.name());
    let name = members.chain([crate::policy::NAME]);
    let hits = outcome.hits.clone();
    Report {
        filter: name
            .into_iter()
            .find(|name| *name == outcome.filter)
            .unwrap_or("a filter of then"),
        outcome: match outcome.outcome {
            State::Checked => filter::Outcome::Checked(hits),
            State::Skipped => filter::Outcome::Skipped("as it was skipped then"),
            State::Unscanned(reason) => filter::Outcome::Unscanned {
                reason,
                detail: outcome.detail.clone(),
                hits,
            },
        },
        elapsed: Duration::ZERO,
    }
}

/// What the hits of then cannot tell.
fn limits(pair: &Pair) -> String {
    let (Some(now), Some(then)) = (pair.now.rules(), pair.then.rules()) else {
        return String::new();
    };
    let new = then
        .rules()
        .iter()
        .filter(|rule| now.rule(rule.id()).is_none());
    let new: Vec<&str> = new.map(|rule| rule.id()).collect();
    let told = "messages of the history are judged from the hits of then with other points; \
                conditions that have changed need the messages themselves";
    if new.is_empty() {
        return told.to_owned();
    }
    let named: Vec<String> = new.iter().take(NAMED).map(|id| printable(id, 64)).collect();
    let more = match new.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{told}, and so do rules that are new: {}{more}",
        named.join(", ")
    )
}
