//! How an [`Entry`] is made of a transaction that was answered.

use jiff::Timestamp;

use super::entry::{Entry, ListedBy, Refused, Stage};
use super::outcome::{self, DecidedBy, Share, finite};
use crate::filter::Scan;
use crate::mail::{Address, Envelope, Mail};
use crate::milter::Reply;
use crate::policy::{Ruling, Settled};
use crate::verdict::Verdict;

/// Longest text taken from a message or an envelope: subject, From, Message-ID, name of a host; characters.
const TEXT_CHARS: usize = 1_000;
/// Most recipients of a message that are kept; how many there were is kept too.
const RECIPIENTS: usize = 1_000;

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
pub(super) fn answer(reply: &Reply) -> String {
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

pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
    }
}

fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mail::Client;

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
