//! Rule files as written: what serde reads, nothing checked but the shape.
//!
//! Structural damage (not YAML, a duplicate key, a list where a text belongs) ends the reading of one
//! file at its first occurrence. Everything else, unknown places included, is kept with its place so
//! that all of it can be reported at once.

mod reading;

use std::ops::Range;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::element::{Element, Position};
use super::number::Number;
use crate::config::{ByteSize, span_of};
use crate::filter::Action;

/// One rule file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) version: Spanned<u64>,
    #[serde(default)]
    pub(super) groups: Vec<Group>,
    pub(super) rules: Vec<Rule>,
}

/// A group of rules whose points are capped together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) name: Spanned<String>,
    pub(super) description: Spanned<String>,
    pub(super) cap: Spanned<f64>,
}

/// One rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) id: Spanned<String>,
    pub(super) description: Spanned<String>,
    pub(super) score: Option<Spanned<f64>>,
    pub(super) per_occurrence: Option<Spanned<PerOccurrence>>,
    pub(super) group: Option<Spanned<String>>,
    pub(super) silent: Option<Spanned<bool>>,
    pub(super) decisive: Option<Spanned<Action>>,
    pub(super) labels: Option<OneOrMany>,
    pub(super) mode: Option<Spanned<Mode>>,
    pub(super) expires: Option<Spanned<String>>,
    pub(super) recipients: Option<Spanned<Recipients>>,
    pub(super) when: Spanned<When>,
    pub(super) tests: Option<Tests>,
}

/// Points for each occurrence.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PerOccurrence {
    pub(super) score: Option<Spanned<f64>>,
    pub(super) cap: Option<Spanned<f64>>,
    pub(super) at_most: Option<Spanned<u64>>,
}

/// Whether a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Live,
    Shadow,
}

/// For whose mail a rule is on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipients {
    pub(super) only: Option<OneOrMany>,
    pub(super) except: Option<OneOrMany>,
    pub(super) of_several: Option<Spanned<Several>>,
}

/// How many of several recipients have to be such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Several {
    All,
    Any,
}

/// The tests of a rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tests {
    #[serde(default)]
    pub(super) hit: Vec<Spanned<Example>>,
    #[serde(default)]
    pub(super) miss: Vec<Spanned<Example>>,
}

/// A condition: all clauses of the map must hold.
#[derive(Debug)]
pub(super) struct When(pub(super) Vec<(Spanned<String>, Clause)>);

/// One entry of a condition.
#[derive(Debug)]
pub(super) enum Clause {
    All(Vec<Spanned<When>>),
    Any(Vec<Spanned<When>>),
    Not(Box<Spanned<When>>),
    AtLeast(AtLeast),
    Rule(Spanned<String>),
    Flag(OneOrMany),
    Relation(Spanned<String>),
    Client(OneOrMany),
    Authenticated(bool),
    Formula(Spanned<String>),
    Number(Number, Spanned<Interval>),
    Element(Element, Spanned<Asks>),
    /// A place, or a key that nobody knows.
    Place(Spanned<Matcher>),
    /// A key that is neither.
    Unknown,
}

/// `at_least: { count: 2, of: [...] }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AtLeast {
    pub(super) count: Spanned<usize>,
    pub(super) of: Vec<Spanned<When>>,
}

/// Bounds, both included.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bounds {
    pub(super) at_least: Option<ByteSize>,
    pub(super) at_most: Option<ByteSize>,
}

/// Bounds of a number that may be negative or have a fraction, both included.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Interval {
    pub(super) at_least: Option<Quantity>,
    pub(super) at_most: Option<Quantity>,
}

/// A number, or a size such as `64KiB`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantity(pub(super) f64);

/// Which of several, written `first`, `last`, or counted from 1 at the top, from -1 at the bottom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ordinal(pub(super) Position);

/// What is asked of one element: all of it must hold of the same.
#[derive(Debug)]
pub(super) struct Asks(pub(super) Vec<(Spanned<String>, Ask)>);

/// One entry of [`Asks`].
#[derive(Debug)]
pub(super) enum Ask {
    /// Of an aspect by that name, or of none.
    Text(Spanned<Matcher>),
    Size(Spanned<Bounds>),
    Position(Spanned<Ordinal>),
    Count(Spanned<Bounds>),
    Not(Spanned<Asks>),
    All(Vec<Spanned<Asks>>),
}

/// What is asked of a place: a pattern alone, or keys.
#[derive(Debug)]
pub(super) enum Matcher {
    Pattern(String),
    Keys(Box<Keys>),
}

/// The engine that runs a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Engine {
    Linear,
    Backtracking,
}

/// The keys of a matcher.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    pub(super) name: Option<Spanned<String>>,
    pub(super) raw: Option<Spanned<bool>>,
    pub(super) position: Option<Spanned<Ordinal>>,
    #[serde(rename = "as")]
    pub(super) side: Option<Spanned<String>>,
    pub(super) matches: Option<Spanned<String>>,
    pub(super) engine: Option<Spanned<Engine>>,
    pub(super) contains: Option<OneOrMany>,
    pub(super) equals: Option<OneOrMany>,
    pub(super) words: Option<OneOrMany>,
    pub(super) domains: Option<OneOrMany>,
    pub(super) networks: Option<OneOrMany>,
    pub(super) sha256: Option<OneOrMany>,
    pub(super) number: Option<Spanned<Interval>>,
    pub(super) ignore_case: Option<Spanned<bool>>,
    pub(super) length: Option<Spanned<Bounds>>,
    pub(super) exists: Option<Spanned<bool>>,
    pub(super) occurrences: Option<Spanned<Bounds>>,
    pub(super) count: Option<Spanned<Bounds>>,
}

/// One text, a list of them, or the name of a list in a file.
#[derive(Debug)]
pub(super) enum Listed {
    One(String),
    Many(Vec<Spanned<String>>),
    File(Spanned<String>),
}

/// `{ list: shorteners }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FromFile {
    list: Spanned<String>,
}

/// One text or a list of them, with its place.
pub(super) type OneOrMany = Spanned<Listed>;

/// The texts of a list that stands in the rule, each with its bytes in the file.
pub(super) fn listed(list: &OneOrMany) -> Vec<(&str, Range<usize>)> {
    match &list.value {
        Listed::One(text) => vec![(text.as_str(), span_of(list))],
        Listed::Many(texts) => texts
            .iter()
            .map(|t| (t.value.as_str(), span_of(t)))
            .collect(),
        Listed::File(_) => Vec::new(),
    }
}

/// A test of a rule: a fragment that stands in every place, or a message.
#[derive(Debug)]
pub(super) enum Example {
    Fragment(String),
    Message(Box<Message>),
}

/// The message of a test, by its parts, or whole.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Message {
    pub(super) message: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) cc: Option<String>,
    pub(super) reply_to: Option<String>,
    pub(super) sender: Option<String>,
    pub(super) received: Vec<String>,
    pub(super) headers: Vec<String>,
    pub(super) without: Vec<String>,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) attachments: Vec<Attachment>,
    /// How often `headers` and `attachments` stand there.
    pub(super) repeat: Option<Spanned<usize>>,
    pub(super) mail_from: Option<String>,
    pub(super) rcpt_to: Vec<String>,
    pub(super) helo: Option<String>,
    pub(super) client: Option<std::net::IpAddr>,
    pub(super) client_name: Option<String>,
    pub(super) authenticated: Option<String>,
    pub(super) tls: Option<String>,
    /// Results as `Authentication-Results` has them, without the name of the server.
    pub(super) auth: Option<Spanned<String>>,
    /// Hits of the filter `reputation`.
    pub(super) reputation: Vec<Spanned<String>>,
}

/// An attachment of the message of a test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attachment {
    pub(super) name: Option<String>,
    #[serde(rename = "type")]
    pub(super) content_type: Option<String>,
    #[serde(default)]
    pub(super) content: String,
    /// The content in base64, in place of `content`.
    pub(super) base64: Option<Spanned<String>>,
}
