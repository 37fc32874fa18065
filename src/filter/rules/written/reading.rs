//! How the keys of a rule are read where a derive cannot: conditions with keys of many kinds, values that are a
//! text or a map, numbers with units.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::super::element::{Element, Position};
use super::super::number::Number;
use super::super::place::Place;
use super::{
    Ask, Asks, Clause, Example, FromFile, Keys, Listed, Matcher, Message, Ordinal, Quantity, When,
};
use crate::config::ByteSize;

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
                        name if Place::named(name).is_some() => Clause::Place(map.next_value()?),
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
                        "all" => Ask::All(map.next_value()?),
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
