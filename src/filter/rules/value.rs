//! What a text is held against: a pattern, literals, words, a list, a bound.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;

use super::bounds::Interval;
use super::branch::Scratch;
use super::digests::Digests;
use super::gate::Sighting;
use super::list::ascii_domain;
use super::networks::Networks;
use super::pattern::Pattern;
use super::string_set::StringSet;
use super::words::Words;

/// What one text must be.
#[derive(Debug)]
pub(super) enum Value {
    Anything,
    Pattern(Pattern),
    Contains(AhoCorasick),
    Equals {
        set: Arc<StringSet>,
        ignore_case: bool,
    },
    Words(Arc<Words>),
    /// Domains in lower case, without a trailing dot; each stands for its subdomains too.
    Domains(Arc<StringSet>),
    Networks(Arc<Networks>),
    Digests(Arc<Digests>),
    Number(Interval),
}

impl Value {
    /// The bytes that satisfy it. `seen` are its literals in this text, as a gate saw them; without them it
    /// looks for itself.
    pub(super) fn find(
        &self,
        text: &[u8],
        seen: Option<&[Sighting]>,
        scratch: &mut Scratch,
    ) -> Option<Range<usize>> {
        match self {
            Value::Anything => Some(0..text.len()),
            Value::Pattern(pattern) => pattern.find(text, 0, seen, scratch),
            Value::Contains(literals) => literals.find(text).map(|m| m.range()),
            Value::Words(words) => words.find(&utf8(text)).next(),
            Value::Equals { set, ignore_case } => {
                let held = if *ignore_case {
                    set.contains(text.to_ascii_lowercase().as_slice())
                } else {
                    set.contains(text)
                };
                held.then_some(0..text.len())
            }
            Value::Domains(set) => in_domains(set, text),
            Value::Networks(networks) => {
                let inner = text.strip_prefix(b"[").unwrap_or(text);
                let inner = inner.strip_suffix(b"]").unwrap_or(inner);
                let address = std::str::from_utf8(inner).ok()?.trim();
                let address: IpAddr = address.parse().ok()?;
                networks.contains(address).then_some(0..text.len())
            }
            Value::Digests(digests) => digests.contains(text).then_some(0..text.len()),
            Value::Number(interval) => interval.contain(number(text)?).then_some(0..text.len()),
        }
    }

    /// The work that it takes to find it, roughly, in that of a pattern that a literal shows.
    pub(super) fn effort(&self) -> u32 {
        match self {
            Value::Pattern(pattern) => pattern.effort(),
            _ => 1,
        }
    }

    /// How often it occurs in a text, none inside of another, at most `most` times. What a text is or is not
    /// occurs once.
    pub(super) fn occurrences(
        &self,
        text: &[u8],
        most: usize,
        seen: Option<&[Sighting]>,
        scratch: &mut Scratch,
    ) -> usize {
        match self {
            Value::Pattern(pattern) => pattern.occurrences(text, most, seen, scratch),
            Value::Contains(literals) => literals.find_iter(text).take(most).count(),
            Value::Words(words) => words.find(&utf8(text)).take(most).count(),
            _ => usize::from(self.find(text, seen, scratch).is_some()),
        }
    }
}

/// Texts are UTF-8 but for raw ones, of which bytes that are not become signs that are no part of a word.
fn utf8(text: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(text) {
        Ok(text) => Cow::Borrowed(text),
        // One character for each byte keeps the places of matches.
        Err(_) => Cow::Owned(
            text.iter()
                .map(|b| if b.is_ascii() { char::from(*b) } else { ' ' })
                .collect(),
        ),
    }
}

/// The number that a text is. A comment may follow, as in `X-Priority: 1 (Highest)`.
fn number(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = match text.split_once('(') {
        Some((number, comment)) if comment.ends_with(')') => number.trim_end(),
        _ => text,
    };
    bare.parse().ok().filter(|number: &f64| number.is_finite())
}

fn in_domains(set: &StringSet, text: &[u8]) -> Option<Range<usize>> {
    let start = memchr::memrchr(b'@', text).map_or(0, |i| i + 1);
    let domain = ascii_domain(&String::from_utf8_lossy(text.get(start..)?));
    let mut rest = domain.trim_end_matches('.').as_bytes();
    loop {
        if set.contains(rest) {
            return Some(start..text.len());
        }
        let dot = memchr::memchr(b'.', rest)?;
        rest = rest.get(dot + 1..)?;
    }
}
