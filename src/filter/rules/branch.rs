//! One branch of a pattern: an alternative that stands for itself, with its own literals and its own
//! automaton, tried only where a literal of it was seen.
//!
//! Every match holds one of the literals, and it is known how far before the literal a match can begin. So
//! only those places are tried, from left to right, which finds exactly what a search of the whole text
//! finds. A branch without literals searches every text, on a lazy automaton that is kept.

use std::ops::Range;

use regex_automata::hybrid::dfa::DFA;
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{Compiler, Config, NFA, State, WhichCaptures};
use regex_automata::{Input, meta};
use regex_syntax::hir::{Hir, Look};

use super::backtracker::{Backtracker, Exceeded};
use super::gate::Sighting;
use super::literal::Required;

/// Largest compiled branch, bytes of memory.
const COMPILED_BYTES: usize = 512 << 10;
/// Cache of a lazy automaton, bytes.
const CACHE_BYTES: usize = 1 << 20;

/// A compiled alternative.
#[derive(Debug)]
pub(super) struct Branch {
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Places(Places),
    Everywhere(meta::Regex),
}

/// A matcher that tries places.
#[derive(Debug)]
struct Places {
    nfa: NFA,
    gated: bool,
    /// Bytes that a match can begin with.
    first: Bytes,
    /// Most bytes of a match.
    longest: Option<usize>,
    starts: Starts,
}

/// Where matches begin.
#[derive(Clone, Copy, Debug)]
enum Starts {
    /// At the beginning of the text only, so many bytes before a literal if it is gated.
    Beginning(usize, Option<usize>),
    /// So many bytes, fewest and most, before a literal.
    Before(usize, Option<usize>),
}

/// A set of bytes.
#[derive(Clone, Copy, Debug)]
struct Bytes([u64; 4]);

/// Work that the searches of one evaluation may do, in steps of the backtracker, each some nanoseconds. It is
/// ten times what a megabyte of mail takes.
const WORK: u64 = 10_000_000;
/// Steps that a byte costs where a lazy automaton gives up.
const SLOW: u64 = 24;

/// Memory that the searches of one evaluation share, and the work that they have done.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    backtracker: Backtracker,
    /// Steps of the other matchers.
    others: u64,
    exhausted: bool,
}

impl Scratch {
    /// Whether the work that one evaluation may do was not enough: from then on nothing was found.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Takes that much work; `false` when there is none left.
    fn take(&mut self, steps: u64) -> bool {
        self.others += steps;
        self.exhausted |= self.others + self.backtracker.steps() > WORK;
        !self.exhausted
    }
}

/// A branch takes more memory than it may.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooLarge;

impl Branch {
    /// Compiles a branch of which every match holds one of these literals, if any.
    ///
    /// # Errors
    /// The branch is too large.
    pub(super) fn new(hir: &Hir, required: Option<&Required>) -> Result<Branch, TooLarge> {
        let beginning = hir.properties().look_set_prefix().contains(Look::Start);
        let starts = match required {
            Some(Required { before, .. }) if beginning => Starts::Beginning(before.0, before.1),
            Some(Required { before, .. }) => Starts::Before(before.0, before.1),
            None if beginning => Starts::Beginning(0, None),
            None => {
                let matcher = Matcher::Everywhere(everywhere(hir)?);
                return Ok(Branch { matcher });
            }
        };
        let config = Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::Implicit)
            .nfa_size_limit(Some(COMPILED_BYTES));
        let nfa = Compiler::new()
            .configure(config)
            .build_from_hir(hir)
            .map_err(|_| TooLarge)?;
        let places = Places {
            first: Bytes::first(&nfa),
            longest: hir.properties().maximum_len(),
            nfa,
            gated: required.is_some(),
            starts,
        };
        let matcher = Matcher::Places(places);
        Ok(Branch { matcher })
    }

    /// Whether it searches all of every text.
    pub(super) fn runs_always(&self) -> bool {
        matches!(self.matcher, Matcher::Everywhere(_))
    }

    /// Whether every match holds a literal that a gate can see.
    pub(super) fn is_gated(&self) -> bool {
        matches!(&self.matcher, Matcher::Places(places) if places.gated)
    }

    /// The leftmost match that begins at `from` or later. `seen` are the places of its literals in their order;
    /// without them all of the text is searched, which gives the same.
    pub(super) fn find(
        &self,
        text: &[u8],
        from: usize,
        seen: Option<&[Sighting]>,
        scratch: &mut Scratch,
    ) -> Option<Range<usize>> {
        if !scratch.take(1) {
            return None;
        }
        let places = match &self.matcher {
            Matcher::Places(places) => places,
            Matcher::Everywhere(regex) => {
                let from = from.min(text.len());
                let found = regex.search(&Input::new(text).range(from..));
                let end = found.map_or(text.len(), |m| m.end());
                return scratch
                    .take((end - from) as u64 / 2)
                    .then(|| found.map(|m| m.range()))?;
            }
        };
        let found = places.find(text, from, seen, &mut scratch.backtracker);
        found.unwrap_or_else(|Exceeded| places.find_long(text, from, scratch))
    }
}

fn everywhere(hir: &Hir) -> Result<meta::Regex, TooLarge> {
    // Only where a match lies is ever asked, so no groups are compiled.
    let config = meta::Config::new()
        .utf8_empty(false)
        .which_captures(WhichCaptures::Implicit)
        .onepass(false)
        .dfa(false)
        .backtrack(false)
        .nfa_size_limit(Some(COMPILED_BYTES))
        .hybrid_cache_capacity(CACHE_BYTES);
    let regex = meta::Regex::builder().configure(config).build_from_hir(hir);
    regex.map_err(|_| TooLarge)
}

impl Places {
    fn find(
        &self,
        text: &[u8],
        from: usize,
        seen: Option<&[Sighting]>,
        backtracker: &mut Backtracker,
    ) -> Result<Option<Range<usize>>, Exceeded> {
        backtracker.forget();
        let mut attempt = |starts: Range<usize>| {
            for start in starts {
                let begins = text.get(start).is_none_or(|byte| self.first.contain(*byte));
                if begins && let Some(end) = backtracker.attempt(&self.nfa, text, start)? {
                    return Ok(Some(start..end));
                }
            }
            Ok(None)
        };
        let everywhere = from..text.len() + 1;
        let (fewest, most, seen) = match (self.starts, seen) {
            (_, Some([])) if self.gated => return Ok(None),
            (Starts::Before(..), Some([.., last])) if last.at == Sighting::MORE => {
                return Err(Exceeded);
            }
            (Starts::Beginning(fewest, most), Some(seen)) if self.gated => {
                let in_reach = |seen: &Sighting| {
                    let at = seen.at as usize;
                    fewest <= at && most.is_none_or(|most| at <= most) || seen.at == Sighting::MORE
                };
                return match seen.iter().any(in_reach) {
                    true => attempt(from..1),
                    false => Ok(None),
                };
            }
            (Starts::Beginning(..), _) => return attempt(from..1),
            (Starts::Before(..), None) => return attempt(everywhere),
            (Starts::Before(fewest, most), Some(seen)) => (fewest, most, seen),
        };
        // Sightings are in order and so are the starts before them; those that were tried are not tried again.
        let mut next = from;
        for sighting in seen {
            let at = sighting.at as usize;
            let Some(last) = at.checked_sub(fewest) else {
                continue;
            };
            let first = most.map_or(0, |most| at.saturating_sub(most));
            let found = attempt(next.max(first)..last + 1)?;
            if found.is_some() {
                return Ok(found);
            }
            next = next.max(last + 1);
        }
        Ok(None)
    }

    /// The same by a lazy automaton that is thrown away afterwards, for attempts that go too far.
    fn find_long(&self, text: &[u8], from: usize, scratch: &mut Scratch) -> Option<Range<usize>> {
        let mut input = Input::new(text).range(from.min(text.len())..);
        let config = DFA::config()
            .cache_capacity(CACHE_BYTES)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(1))
            .minimum_bytes_per_state(Some(20));
        let dfa = DFA::builder()
            .configure(config)
            .build_from_nfa(self.nfa.clone());
        // It may be refused or stop at a boundary between characters beyond ASCII, and gives up where it has to
        // be made anew again and again.
        let found = dfa
            .ok()
            .map(|dfa| dfa.try_search_fwd(&mut dfa.create_cache(), &input));
        if let Some(Ok(found)) = found {
            let end = found.map_or(text.len(), |f| f.offset());
            if !scratch.take(end.saturating_sub(from) as u64) {
                return None;
            }
            // The leftmost match ends there, so it begins no earlier than this.
            let end = found?.offset();
            let start = self
                .longest
                .map_or(0, |longest| end.saturating_sub(longest));
            input = input.range(start.max(from)..end);
        }
        if !scratch.take(input.get_span().len() as u64 * SLOW) {
            return None;
        }
        let matcher = PikeVM::new_from_nfa(self.nfa.clone()).ok()?;
        let found = matcher.find_iter(&mut matcher.create_cache(), input).next();
        found.map(|m| m.range())
    }
}

impl Bytes {
    /// The bytes that a match can begin with; all of them when it can be empty.
    fn first(nfa: &NFA) -> Bytes {
        let mut bytes = Bytes([0; 4]);
        let mut seen = vec![false; nfa.states().len()];
        let mut open = vec![nfa.start_anchored()];
        while let Some(state) = open.pop() {
            match seen.get_mut(state.as_usize()) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            match nfa.state(state) {
                State::ByteRange { trans } => bytes.insert(trans.start..=trans.end),
                State::Sparse(sparse) => {
                    let ranges = sparse.transitions.iter().map(|t| t.start..=t.end);
                    ranges.for_each(|r| bytes.insert(r));
                }
                State::Dense(dense) => (0..=255)
                    .filter(|byte| dense.matches_byte(*byte).is_some())
                    .for_each(|byte| bytes.insert(byte..=byte)),
                State::Look { next, .. } | State::Capture { next, .. } => open.push(*next),
                State::Union { alternates } => open.extend(alternates.iter()),
                State::BinaryUnion { alt1, alt2 } => open.extend([*alt1, *alt2]),
                State::Fail => {}
                State::Match { .. } => return Bytes([u64::MAX; 4]),
            }
        }
        bytes
    }

    fn insert(&mut self, range: std::ops::RangeInclusive<u8>) {
        for byte in range {
            if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
                *word |= 1 << (byte & 63);
            }
        }
    }

    fn contain(&self, byte: u8) -> bool {
        let word = self.0.get(usize::from(byte >> 6)).copied().unwrap_or(0);
        word >> (byte & 63) & 1 == 1
    }
}
