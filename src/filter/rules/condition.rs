//! Conditions as they run: a tree whose leaves look at one place each.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use ipnet::IpNet;
use regex_automata::meta::Regex;

use super::lookaround::LookAround;
use super::relation::Relation;

/// Number of a leaf, a place or a rule within its set.
pub(super) type Index = usize;

/// A condition.
#[derive(Debug)]
pub(super) enum Node {
    Leaf(Index),
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    AtLeast(usize, Vec<Node>),
    Rule(Index),
}

/// What a leaf asks.
#[derive(Debug)]
pub(super) enum Leaf {
    Texts(TextsLeaf),
    Flag(Vec<String>),
    Relation(Relation),
    Client(Vec<IpNet>),
    Authenticated(bool),
    Size(Bounds),
}

/// A question about the texts of one place: how many of them satisfy it.
#[derive(Debug)]
pub(super) struct TextsLeaf {
    pub(super) place: Index,
    pub(super) value: Value,
    pub(super) length: Option<Bounds>,
    pub(super) count: Bounds,
    /// Whether the place's gate knows the literals of this leaf.
    pub(super) gated: bool,
}

impl Leaf {
    /// Gives back the memory that matching has taken so far: the caches of lazy automata live in a regex,
    /// not in its clones.
    pub(super) fn renew(&mut self) {
        if let Leaf::Texts(TextsLeaf {
            value: Value::Pattern(regex),
            ..
        }) = self
        {
            *regex = regex.clone();
        }
    }
}

/// Bounds of a number, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) at_least: u64,
    pub(super) at_most: u64,
}

impl Bounds {
    /// One or more.
    pub(super) const SOME: Bounds = Bounds {
        at_least: 1,
        at_most: u64::MAX,
    };
    /// None at all.
    pub(super) const NONE: Bounds = Bounds {
        at_least: 0,
        at_most: 0,
    };

    pub(super) fn contain(self, n: usize) -> bool {
        let n = n as u64;
        self.at_least <= n && n <= self.at_most
    }

    /// Whether more of the same cannot change the answer any more.
    fn settled(self, n: usize) -> bool {
        let n = n as u64;
        n > self.at_most || (self.at_most == u64::MAX && n >= self.at_least)
    }
}

/// What one text must be.
#[derive(Debug)]
pub(super) enum Value {
    Anything,
    Pattern(Regex),
    Backtracking(Box<LookAround>),
    Contains(AhoCorasick),
    Equals {
        set: HashSet<Vec<u8>>,
        ignore_case: bool,
    },
    /// Domains in lower case, without a trailing dot; each stands for its subdomains too.
    Domains(HashSet<Vec<u8>>),
}

impl Value {
    /// The bytes that satisfy it.
    fn find(&self, text: &[u8]) -> Option<Range<usize>> {
        match self {
            Value::Anything => Some(0..text.len()),
            Value::Pattern(regex) => regex.find(text).map(|m| m.range()),
            Value::Backtracking(pattern) => pattern.find(text),
            Value::Contains(literals) => literals.find(text).map(|m| m.range()),
            Value::Equals { set, ignore_case } => {
                let held = if *ignore_case {
                    set.contains(text.to_ascii_lowercase().as_slice())
                } else {
                    set.contains(text)
                };
                held.then_some(0..text.len())
            }
            Value::Domains(set) => {
                let start = memchr::memrchr(b'@', text).map_or(0, |i| i + 1);
                let domain = text.get(start..)?.to_ascii_lowercase();
                let mut rest = domain.strip_suffix(b".").unwrap_or(&domain);
                loop {
                    if set.contains(rest) {
                        return Some(start..text.len());
                    }
                    let dot = memchr::memchr(b'.', rest)?;
                    rest = rest.get(dot + 1..)?;
                }
            }
        }
    }
}

/// How a leaf about texts came out.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) holds: bool,
    /// How many texts satisfied it, as far as it was counted.
    pub(super) count: usize,
    /// The first of them: its number, and the bytes that matched.
    pub(super) first: Option<(usize, Range<usize>)>,
}

impl TextsLeaf {
    /// Asks the texts of its place.
    pub(super) fn ask(&self, texts: &[Cow<'_, [u8]>]) -> Answer {
        let mut count = 0;
        let mut first = None;
        for (number, text) in texts.iter().enumerate() {
            if self.length.is_some_and(|l| !l.contain(text.len())) {
                continue;
            }
            if let Some(range) = self.value.find(text) {
                count += 1;
                first.get_or_insert((number, range));
                if self.count.settled(count) {
                    break;
                }
            }
        }
        Answer {
            holds: self.count.contain(count),
            count,
            first,
        }
    }

    /// The answer when no text can satisfy it.
    pub(super) fn ask_nothing(&self) -> Answer {
        Answer {
            holds: self.count.contain(0),
            count: 0,
            first: None,
        }
    }

    /// Whether it only asks how many texts there are.
    pub(super) fn counts_only(&self) -> bool {
        matches!(self.value, Value::Anything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(list: &[&str]) -> Value {
        Value::Domains(list.iter().map(|d| d.as_bytes().to_vec()).collect())
    }

    #[test]
    fn a_domain_stands_for_its_subdomains_only() {
        let value = domains(&["example.com"]);
        for hit in ["example.com", "a.b.EXAMPLE.com.", "user@mail.example.com"] {
            assert!(value.find(hit.as_bytes()).is_some(), "{hit}");
        }
        for miss in [
            "badexample.com",
            "example.com.evil.net",
            "example.com@evil.net",
            "com",
            "",
        ] {
            assert!(value.find(miss.as_bytes()).is_none(), "{miss}");
        }
    }

    #[test]
    fn counting_stops_when_the_answer_is_settled() {
        let leaf = |count| TextsLeaf {
            place: 0,
            value: Value::Pattern(Regex::new("a").unwrap()),
            length: None,
            count,
            gated: false,
        };
        let texts: Vec<Cow<'_, [u8]>> = ["a", "b", "a", "a"]
            .iter()
            .map(|t| Cow::Borrowed(t.as_bytes()))
            .collect();
        let two = leaf(Bounds {
            at_least: 2,
            at_most: u64::MAX,
        })
        .ask(&texts);
        assert!(two.holds && two.count == 2);
        assert!(!leaf(Bounds::NONE).ask(&texts).holds);
        let three = Bounds {
            at_least: 3,
            at_most: 3,
        };
        assert!(leaf(three).ask(&texts).holds);
        assert!(!leaf(three).ask_nothing().holds);
        assert!(leaf(Bounds::NONE).ask_nothing().holds);
    }
}
