//! Rule files as written: what serde reads, nothing checked but the shape.
//!
//! Structural damage (not YAML, a duplicate key, a list where a text belongs) ends the reading of one
//! file at its first occurrence. Everything else, unknown places included, is kept with its place so
//! that all of it can be reported at once.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
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

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = When;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a condition such as { subject: 'pattern' }")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<When, A::Error> {
                let mut clauses = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    let clause = match key.value.as_str() {
                        "all" => Clause::All(map.next_value()?),
                        "any" => Clause::Any(map.next_value()?),
                        "not" => Clause::Not(map.next_value()?),
                        "at_least" => Clause::AtLeast(map.next_value()?),
                        "rule" => Clause::Rule(map.next_value()?),
                        "flag" => Clause::Flag(map.next_value()?),
                        "relation" => Clause::Relation(map.next_value()?),
                        "client" => Clause::Client(map.next_value()?),
                        "authenticated" => Clause::Authenticated(map.next_value()?),
                        "formula" => Clause::Formula(map.next_value()?),
                        "header" | "headers" | "sa_header" | "sa_mime_header" => {
                            Clause::Place(map.next_value()?)
                        }
                        name if super::place::Place::named(name).is_some() => {
                            Clause::Place(map.next_value()?)
                        }
                        name => match (Number::named(name), Element::named(name)) {
                            (Some(number), _) => Clause::Number(number, map.next_value()?),
                            (_, Some(element)) => Clause::Element(element, map.next_value()?),
                            (None, None) => {
                                map.next_value::<IgnoredAny>()?;
                                Clause::Unknown
                            }
                        },
                    };
                    clauses.push((key, clause));
                }
                Ok(When(clauses))
            }
        }
        deserializer.deserialize_map(V)
    }
}

/// Reads a scalar text by one way and a map by the other.
struct TextOrMap<T, S>(&'static str, S, PhantomData<T>);

impl<'de, T, S, M> Visitor<'de> for TextOrMap<M, S>
where
    S: Fn(Read<M>) -> T,
    M: Deserialize<'de>,
{
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(self.1(Read::Text(text.to_owned())))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        M::deserialize(MapAccessDeserializer::new(map)).map(|keys| self.1(Read::Map(keys)))
    }
}

enum Read<M> {
    Text(String),
    Map(M),
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrMap(
            "a pattern in quotes, or keys such as { contains: [...] }",
            |read: Read<Keys>| match read {
                Read::Text(pattern) => Matcher::Pattern(pattern),
                Read::Map(keys) => Matcher::Keys(Box::new(keys)),
            },
            PhantomData,
        ))
    }
}

impl<'de> Deserialize<'de> for Example {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrMap(
            "a fragment in quotes, or a message such as { subject: '...' }",
            |read: Read<Message>| match read {
                Read::Text(fragment) => Example::Fragment(fragment),
                Read::Map(message) => Example::Message(Box::new(message)),
            },
            PhantomData,
        ))
    }
}

impl<'de> Deserialize<'de> for Asks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Asks;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("what is asked of one element, such as { name: 'pattern', size: { at_most: 4KiB } }")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Asks, A::Error> {
                let mut asks = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    let ask = match key.value.as_str() {
                        "size" => Ask::Size(map.next_value()?),
                        "position" => Ask::Position(map.next_value()?),
                        "count" => Ask::Count(map.next_value()?),
                        "not" => Ask::Not(map.next_value()?),
                        _ => Ask::Text(map.next_value()?),
                    };
                    asks.push((key, ask));
                }
                Ok(Asks(asks))
            }
        }
        deserializer.deserialize_map(V)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a size such as 64KiB")
            }
            fn visit_f64<E: Error>(self, n: f64) -> Result<Quantity, E> {
                Ok(Quantity(n))
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Quantity, E> {
                Ok(Quantity(n as f64))
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Quantity, E> {
                Ok(Quantity(n as f64))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Quantity, E> {
                if let Ok(n) = text.parse::<f64>() {
                    return Ok(Quantity(n));
                }
                let size = ByteSize::deserialize(serde::de::value::StrDeserializer::<E>::new(text))
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))?;
                Ok(Quantity(size.0 as f64))
            }
        }
        deserializer.deserialize_any(V)
    }
}

impl<'de> Deserialize<'de> for Ordinal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Ordinal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`first`, `last`, a number from 1 counted from the top, or from -1 counted from the bottom")
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Ordinal, E> {
                self.visit_i64(i64::try_from(n).unwrap_or(0))
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Ordinal, E> {
                let from = usize::try_from(n.unsigned_abs()).unwrap_or(0);
                let wrong = || E::invalid_value(serde::de::Unexpected::Signed(n), &self);
                let from = from.checked_sub(1).ok_or_else(wrong)?;
                Ok(Ordinal(match n > 0 {
                    true => Position::FromTop(from),
                    false => Position::FromBottom(from),
                }))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Ordinal, E> {
                match text {
                    "first" => Ok(Ordinal(Position::FromTop(0))),
                    "last" => Ok(Ordinal(Position::FromBottom(0))),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(V)
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Listed;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a text in quotes, a list of texts, or { list: name } for a list in a file",
                )
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Listed, E> {
                Ok(Listed::One(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Listed, A::Error> {
                let mut all = Vec::new();
                while let Some(text) = seq.next_element()? {
                    all.push(text);
                }
                Ok(Listed::Many(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Listed, A::Error> {
                FromFile::deserialize(MapAccessDeserializer::new(map))
                    .map(|file| Listed::File(file.list))
            }
        }
        deserializer.deserialize_any(V)
    }
}
