//! [`Entry`]: what is kept of one message. It is written as JSON, with names that tools may rely on: fields are added,
//! and never change their meaning.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outcome::{DecidedBy, Outcome, Share};
use super::transaction::{answer, cut};
use crate::filter::{Action, Hit};
use crate::mail::{Address, Client, Direction, Envelope};
use crate::milter::Reply;
use crate::verdict::{Listed, Verdict};

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

/// To be escaped wherever it is shown.
impl fmt::Display for ListedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.list, self.place, self.entry)
    }
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

impl Entry {
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
    pub fn hits(&self) -> impl Iterator<Item = (&str, &Hit)> {
        self.outcomes
            .iter()
            .flat_map(|o| o.hits.iter().map(|h| (o.filter.as_str(), h)))
    }

    /// Whether the message did not pass: held back, refused, put off or dropped.
    pub fn is_stopped(&self) -> bool {
        self.verdict > Action::Tag
    }
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
