//! Messages in files, examined by an engine as if they came by milter: shared by `scan`, `explain` and
//! `rules`.

use std::net::IpAddr;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::filter::{Action, Hit, Outcome, Scan};
use crate::mail::corpus::Sample;
use crate::mail::{Address, Envelope};
use crate::server::Engine;
use crate::verdict::{DecidedBy, Verdict};

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
    /// Envelope recipient; may be repeated.
    #[arg(long, value_name = "ADDR")]
    rcpt: Vec<String>,
}

impl EnvelopeArgs {
    /// The envelope of a message.
    pub(super) fn of(&self, raw: &[u8]) -> Envelope {
        let recipients = self.rcpt.iter().map(|r| Address::new(r.as_bytes()));
        let mut envelope = Envelope {
            helo: self.helo.clone(),
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
    /// What the engine decided.
    pub(super) verdict: Verdict,
}

impl Examined {
    /// Examines a message.
    pub(super) async fn new(engine: &Engine, envelope: &EnvelopeArgs, sample: Sample) -> Examined {
        let path = name(&sample);
        let envelope = envelope.of(&sample.raw);
        let (scan, verdict) = engine.examine(envelope, sample.raw).await;
        Examined {
            path,
            scan,
            verdict,
        }
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

/// A message as JSON.
#[derive(Serialize)]
pub(super) struct JsonResult<'a> {
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
    hit: &'a Hit,
}

#[derive(Serialize)]
struct JsonOutcome<'a> {
    filter: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
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
