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

use crate::config::{ByteSize, span_of};

/// One rule file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) version: Spanned<u64>,
    pub(super) rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) id: Spanned<String>,
    pub(super) description: Spanned<String>,
    pub(super) score: Option<Spanned<f64>>,
    pub(super) silent: Option<Spanned<bool>>,
    pub(super) decisive: Option<Decisive>,
    pub(super) when: Spanned<When>,
    pub(super) tests: Option<Tests>,
}

/// Actions that one hit may enforce.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decisive {
    Reject,
    Quarantine,
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
    Size(Spanned<Bounds>),
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

/// What is asked of a place: a pattern alone, or keys.
#[derive(Debug)]
pub(super) enum Matcher {
    Pattern(String),
    Keys(Box<Keys>),
}

/// The keys of a matcher.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    pub(super) name: Option<Spanned<String>>,
    pub(super) raw: Option<Spanned<bool>>,
    pub(super) matches: Option<Spanned<String>>,
    pub(super) engine: Option<Spanned<Engine>>,
    pub(super) contains: Option<OneOrMany>,
    pub(super) equals: Option<OneOrMany>,
    pub(super) domains: Option<OneOrMany>,
    pub(super) ignore_case: Option<Spanned<bool>>,
    pub(super) length: Option<Spanned<Bounds>>,
    pub(super) exists: Option<Spanned<bool>>,
    pub(super) count: Option<Spanned<Bounds>>,
}

/// The engine that runs a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Engine {
    Linear,
    Backtracking,
}

/// One text or a list of them.
#[derive(Debug)]
pub(super) enum Listed {
    One(String),
    Many(Vec<Spanned<String>>),
}

/// One text or a list of them, with its place.
pub(super) type OneOrMany = Spanned<Listed>;

/// The texts of a list, each with its bytes in the file.
pub(super) fn listed(list: &OneOrMany) -> Vec<(&str, Range<usize>)> {
    match &list.value {
        Listed::One(text) => vec![(text.as_str(), span_of(list))],
        Listed::Many(texts) => texts
            .iter()
            .map(|t| (t.value.as_str(), span_of(t)))
            .collect(),
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
    pub(super) headers: Vec<String>,
    pub(super) without: Vec<String>,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) attachments: Vec<Attachment>,
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
                        "size" => Clause::Size(map.next_value()?),
                        "header" | "headers" | "sa_header" | "sa_mime_header" => {
                            Clause::Place(map.next_value()?)
                        }
                        name if super::place::Place::named(name).is_some() => {
                            Clause::Place(map.next_value()?)
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            Clause::Unknown
                        }
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

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Listed;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes or a list of texts")
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
        }
        deserializer.deserialize_any(V)
    }
}
