//! What an event is: a kind, an id, a time, a host, and fields of its kind. One JSON object on one line.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::filter::Action;
use crate::mail::{Address, Envelope};
use crate::policy::Ruling;
use crate::verdict::{DecidedBy, Verdict};

/// Longest text from a message in an event, characters.
const TEXT_CHARS: usize = 500;
/// Recipients, and hits, that an event names.
const MANY: usize = 200;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A message got its verdict.
    Verdict,
    /// A message that was released from the quarantine has passed.
    Released,
    /// The daemon has started, or is about to end.
    Daemon,
    /// The configuration was read again, and taken or refused.
    Reload,
    /// Another model of the classifier is in force.
    Model,
    /// A DNS list was taken out of use, or is used again.
    DnsList,
    /// A ClamAV server was taken out of use, or is used again.
    Clamav,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 7] = [
        Kind::Verdict,
        Kind::Released,
        Kind::Daemon,
        Kind::Reload,
        Kind::Model,
        Kind::DnsList,
        Kind::Clamav,
    ];

    /// The word in configuration, metrics and events.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Verdict => "verdict",
            Kind::Released => "released",
            Kind::Daemon => "daemon",
            Kind::Reload => "reload",
            Kind::Model => "model",
            Kind::DnsList => "dns_list",
            Kind::Clamav => "clamav",
        }
    }
}

#[derive(Serialize)]
struct Line<'a, T> {
    id: String,
    at: String,
    event: &'static str,
    host: &'a str,
    #[serde(flatten)]
    what: &'a T,
}

/// An event as a line, its end included.
pub(super) fn line<T: Serialize>(kind: Kind, host: &str, what: &T) -> Box<[u8]> {
    let line = Line {
        id: ulid::Ulid::new().to_string(),
        at: Timestamp::now().to_string(),
        event: kind.name(),
        host,
        what,
    };
    // Strings, numbers and lists of them: this does not fail.
    let mut text = serde_json::to_vec(&line).unwrap_or_default();
    text.push(b'\n');
    text.into_boxed_slice()
}

/// The name of this host.
pub(super) fn host() -> String {
    cut(&crate::host::name())
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS).collect()
}

/// A message that got its verdict.
#[derive(Debug, Serialize)]
pub struct MessageJudged<'a> {
    message: &'a str,
    protocol: &'static str,
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<std::net::IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    helo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_id: Option<String>,
    from: String,
    to: Vec<String>,
    /// All of them, also where not all are named.
    recipients: usize,
    subject: String,
    bytes: usize,
    verdict: Action,
    score: f64,
    decided_by: &'a DecidedBy,
    hits: Vec<HitTold<'a>>,
    labels: Vec<&'a str>,
    unscanned: Vec<Unscanned>,
    policies: Vec<PolicyTold<'a>>,
    /// Configuration, rules and model.
    version: &'a str,
    ms: f64,
}

#[derive(Debug, Serialize)]
struct HitTold<'a> {
    filter: &'static str,
    rule: &'a str,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Unscanned {
    filter: &'static str,
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct PolicyTold<'a> {
    policy: &'a str,
    verdict: Action,
    score: f64,
    recipients: usize,
}

/// What is known of a message when it has its verdict.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Its id in log, quarantine and header.
    pub id: &'a str,
    /// How it came.
    pub protocol: &'static str,
    /// Its envelope.
    pub envelope: &'a Envelope,
    /// Its subject.
    pub subject: &'a str,
    /// Its size.
    pub bytes: usize,
    /// What was answered.
    pub verdict: &'a Verdict,
    /// How that came about, where the whole message was looked at.
    pub ruling: Option<&'a Ruling>,
    /// Configuration, rules and model.
    pub version: &'a str,
    /// From the end of the message to the verdict.
    pub took: std::time::Duration,
}

impl<'a> From<Judged<'a>> for MessageJudged<'a> {
    fn from(judged: Judged<'a>) -> MessageJudged<'a> {
        let Judged {
            envelope, verdict, ..
        } = judged;
        let some = |text: &Option<String>| text.as_deref().map(cut);
        let shares = judged.ruling.map_or(&[][..], |ruling| &ruling.shares);
        MessageJudged {
            message: judged.id,
            protocol: judged.protocol,
            direction: envelope.direction.name(),
            client: envelope.client.addr,
            client_name: some(&envelope.client.name),
            helo: some(&envelope.helo),
            authenticated: some(&envelope.authenticated),
            queue_id: some(&envelope.queue_id),
            from: envelope
                .sender
                .as_ref()
                .map_or(String::new(), |a| cut(a.text())),
            to: envelope
                .recipients
                .iter()
                .take(MANY)
                .map(|a| cut(Address::text(a)))
                .collect(),
            recipients: envelope.recipients.len(),
            subject: cut(judged.subject),
            bytes: judged.bytes,
            verdict: verdict.action,
            score: verdict.score,
            decided_by: &verdict.decided_by,
            hits: verdict
                .hits()
                .take(MANY)
                .map(|(filter, hit)| HitTold {
                    filter,
                    rule: &hit.rule,
                    score: hit.score,
                    shadow: hit.shadow,
                })
                .collect(),
            labels: verdict.labels(),
            unscanned: verdict
                .unscanned()
                .map(|(filter, reason)| Unscanned {
                    filter,
                    reason: reason.name(),
                })
                .collect(),
            policies: shares
                .iter()
                .map(|share| PolicyTold {
                    policy: share.policy.name(),
                    verdict: share.verdict.action,
                    score: share.verdict.score,
                    recipients: share.recipients.len(),
                })
                .collect(),
            version: judged.version,
            ms: judged.took.as_secs_f64() * 1000.0,
        }
    }
}
