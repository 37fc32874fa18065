//! Messages in the quarantine: their envelopes are known, and what the network said of them at the time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use indicatif::ProgressBar;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Pair, Tally};
use crate::config::Config;
use crate::filter::{Action, Hit, Outcome, Reason, Report, Scan};
use crate::mail::{Client, Envelope};
use crate::metrics::Metrics;
use crate::quarantine::{Entry, Filter, Quarantine};
use crate::server::Engine;
use crate::verdict::Verdict;

/// Records that are taken from the index at one time.
const PAGE: u32 = 500;

/// Compares the verdicts on all messages in the quarantine. With `as_recorded`, the outcomes of filters that
/// are not in the engines are those of the time.
pub(super) async fn compare(
    config: &Config,
    pair: &Pair,
    as_recorded: bool,
    bar: &ProgressBar,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new()?);
    // What becomes of failures is said by the policies of the whole chain.
    let policy =
        Engine::build(config, &metrics).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let quarantine = Quarantine::attach(&config.file.quarantine, &config.data_dir, metrics)
        .await
        .context("cannot open the quarantine")?;
    let mut filter = Filter {
        limit: Some(PAGE),
        ..Filter::default()
    };
    loop {
        let records = quarantine.list(&filter).await?;
        for record in &records {
            let entry = &record.entry;
            match quarantine.read(&entry.id).await {
                Ok(raw) => {
                    let recorded = match as_recorded {
                        true => recorded(entry),
                        false => Vec::new(),
                    };
                    let verdict = async |engine: &Engine| {
                        let (scan, verdict) = engine.examine(envelope(entry), raw.clone()).await;
                        joined(&policy, &scan, verdict, &recorded)
                    };
                    let (now, then) = (verdict(&pair.now).await, verdict(&pair.then).await);
                    tally.add(format!("quarantine {}", entry.id), &now, &then);
                }
                Err(e) => tally.failed(bar, &format!("{}: {e}", entry.id)),
            }
            bar.inc(1);
        }
        if records.len() < PAGE as usize {
            quarantine.close().await;
            return Ok(());
        }
        filter.offset += PAGE;
    }
}

fn envelope(entry: &Entry) -> Envelope {
    Envelope {
        direction: entry.direction,
        client: Client {
            addr: entry.client,
            name: entry.client_name.clone(),
            port: 0,
        },
        helo: entry.helo.clone(),
        authenticated: entry.authenticated.clone(),
        sender: Some(entry.sender.clone()),
        recipients: entry.recipients.clone(),
        ..Envelope::default()
    }
}

/// Puts the outcomes of the time beside those of now, in the order of the chain, and decides anew.
fn joined(policy: &Engine, scan: &Scan, verdict: Verdict, recorded: &[Report]) -> Verdict {
    if recorded.is_empty() {
        return verdict;
    }
    let names = policy.chain.members().iter().map(|m| m.name());
    let reports = names.filter_map(|name| {
        let of = |reports: &[Report]| reports.iter().find(|r| r.filter == name).cloned();
        of(&verdict.reports).or_else(|| of(recorded))
    });
    let selected = policy.select(&scan.envelope);
    let reports = reports.collect();
    policy.rule(&selected, scan, reports, true).verdict
}

/// What the filters that ask others said of a message when it was held.
fn recorded(entry: &Entry) -> Vec<Report> {
    let Ok(stored) = Stored::deserialize(&entry.verdict) else {
        return Vec::new();
    };
    let reports = stored.reports.into_iter();
    reports
        .filter_map(|report| {
            let filter = ["dnsbl", "clamav"]
                .into_iter()
                .find(|n| *n == report.filter)?;
            Some(Report {
                filter,
                outcome: report.outcome.into(),
                elapsed: Duration::ZERO,
            })
        })
        .collect()
}

#[derive(Deserialize)]
struct Stored {
    reports: Vec<StoredReport>,
}

#[derive(Deserialize)]
struct StoredReport {
    filter: String,
    outcome: StoredOutcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredOutcome {
    Checked(Vec<StoredHit>),
    Skipped(IgnoredAny),
    Unscanned {
        reason: Reason,
        detail: String,
        hits: Vec<StoredHit>,
    },
}

#[derive(Deserialize)]
struct StoredHit {
    rule: String,
    score: f64,
    evidence: String,
    decisive: Option<Action>,
}

impl From<StoredOutcome> for Outcome {
    fn from(stored: StoredOutcome) -> Outcome {
        let hits = |hits: Vec<StoredHit>| hits.into_iter().map(Hit::from).collect();
        match stored {
            StoredOutcome::Checked(all) => Outcome::Checked(hits(all)),
            StoredOutcome::Skipped(_) => Outcome::Skipped("as it was skipped then"),
            StoredOutcome::Unscanned {
                reason,
                detail,
                hits: all,
            } => Outcome::Unscanned {
                reason,
                detail,
                hits: hits(all),
            },
        }
    }
}

impl From<StoredHit> for Hit {
    fn from(stored: StoredHit) -> Hit {
        let hit = Hit::new(stored.rule, stored.score, stored.evidence);
        match stored.decisive {
            Some(action) => hit.decisive(action),
            None => hit,
        }
    }
}
