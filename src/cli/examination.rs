//! Messages in files, examined by an engine as if they came by milter: shared by `scan`, `explain` and
//! `rules`.

use std::net::IpAddr;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::filter::{Action, Hit, Outcome, Scan};
use crate::history::{Entry, Stage, Transaction, Versions};
use crate::mail::corpus::Sample;
use crate::mail::{Address, Direction, Envelope, return_path};
use crate::milter::Reply;
use crate::policy::{Held, Ruling, Share};
use crate::server::Engine;
use crate::verdict::{DecidedBy, Decision, Listed, Verdict};

/// What is known of a message beside its bytes.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct EnvelopeArgs {
    /// Client address, for the DNS lists, sender authentication and rules.
    #[arg(long, value_name = "IP")]
    client_ip: Option<IpAddr>,
    /// HELO name.
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// Envelope sender; without it the Return-Path of each message, if it has one.
    #[arg(long, value_name = "ADDR")]
    from: Option<String>,
    /// Envelope recipient, for rules and for policies; may be repeated.
    #[arg(long, value_name = "ADDR")]
    rcpt: Vec<String>,
    /// Login of an authenticated client.
    #[arg(long, value_name = "USER")]
    authenticated: Option<String>,
    /// Take the messages for outbound mail, as a listener with that profile does.
    #[arg(long)]
    outbound: bool,
}

impl EnvelopeArgs {
    /// The envelope of a message.
    pub(super) fn of(&self, raw: &[u8]) -> Envelope {
        let recipients = self.rcpt.iter().map(|r| Address::new(r.as_bytes()));
        let mut envelope = Envelope {
            direction: match self.outbound {
                true => Direction::Outbound,
                false => Direction::Inbound,
            },
            helo: self.helo.clone(),
            authenticated: self.authenticated.clone(),
            recipients: recipients.collect(),
            ..Envelope::default()
        };
        envelope.client.addr = self.client_ip;
        envelope.sender = match &self.from {
            Some(from) => Some(Address::new(from.as_bytes())),
            None => return_path(raw),
        };
        envelope
    }
}

/// One message with its verdict.
pub(super) struct Examined {
    /// The file, with `#` and the number in an mbox. To be escaped where it is shown.
    pub(super) path: String,
    /// All that is known of it.
    pub(super) scan: Arc<Scan>,
    /// What the engine decided for the message.
    pub(super) verdict: Verdict,
    /// How it came about, where recipients have policies of their own.
    pub(super) ruling: Ruling,
}

impl Examined {
    /// Examines a message.
    pub(super) async fn new(engine: &Engine, envelope: &EnvelopeArgs, sample: Sample) -> Examined {
        let path = name(&sample);
        let envelope = envelope.of(&sample.raw);
        let (scan, ruling) = engine.examine_by_policy(envelope, sample.raw).await;
        Examined {
            path,
            scan,
            verdict: ruling.verdict.clone(),
            ruling,
        }
    }

    /// As the history would keep it.
    pub(super) fn entry(&self) -> Entry {
        let transaction = Transaction {
            id: "",
            received: jiff::Timestamp::now(),
            envelope: &self.scan.envelope,
            stage: Stage::End,
            mail: Some(&self.scan.mail),
            refused: &[],
            digest: None,
            bytes: self.scan.mail.raw().len(),
            reply: &Reply::Accept,
            versions: &Versions::default(),
            took: std::time::Duration::ZERO,
        };
        Entry::new(&transaction, &self.verdict, Some(&self.ruling), false)
    }

    /// What each policy said, where there are several.
    pub(super) fn shares(&self) -> &[Share] {
        match self.ruling.shares.as_slice() {
            [_] => &[],
            shares => shares,
        }
    }

    /// Recipients who would not get the message although others do.
    pub(super) fn dropped(&self) -> impl Iterator<Item = &Address> {
        let held: Option<&Held> = self.ruling.held.as_ref();
        held.into_iter().flat_map(|held| &held.recipients)
    }

    /// The message as `scan --json` shows it.
    pub(super) fn json(&self) -> JsonResult<'_> {
        let verdict = &self.verdict;
        let outcomes = verdict.reports.iter().map(|report| JsonOutcome {
            filter: report.filter,
            outcome: report.outcome.label(),
            detail: match &report.outcome {
                Outcome::Checked(_) => None,
                Outcome::Skipped(why) => Some(why),
                Outcome::Unscanned { detail, .. } => Some(detail),
            },
        });
        JsonResult {
            path: &self.path,
            verdict: verdict.action,
            score: verdict.score,
            decided_by: &verdict.decided_by,
            direction: self.scan.envelope.direction,
            policy: verdict.policy.as_ref(),
            policies: self.shares().iter().map(JsonShare::new).collect(),
            settled: (!self.shares().is_empty()).then(|| self.ruling.settled.name()),
            dropped: self.dropped().map(Address::text).collect(),
            hits: verdict
                .hits()
                .map(|(filter, hit)| JsonHit { filter, hit })
                .collect(),
            outcomes: outcomes.collect(),
        }
    }
}

/// Where a message lies: the file, with `#` and the number in an mbox.
pub(super) fn name(sample: &Sample) -> String {
    let path = sample.path.display();
    match sample.number {
        Some(number) => format!("{path}#{number}"),
        None => path.to_string(),
    }
}

/// A message as JSON.
#[derive(Serialize)]
pub(super) struct JsonResult<'a> {
    path: &'a str,
    verdict: Action,
    score: f64,
    decided_by: &'a DecidedBy,
    direction: Direction,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a Decision>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policies: Vec<JsonShare<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<&'a str>,
    hits: Vec<JsonHit<'a>>,
    outcomes: Vec<JsonOutcome<'a>>,
}

/// What one of several policies said.
#[derive(Serialize)]
struct JsonShare<'a> {
    policy: &'a str,
    recipients: Vec<&'a str>,
    verdict: Action,
    score: f64,
    decided_by: &'a DecidedBy,
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<&'a Listed>,
}

impl JsonShare<'_> {
    fn new(share: &Share) -> JsonShare<'_> {
        let decision = share.verdict.policy.as_ref();
        JsonShare {
            policy: share.policy.name(),
            recipients: share.recipients.iter().map(Address::text).collect(),
            verdict: share.verdict.action,
            score: share.verdict.score,
            decided_by: &share.verdict.decided_by,
            listed: decision.and_then(|d| d.listed.as_ref()),
        }
    }
}

#[derive(Serialize)]
struct JsonHit<'a> {
    filter: &'a str,
    #[serde(flatten)]
    hit: &'a Hit,
}

#[derive(Serialize)]
struct JsonOutcome<'a> {
    filter: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}
