//! One branch of a pattern: an alternative that stands for itself, with its own literals and its own
//! automaton, tried only where a literal of it was seen.
//!
//! Every match holds one of the literals, and it is known how far before the literal a match can begin. So
//! only those places are tried, from left to right, which finds exactly what a search of the whole text
//! finds. A branch without literals searches every text, on a lazy automaton that is kept.

use std::ops::Range;
use std::sync::Arc;

use regex_automata::hybrid::dfa::DFA;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::{Anchored, Input, meta};
use regex_syntax::hir::{Hir, HirKind, Look};

use super::backtracker::{Backtracker, Exceeded};
use super::extension::{self, Extension};
use super::gate::{Sighting, Sought};
use super::lead::Lead;
use super::literal::Required;
use super::machine::{self, Bytes, Machine, Program};

/// Cache of a lazy automaton, bytes.
const CACHE_BYTES: usize = 1 << 20;
/// The same where it stands before a large branch.
const WEAKER_CACHE_BYTES: usize = 8 << 20;

/// Bits of rarity from which on trying the places that fit the first bytes takes less time than an automaton over
/// all of the text.
const SELDOM: f64 = 5.0;
/// Bits from which on literals are rare enough, whatever is said of first bytes.
const RARE_LITERAL: f64 = 12.0;
/// Bytes from which the rarity of a start is estimated.
const START_BYTES: usize = 8;
/// How often a text may be read for nothing to see whether attempts can reach their end.
const AHEAD: usize = 4;
/// Bytes of any kind, line ends included, from which on a run of so many is long.
const LONG_RUN: u32 = 256;
/// Bits by which first bytes must be rarer than literals to be looked for in their place.
const LITERAL_GAIN: f64 = 2.0;

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
    program: Program,
    /// Whether no other matcher can run it.
    extended: bool,
    /// The branch as a regular expression, where its automaton has marks that another matcher does not know.
    regular: Option<Box<Hir>>,
    /// Matches wherever the branch does, for branches that no gate shows, or that are large.
    weaker: Option<meta::Regex>,
    /// Matches at the beginning of every match, where one may reach over many lines.
    ahead: Option<meta::Regex>,
    gated: bool,
    lead: Lead,
    /// Whether few places of a text fit the lead.
    seldom: bool,
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

/// Work that the searches of one evaluation may do, in steps of the backtracker, each some nanoseconds. It is
/// ten times what a megabyte of mail takes.
const WORK: u64 = 10_000_000;
/// Most steps on one text of a pattern that no other matcher can take over.
const PATIENCE: u64 = 1_000_000;
/// Steps that a byte costs where a lazy automaton gives up, at least, and states that cost one.
const SLOW: u64 = 24;
const STATES_A_STEP: u64 = 16;

/// Memory that the searches of one evaluation share, and the work that they have done.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    backtracker: Backtracker,
    /// Steps of the other matchers.
    others: u64,
    exhausted: bool,
    given_up: u64,
}

impl Scratch {
    /// Whether the work that one evaluation may do was not enough: from then on nothing was found.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// On how many texts a pattern was given up for its own bound: they count as no match.
    pub(super) fn given_up(&self) -> u64 {
        self.given_up
    }

    fn left(&self) -> u64 {
        WORK.saturating_sub(self.others + self.backtracker.steps())
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
    /// Compiles a branch of which every match holds one of these literals, if any; `extensions` are those of its
    /// marks, `limit` the most bytes of memory. With it comes what a gate has to look for, unless it has to run on
    /// every text.
    ///
    /// # Errors
    /// The branch is too large.
    pub(super) fn new(
        hir: &Hir,
        required: Option<Required>,
        extensions: &Arc<[Extension]>,
        limit: usize,
    ) -> Result<(Branch, Option<Sought>), TooLarge> {
        let beginning = hir.properties().look_set_prefix().contains(Look::Start);
        let machine = Machine::new(hir, limit).ok_or(TooLarge)?;
        let program = Program::new(machine, extensions.clone());
        let at_line = hir.properties().look_set_prefix().contains(Look::StartLF);
        let lead = Lead::of(&program, at_line);
        let by_lead = lead.rarity();
        // Literals are looked for in less time.
        let required = required.filter(|r| {
            beginning || r.worth() >= RARE_LITERAL || r.worth() + LITERAL_GAIN >= by_lead
        });
        // What another automaton can run is left to it where the sets of the first bytes say little.
        let begins_seldom = || {
            by_lead >= SELDOM
                || (program.is_extended() || program.machine.is_large())
                    && program.rarity(START_BYTES) >= SELDOM
        };
        let (starts, sought) = match required {
            Some(Required { before, literals }) => {
                let starts = match beginning {
                    true => Starts::Beginning(before.0, before.1),
                    false => Starts::Before(before.0, before.1),
                };
                (starts, Some(Sought::Literals(literals)))
            }
            None if beginning => (Starts::Beginning(0, None), None),
            None if begins_seldom() => (
                Starts::Before(0, Some(0)),
                Some(Sought::Start(program.clone())),
            ),
            // What looks around runs on no other automaton, and a large one is made anew all the time.
            None if program.is_extended() || program.machine.is_large() => {
                (Starts::Before(0, Some(0)), None)
            }
            None => {
                let matcher = Matcher::Everywhere(everywhere(hir, limit, CACHE_BYTES)?);
                return Ok((Branch { matcher }, None));
            }
        };
        let seldom = by_lead >= SELDOM;
        // Its attempts are many, or go far before they fail.
        let unsure = !beginning && !matches!(sought, Some(Sought::Literals(_)));
        let weaker = (unsure && (!seldom || program.machine.is_large()))
            .then(|| extension::loosened(hir))
            // Where it matches the empty text it shows nothing.
            .filter(|weaker| weaker.properties().minimum_len() > Some(0));
        let places = Places {
            weaker: weaker
                .map(|weaker| everywhere(&weaker, limit, WEAKER_CACHE_BYTES))
                .transpose()?,
            seldom,
            lead,
            longest: hir.properties().maximum_len(),
            ahead: long_runs(hir)
                .then(|| everywhere(&extension::loosened(hir), limit, CACHE_BYTES))
                .transpose()?,
            extended: program.is_extended(),
            regular: (program.is_marked() && !program.is_extended()).then(|| Box::new(hir.clone())),
            program,
            gated: sought.is_some(),
            starts,
        };
        let matcher = Matcher::Places(places);
        Ok((Branch { matcher }, sought))
    }

    /// Whether it searches all of every text.
    pub(super) fn runs_always(&self) -> bool {
        match &self.matcher {
            Matcher::Places(places) => !places.gated && matches!(places.starts, Starts::Before(..)),
            Matcher::Everywhere(_) => true,
        }
    }

    /// The work that it takes to find it, roughly, in that of one that a literal shows.
    pub(super) fn effort(&self) -> u32 {
        match &self.matcher {
            Matcher::Places(Places {
                gated: true,
                weaker: None,
                ..
            }) => 1,
            Matcher::Places(Places { gated: true, .. }) => 4,
            _ => 16,
        }
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
        let extended = places.extended;
        let left = scratch.left();
        let steps = if extended { left.min(PATIENCE) } else { left };
        scratch.backtracker.forget(steps, false);
        let found = places.find(text, from, seen, &mut scratch.backtracker);
        match found {
            Ok(found) => found,
            Err(Exceeded) if extended => {
                let left = scratch.left();
                scratch.backtracker.forget(left.min(PATIENCE), true);
                let found = places.find(text, from, None, &mut scratch.backtracker);
                found.unwrap_or_else(|Exceeded| {
                    scratch.given_up += 1;
                    None
                })
            }
            Err(Exceeded) => places.find_long(text, from, scratch),
        }
    }
}

fn everywhere(hir: &Hir, limit: usize, cache: usize) -> Result<meta::Regex, TooLarge> {
    // Only where a match lies is ever asked, so no groups are compiled.
    let config = meta::Config::new()
        .utf8_empty(false)
        .which_captures(WhichCaptures::Implicit)
        .onepass(false)
        .dfa(false)
        .backtrack(false)
        .nfa_size_limit(Some(limit))
        .hybrid_cache_capacity(cache);
    let regex = meta::Regex::builder().configure(config).build_from_hir(hir);
    regex.map_err(|_| TooLarge)
}

/// Whether a match may go on over many lines, whatever stands in them.
fn long_runs(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(long_runs),
        HirKind::Capture(capture) => long_runs(&capture.sub),
        HirKind::Repetition(repetition) => {
            let any = Bytes::of(&repetition.sub)
                .is_some_and(|bytes| bytes.contain(b'\n') && bytes.share() > 0.5);
            any && repetition.max.is_none_or(|most| most > LONG_RUN) || long_runs(&repetition.sub)
        }
        _ => false,
    }
}

impl Places {
    fn find(
        &self,
        text: &[u8],
        from: usize,
        seen: Option<&[Sighting]>,
        backtracker: &mut Backtracker,
    ) -> Result<Option<Range<usize>>, Exceeded> {
        let seen = seen.filter(|_| self.gated);
        let more =
            seen.is_some_and(|seen| seen.last().is_some_and(|last| last.at == Sighting::MORE));
        if let Some(weaker) = self.weaker.as_ref().filter(|_| seen.is_none() || more) {
            let mut from = from;
            while let Some(found) = weaker.search(&Input::new(text).range(from.min(text.len())..)) {
                let start = found.start();
                if self.lead.fits(text, start)
                    && let Some(end) = backtracker.attempt(&self.program, text, start)?
                {
                    return Ok(Some(start..end));
                }
                if start >= text.len() {
                    break;
                }
                from = start + 1;
            }
            return Ok(None);
        }
        // Bytes that may be read for nothing, so that all attempts together stay linear.
        let mut spare = AHEAD * text.len();
        let mut attempt = |starts: Range<usize>| {
            let mut next = starts.start;
            while let Some(start) = self.lead.next(text, next, starts.end) {
                if self.may_match(text, start)
                    && self.may_reach(text, start, &mut spare)
                    && let Some(end) = backtracker.attempt(&self.program, text, start)?
                {
                    return Ok(Some(start..end));
                }
                next = start + 1;
            }
            Ok(None)
        };
        let everywhere = from..text.len() + 1;
        let (fewest, most, seen) = match (self.starts, seen) {
            (_, Some([])) => return Ok(None),
            (Starts::Before(..), Some(_)) if more && !self.seldom => return Err(Exceeded),
            (Starts::Beginning(fewest, most), Some(seen)) => {
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
            if sighting.at == Sighting::MORE {
                return attempt(next..text.len() + 1);
            }
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

    /// Whether the weaker automaton, if there is one, matches there.
    fn may_match(&self, text: &[u8], start: usize) -> bool {
        self.weaker.as_ref().is_none_or(|weaker| {
            let there = Input::new(text).range(start.min(text.len())..);
            let there = there.anchored(Anchored::Yes).earliest(true);
            weaker.search_half(&there).is_some()
        })
    }

    /// Whether the text goes on like a match from there; `true` when nobody knows.
    fn may_reach(&self, text: &[u8], start: usize, spare: &mut usize) -> bool {
        let (Some(ahead), true) = (&self.ahead, *spare > 0) else {
            return true;
        };
        let there = Input::new(text).range(start.min(text.len())..);
        let found = ahead.search_half(&there.anchored(Anchored::Yes).earliest(true));
        if found.is_none() {
            *spare = spare.saturating_sub(text.len() - start.min(text.len()));
        }
        found.is_some()
    }

    /// The same by a lazy automaton that is thrown away afterwards, for attempts that go too far.
    fn find_long(&self, text: &[u8], from: usize, scratch: &mut Scratch) -> Option<Range<usize>> {
        let mut input = Input::new(text).range(from.min(text.len())..);
        let nfa = match &self.regular {
            Some(hir) => machine::regular(hir, None)?,
            None => self.program.machine.nfa().clone(),
        };
        let config = DFA::config()
            .cache_capacity(CACHE_BYTES)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(1))
            .minimum_bytes_per_state(Some(20));
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa.clone());
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
        let each = SLOW.max(nfa.states().len() as u64 / STATES_A_STEP);
        if !scratch.take(input.get_span().len() as u64 * each) {
            return None;
        }
        let matcher = PikeVM::new_from_nfa(nfa).ok()?;
        let found = matcher.find_iter(&mut matcher.create_cache(), input).next();
        found.map(|m| m.range())
    }
}
