//! [`Entry`]: what is kept of a message beside its bytes.
//!
//! It goes in front of the bytes in the message's own file, so that the index can be built anew from the
//! files alone, and into the index for searching.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::QuarantineError;
use crate::filter::Action;
use crate::mail::{Address, Direction, Envelope};
use crate::policy::Ruling;
use crate::verdict::Verdict;

/// Longest subject that is kept, in characters; the whole one is in the message.
const SUBJECT_CHARS: usize = 1_000;

/// One message to be held back, or held already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The id of the transaction, a ULID.
    pub id: String,
    /// When the message was received.
    #[serde(with = "instant")]
    pub received: Timestamp,
    /// Which way it went.
    #[serde(default)]
    pub direction: Direction,
    /// Address of the SMTP client.
    pub client: Option<IpAddr>,
    /// Its verified name.
    pub client_name: Option<String>,
    /// Its HELO.
    pub helo: Option<String>,
    /// SASL login, if it was authenticated.
    pub authenticated: Option<String>,
    /// Queue id of the MTA.
    pub queue_id: Option<String>,
    /// Reverse path.
    #[serde(with = "path")]
    pub sender: Address,
    /// ESMTP arguments of MAIL, as they came.
    pub sender_args: Vec<String>,
    /// Forward paths.
    #[serde(with = "paths")]
    pub recipients: Vec<Address>,
    /// The decoded subject, at most 1,000 characters.
    pub subject: String,
    /// What was decided.
    pub action: Action,
    /// Total score.
    pub score: f64,
    /// Ids of the rules that hit, each once, in the order of the chain.
    pub rules: Vec<String>,
    /// The whole verdict.
    pub verdict: serde_json::Value,
    /// What each policy said for which recipients, those who got the message included; empty where all recipients
    /// had the same one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<EntryPolicy>,
    /// Size of the message, bytes.
    pub size: u64,
}

/// What a policy said of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryPolicy {
    /// Its name.
    pub policy: String,
    /// What it asked for.
    pub action: Action,
    /// The score under it.
    pub score: f64,
    /// The entry of an allow or deny list that decided: list, file, line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<String>,
    /// The recipients for whom it holds.
    #[serde(with = "paths")]
    pub recipients: Vec<Address>,
}

impl Entry {
    /// Takes what is known at the end of a transaction. `id` must be the transaction's ULID, or
    /// [`Quarantine::store`](super::Quarantine::store) refuses the entry; `bytes` is the size of the
    /// message.
    pub fn new(
        id: &str,
        received: Timestamp,
        envelope: &Envelope,
        subject: &str,
        verdict: &Verdict,
        bytes: usize,
    ) -> Entry {
        let mut rules: Vec<String> = Vec::new();
        for (_, hit) in verdict.hits() {
            if !rules.iter().any(|r| **r == *hit.rule) {
                rules.push(hit.rule.to_string());
            }
        }
        Entry {
            id: id.to_owned(),
            received: to_millisecond(received),
            direction: envelope.direction,
            client: envelope.client.addr,
            client_name: envelope.client.name.clone(),
            helo: envelope.helo.clone(),
            authenticated: envelope.authenticated.clone(),
            queue_id: envelope.queue_id.clone(),
            sender: envelope.sender.clone().unwrap_or_default(),
            sender_args: envelope.sender_args.clone(),
            recipients: envelope.recipients.clone(),
            subject: subject.chars().take(SUBJECT_CHARS).collect(),
            action: verdict.action,
            // JSON has no other numbers.
            score: if verdict.score.is_finite() {
                verdict.score
            } else {
                0.0
            },
            rules,
            verdict: serde_json::to_value(verdict).unwrap_or_default(),
            policies: Vec::new(),
            size: bytes as u64,
        }
    }

    /// The same with what the policies of all recipients said, where there are several.
    pub fn ruled(mut self, ruling: &Ruling) -> Entry {
        if let [_, _, ..] = ruling.shares.as_slice() {
            let shares = ruling.shares.iter().map(|share| EntryPolicy {
                policy: share.policy.name().to_string(),
                action: share.verdict.action,
                score: share.verdict.score,
                listed: share
                    .verdict
                    .policy
                    .as_ref()
                    .and_then(|p| p.listed.as_ref())
                    .map(ToString::to_string),
                recipients: share.recipients.clone(),
            });
            self.policies = shares.collect();
        }
        self
    }

    /// What tells one message from another for retries of the same client: bytes, sender, and the set of
    /// recipients. The client's address is left out, because large senders retry from another one.
    pub(super) fn likeness(&self, raw: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("mailweir quarantine likeness 1");
        let mut recipients: Vec<&[u8]> = self.recipients.iter().map(bare).collect();
        recipients.sort_unstable();
        recipients.dedup();
        for field in std::iter::once(bare(&self.sender)).chain(recipients) {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        // No field is that long, so a message cannot pass for one more recipient.
        hasher.update(&u64::MAX.to_le_bytes());
        hasher.update(raw);
        *hasher.finalize().as_bytes()
    }
}

/// The exact bytes of an address without angle brackets.
pub(super) fn bare(address: &Address) -> &[u8] {
    let raw = address.raw();
    raw.strip_prefix(b"<")
        .and_then(|r| r.strip_suffix(b">"))
        .unwrap_or(raw)
}

/// An id that may name a file: a ULID in its canonical form.
///
/// # Errors
/// [`QuarantineError::Id`] for everything else.
pub(super) fn checked_id(id: &str) -> Result<Ulid, QuarantineError> {
    Ulid::from_string(id)
        .ok()
        .filter(|ulid| ulid.to_string() == id)
        .ok_or_else(|| QuarantineError::Id(id.chars().take(64).collect()))
}

/// The index keeps milliseconds, and what is read must equal what was written.
fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

mod instant {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// Addresses are bytes. Those that are UTF-8 are written as text, the others as a list of bytes.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&Address> for Written {
    fn from(address: &Address) -> Written {
        match String::from_utf8(address.raw().to_vec()) {
            Ok(text) => Written::Text(text),
            Err(e) => Written::Bytes(e.into_bytes()),
        }
    }
}

impl From<Written> for Address {
    fn from(written: Written) -> Address {
        match written {
            Written::Text(text) => Address::new(text.as_bytes()),
            Written::Bytes(bytes) => Address::new(&bytes),
        }
    }
}

mod path {
    use super::{Address, Written};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(a: &Address, s: S) -> Result<S::Ok, S::Error> {
        Written::from(a).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Address, D::Error> {
        Written::deserialize(d).map(Address::from)
    }
}

mod paths {
    use super::{Address, Written};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(a: &[Address], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(a.iter().map(Written::from))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Address>, D::Error> {
        let written = Vec::<Written>::deserialize(d)?;
        Ok(written.into_iter().map(Address::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let envelope = Envelope {
            sender: Some(Address::new(b"<a\xff@example.org>")),
            recipients: vec![Address::new(b"<x@y>"), Address::new(b"<b@y>")],
            ..Envelope::default()
        };
        let verdict = Verdict::released();
        let id = Ulid::new().to_string();
        Entry::new(&id, Timestamp::now(), &envelope, "s\n\u{202e}", &verdict, 3)
    }

    #[test]
    fn entries_survive_json_with_exact_addresses() {
        let entry = entry();
        let json = serde_json::to_string(&entry).unwrap();
        assert!(!json.contains('\n'));
        let back: Entry = serde_json::from_str(&json).unwrap();
        assert_eq!(back, entry);
        assert_eq!(back.sender.raw(), b"<a\xff@example.org>");
    }

    #[test]
    fn likeness_is_of_bytes_and_envelope_and_not_of_the_order_of_recipients() {
        let one = entry();
        let mut other = one.clone();
        other.id = Ulid::new().to_string();
        other.recipients.reverse();
        assert_eq!(one.likeness(b"abc"), other.likeness(b"abc"));
        assert_ne!(one.likeness(b"abc"), one.likeness(b"abd"));
        other.recipients.pop();
        assert_ne!(one.likeness(b"abc"), other.likeness(b"abc"));
    }

    #[test]
    fn only_ulids_are_ids() {
        let id = Ulid::new().to_string();
        assert!(checked_id(&id).is_ok());
        let lower = id.to_lowercase();
        for bad in ["", "01TEST", "../../etc/passwd", "$(id)", &lower] {
            assert!(checked_id(bad).is_err(), "{bad}");
        }
    }
}
