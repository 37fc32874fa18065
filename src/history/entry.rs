//! [`Entry`]: what is kept of one message. It is written as JSON, with names that tools may rely on: fields are added,
//! and never change their meaning.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outcome::{self, DecidedBy, Outcome, Share, finite};
use crate::filter::{Action, Scan};
use crate::mail::{Address, Client, Direction, Envelope, Mail};
use crate::milter::Reply;
use crate::policy::{Ruling, Settled};
use crate::verdict::{Listed, Verdict};

/// Longest text taken from a message or an envelope: subject, From, Message-ID, name of a host; characters.
const TEXT_CHARS: usize = 1_000;
/// Most recipients of a message that are kept; how many there were is kept too.
const RECIPIENTS: usize = 1_000;

/// What is known of one message and its verdict. Texts come from outside unless said otherwise: to be escaped wherever
/// they are shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The id of the transaction, a ULID, as log and header have it.
    pub id: String,
    /// When the verdict was reached, to the millisecond.
    #[serde(with = "instant")]
    pub at: Timestamp,
    /// When the transaction began, to the millisecond.
    #[serde(with = "instant")]
    pub received: Timestamp,
    /// Which way the message went.
    pub direction: Direction,
    /// Address of the SMTP client.
    pub client: Option<IpAddr>,
    /// Its verified name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Its TCP port, 0 where the mail server did not say.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub client_port: u16,
    /// Its HELO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helo: Option<String>,
    /// SASL login, if it was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<String>,
    /// TLS version, if the session was encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Reverse path without angle brackets, empty for the null sender; `None` before MAIL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// ESMTP arguments of MAIL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sender_args: Vec<String>,
    /// Forward paths without angle brackets, the first 1,000.
    pub recipients: Vec<String>,
    /// How many there were.
    pub recipient_count: usize,
    /// Queue id of the mail server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// Name of the mail server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mta: Option<String>,
    /// The first address of From, as written.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The decoded subject, at most 1,000 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The Message-ID, without angle brackets.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message_id: String,
    /// Size of the message, bytes; what had come of it, where it was answered before its end.
    pub size: u64,
    /// BLAKE3 digest of the message, hexadecimal; `None` where it was answered before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// When it was answered.
    #[serde(default)]
    pub stage: Stage,
    /// What became of it.
    pub verdict: Action,
    /// Total score.
    pub score: f64,
    /// The threshold of a tag under the policy that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<f64>,
    /// What decided.
    pub decided_by: DecidedBy,
    /// What the mail server was told: `accept`, `discard`, `reject`, `tempfail`, or the reply in full.
    pub answer: String,
    /// The policy that decided, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The entry of an allow or deny list that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<ListedBy>,
    /// What each policy said; empty where all recipients had the same one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Share>,
    /// How what they said became one answer: `agreed`, `split`, `held`, `tempfail`, `strictest`, `mildest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<String>,
    /// Recipients who did not get what others got.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// Recipients who were refused before the message came, while others may have got it, the first 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// What each filter said, in the order of the chain, under the policy that decided.
    pub outcomes: Vec<Outcome>,
    /// From the end of the message to the verdict, milliseconds.
    pub milliseconds: f64,
    /// Configuration, rules and model together, as the log names them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Version of the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// Version of the classifier's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Under which id a copy was put into the quarantine, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
}

fn is_zero(port: &u16) -> bool {
    *port == 0
}

/// At which point of the SMTP transaction a message was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Recipients were refused, and the message never came.
    Rcpt,
    /// Before all of it had come.
    Body,
    /// At its end.
    #[default]
    End,
}

/// A recipient who was refused before the message came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Without angle brackets.
    pub recipient: String,
    /// `reject` or `tempfail`.
    pub verdict: Action,
    /// The rule that decided, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the mail server was told.
    pub answer: String,
}

impl Refused {
    /// A recipient who was refused so.
    pub fn new(recipient: &Address, verdict: &Verdict, reply: &Reply) -> Refused {
        Refused {
            recipient: cut(recipient.text()),
            verdict: verdict.action,
            rule: verdict.hits().next().map(|(_, hit)| hit.rule.to_string()),
            answer: answer(reply),
        }
    }
}

/// The entry of an allow or deny list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedBy {
    /// `allow` or `deny`.
    pub list: String,
    /// File and line.
    pub place: String,
    /// The entry.
    pub entry: String,
}

impl From<&Listed> for ListedBy {
    fn from(listed: &Listed) -> ListedBy {
        ListedBy {
            list: listed.list.to_owned(),
            place: listed.place.clone(),
            entry: listed.entry.clone(),
        }
    }
}

/// Versions of what a verdict was reached with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Configuration, rules and model together.
    pub all: String,
    /// Of the rules.
    pub rules: Option<String>,
    /// Of the classifier's model.
    pub model: Option<String>,
}

/// What an entry is made of, beside the verdict.
#[derive(Clone, Debug)]
pub struct Transaction<'a> {
    /// The id of the transaction, a ULID.
    pub id: &'a str,
    /// When it began.
    pub received: Timestamp,
    /// The envelope.
    pub envelope: &'a Envelope,
    /// When it was answered.
    pub stage: Stage,
    /// The message; `None` where it was answered before its end.
    pub mail: Option<&'a Mail>,
    /// Recipients who were refused before the message came.
    pub refused: &'a [Refused],
    /// The [`digest`] of the message, where it came to its end.
    pub digest: Option<String>,
    /// Bytes of the message, or of what had come of it.
    pub bytes: usize,
    /// What the mail server was told.
    pub reply: &'a Reply,
    /// What the verdict was reached with.
    pub versions: &'a Versions,
    /// From the end of the message to the verdict.
    pub took: std::time::Duration,
}

impl Entry {
    /// What is kept of a transaction that was answered so. `ruling` is `None` for an answer before the end of the message;
    /// `held`: a copy went into the quarantine, under the transaction's id.
    pub fn new(
        transaction: &Transaction<'_>,
        verdict: &Verdict,
        ruling: Option<&Ruling>,
        held: bool,
    ) -> Entry {
        let envelope = transaction.envelope;
        let mail = transaction.mail;
        let shares = match ruling.map(|r| r.shares.as_slice()) {
            Some(shares) if shares.len() > 1 => shares,
            _ => &[],
        };
        let policy = verdict.policy.as_ref();
        let from = mail.and_then(|m| m.mailboxes("From").into_iter().next());
        let outcomes = outcome::all(&verdict.reports);
        Entry {
            id: transaction.id.to_owned(),
            at: to_millisecond(Timestamp::now()),
            received: to_millisecond(transaction.received),
            direction: envelope.direction,
            client: envelope.client.addr,
            client_name: envelope.client.name.as_deref().map(cut),
            client_port: envelope.client.port,
            helo: envelope.helo.as_deref().map(cut),
            authenticated: envelope.authenticated.as_deref().map(cut),
            tls: envelope.tls.as_deref().map(cut),
            sender: envelope.sender.as_ref().map(|s| cut(s.text())),
            sender_args: envelope
                .sender_args
                .iter()
                .take(20)
                .map(|a| cut(a))
                .collect(),
            recipients: texts(&envelope.recipients),
            recipient_count: envelope.recipients.len(),
            queue_id: envelope.queue_id.as_deref().map(cut),
            mta: envelope.mta.as_deref().map(cut),
            from: from.map_or_else(String::new, |m| cut(&m.address)),
            subject: mail.map_or_else(String::new, |m| cut(&m.subject())),
            message_id: mail.map_or_else(String::new, message_id),
            size: transaction.bytes as u64,
            digest: transaction.digest.clone(),
            stage: transaction.stage,
            verdict: verdict.action,
            score: finite(verdict.score),
            required: ruling.and_then(|r| r.required),
            decided_by: DecidedBy::from(&verdict.decided_by),
            answer: answer(transaction.reply),
            policy: policy.map(|p| p.policy.to_string()),
            listed: policy.and_then(|p| p.listed.as_ref()).map(ListedBy::from),
            policies: shares.iter().map(|s| Share::new(s, &outcomes)).collect(),
            settled: ruling
                .filter(|r| !shares.is_empty() || r.settled != Settled::Agreed)
                .map(|r| r.settled.name().to_owned()),
            dropped: ruling
                .and_then(|r| r.held.as_ref())
                .map_or_else(Vec::new, |h| texts(&h.recipients)),
            refused: transaction
                .refused
                .iter()
                .take(RECIPIENTS)
                .cloned()
                .collect(),
            outcomes,
            milliseconds: milliseconds(transaction.took),
            version: transaction.versions.all.clone(),
            rules: transaction.versions.rules.clone(),
            model: transaction.versions.model.clone(),
            quarantine: held.then(|| transaction.id.to_owned()),
        }
    }

    /// What the same message gets in another evaluation.
    pub fn again(&self, scan: &Scan, ruling: &Ruling, versions: &Versions) -> Entry {
        let transaction = Transaction {
            id: &self.id,
            received: self.received,
            envelope: &scan.envelope,
            stage: self.stage,
            mail: Some(&scan.mail),
            refused: &self.refused,
            digest: Some(digest(scan.mail.raw())),
            bytes: scan.mail.raw().len(),
            reply: &Reply::Accept,
            versions,
            took: std::time::Duration::ZERO,
        };
        Entry::new(&transaction, &ruling.verdict, Some(ruling), false)
    }

    /// The envelope, for an evaluation that is made again.
    pub fn envelope(&self) -> Envelope {
        Envelope {
            direction: self.direction,
            client: Client {
                addr: self.client,
                name: self.client_name.clone(),
                port: self.client_port,
            },
            helo: self.helo.clone(),
            authenticated: self.authenticated.clone(),
            tls: self.tls.clone(),
            sender: self.sender.as_ref().map(|s| Address::new(s.as_bytes())),
            sender_args: self.sender_args.clone(),
            recipients: self
                .recipients
                .iter()
                .map(|r| Address::new(r.as_bytes()))
                .collect(),
            queue_id: self.queue_id.clone(),
            mta: self.mta.clone(),
        }
    }

    /// The hits with the filter that had each, in the order of the chain.
    pub fn hits(&self) -> impl Iterator<Item = (&str, &super::Hit)> {
        self.outcomes
            .iter()
            .flat_map(|o| o.hits.iter().map(|h| (o.filter.as_str(), h)))
    }

    /// Whether the message did not pass: held back, refused, put off or dropped.
    pub fn is_stopped(&self) -> bool {
        self.verdict > Action::Tag
    }
}

/// The BLAKE3 digest of a message, hexadecimal.
pub fn digest(raw: &[u8]) -> String {
    blake3::hash(raw).to_hex().to_string()
}

/// To the microsecond.
pub(super) fn milliseconds(took: std::time::Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

/// As it is told the mail server; one line of ASCII.
fn answer(reply: &Reply) -> String {
    match reply {
        Reply::Continue | Reply::Accept | Reply::Skip => "accept".to_owned(),
        Reply::Discard => "discard".to_owned(),
        Reply::Reject => "reject".to_owned(),
        Reply::Tempfail => "tempfail".to_owned(),
        // What is doubled for the mail server is shown once.
        Reply::Text(text) => text.as_str().replace("%%", "%"),
    }
}

fn message_id(mail: &Mail) -> String {
    let id = mail.header("Message-ID").unwrap_or_default();
    let id = id.trim();
    let bare = id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
    cut(bare.unwrap_or(id))
}

fn texts(addresses: &[Address]) -> Vec<String> {
    let kept = addresses.iter().take(RECIPIENTS);
    kept.map(|a| cut(a.text())).collect()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
    }
}

fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// A time as RFC 3339 has it.
pub(super) mod instant {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(at)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An entry with something in most places.
    pub(in crate::history) fn entry() -> Entry {
        let envelope = Envelope {
            client: Client {
                addr: Some("192.0.2.7".parse().unwrap()),
                name: Some("mx.sender.example".into()),
                port: 4711,
            },
            helo: Some("mx.sender.example".into()),
            sender: Some(Address::new(b"<a@sender.example>")),
            recipients: vec![Address::new(b"<b@here.example>")],
            queue_id: Some("4XyZ".into()),
            ..Envelope::default()
        };
        let raw = b"From: A <a@sender.example>\r\nSubject: Your invoice\r\nMessage-ID: <1@sender.example>\r\n\r\nHi\r\n";
        let mail = Mail::parse(raw.as_slice().into(), &crate::mail::Limits::default());
        let hit = crate::filter::Hit::new("SUBJ_INVOICE", 6.5, "invoice\u{202e}\0");
        let report = crate::verdict::Report {
            filter: "rules",
            outcome: crate::filter::Outcome::Checked(vec![hit]),
            elapsed: std::time::Duration::from_micros(1234),
        };
        let clamav = crate::verdict::Report {
            filter: "clamav",
            outcome: crate::filter::Outcome::unscanned(crate::filter::Reason::Down, "down"),
            elapsed: std::time::Duration::ZERO,
        };
        let thresholds = crate::verdict::Thresholds::default();
        let failure = |_: &str, _| crate::filter::FailureAction::Deliver;
        let verdict = crate::verdict::decide(vec![report, clamav], &thresholds, failure);
        let versions = Versions::default();
        let transaction = Transaction {
            id: &ulid::Ulid::new().to_string(),
            received: Timestamp::now(),
            envelope: &envelope,
            stage: Stage::End,
            mail: Some(&mail),
            refused: &[],
            digest: Some(digest(raw)),
            bytes: raw.len(),
            reply: &Reply::Accept,
            versions: &versions,
            took: std::time::Duration::from_millis(3),
        };
        Entry::new(&transaction, &verdict, None, false)
    }

    #[test]
    fn entries_survive_json() {
        let entry = entry();
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
        assert_eq!(entry.message_id, "1@sender.example");
        assert_eq!(entry.from, "a@sender.example");
        assert_eq!(entry.outcomes[0].milliseconds, 1.234);
        assert_eq!(
            entry.outcomes[1].outcome,
            crate::history::State::Unscanned(crate::filter::Reason::Down)
        );
    }
}
