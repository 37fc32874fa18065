//! One branch of a pattern: an alternative that stands for itself, with its own literals and its own
//! automaton, small enough to be run only where a literal was seen.
//!
//! A branch whose literals are known is matched within windows around them: as far before and after as a
//! match can reach. That is exact, because every match holds one of the literals. Where a window is small
//! the matcher backtracks within bounds (states times bytes); where it is large a lazy automaton runs over
//! it. Both are linear in the window, windows that meet are made one, and nothing is kept between messages.
//! A branch without literals runs over every text, on an automaton that is kept.

use std::ops::Range;

use regex_automata::hybrid::dfa::DFA;
use regex_automata::meta;
use regex_automata::nfa::thompson::backtrack::{self, BoundedBacktracker};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::Hir;

use super::gate::Sighting;
use super::literal::{Required, required};

/// Largest compiled branch, bytes of memory.
const COMPILED_BYTES: usize = 512 << 10;
/// Largest window for the backtracker, in states times bytes.
const BACKTRACKED: usize = 1 << 20;
/// Cache of a lazy automaton, bytes.
const CACHE_BYTES: usize = 1 << 20;
/// Up to this many literals are looked at one by one; more are taken together.
const SINGLY: usize = 16;

/// A compiled alternative.
#[derive(Debug)]
pub(super) struct Branch {
    matcher: Matcher,
    /// Most bytes of a match.
    longest: Option<usize>,
    near: Option<Near>,
}

/// Where a match lies about one of its literals.
#[derive(Clone, Copy, Debug)]
struct Near {
    before: (usize, Option<usize>),
    rest: Option<usize>,
}

#[derive(Debug)]
enum Matcher {
    Windows(Box<BoundedBacktracker>),
    Everywhere(meta::Regex),
}

/// Memory that searches of one evaluation share.
#[derive(Default)]
pub(super) struct Scratch {
    backtrack: Option<backtrack::Cache>,
}

impl Branch {
    /// Compiles a branch; gives it with the literals that every match holds.
    ///
    /// # Errors
    /// The branch is too large.
    pub(super) fn new(hir: &Hir) -> Result<(Branch, Option<Vec<Vec<u8>>>), TooLarge> {
        let longest = hir.properties().maximum_len();
        let Some(Required {
            literals,
            before,
            rest,
        }) = required(hir)
        else {
            // Only where a match lies is ever asked, so no groups are compiled.
            let config = meta::Config::new()
                .utf8_empty(false)
                .which_captures(WhichCaptures::Implicit)
                .onepass(false)
                .dfa(false)
                .backtrack(false)
                .nfa_size_limit(Some(COMPILED_BYTES))
                .hybrid_cache_capacity(CACHE_BYTES);
            let regex = meta::Regex::builder()
                .configure(config)
                .build_from_hir(hir)
                .map_err(|_| TooLarge)?;
            let branch = Branch {
                matcher: Matcher::Everywhere(regex),
                longest,
                near: None,
            };
            return Ok((branch, None));
        };
        let config = Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::Implicit)
            .nfa_size_limit(Some(COMPILED_BYTES));
        let nfa = Compiler::new()
            .configure(config)
            .build_from_hir(hir)
            .map_err(|_| TooLarge)?;
        let matcher = BoundedBacktracker::builder()
            .configure(BoundedBacktracker::config().visited_capacity(BACKTRACKED / 8))
            .build_from_nfa(nfa)
            .map_err(|_| TooLarge)?;
        let branch = Branch {
            matcher: Matcher::Windows(Box::new(matcher)),
            longest,
            near: Some(Near { before, rest }),
        };
        Ok((branch, Some(literals)))
    }

    /// Whether it runs over every text.
    pub(super) fn runs_always(&self) -> bool {
        self.near.is_none()
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
        let everything = Input::new(text).range(from.min(text.len())..);
        let matcher = match &self.matcher {
            Matcher::Everywhere(regex) => return regex.search(&everything).map(|m| m.range()),
            Matcher::Windows(matcher) => matcher,
        };
        let (Some(near), Some(seen)) = (&self.near, seen) else {
            return self.search(matcher, everything, scratch);
        };
        let window = |at: u32| {
            let at = at as usize;
            let start = near.before.1.map_or(0, |most| at.saturating_sub(most));
            let end = near.rest.map_or(text.len(), |rest| at.saturating_add(rest));
            (start.max(from), end.min(text.len()))
        };
        if near.before.1 == Some(near.before.0) && seen.len() <= SINGLY {
            let starts = seen.iter().filter_map(|seen| {
                let start = (seen.at as usize).checked_sub(near.before.0)?;
                let (_, end) = window(seen.at);
                (from <= start && start <= end).then_some(start..end)
            });
            for span in starts {
                let input = Input::new(text).span(span).anchored(Anchored::Yes);
                let found = self.search(matcher, input, scratch);
                if found.is_some() {
                    return found;
                }
            }
            return None;
        }
        let mut windows = seen.iter().map(|seen| window(seen.at)).peekable();
        while let Some((start, mut end)) = windows.next() {
            while let Some((_, further)) = windows.next_if(|(next, _)| *next <= end) {
                end = end.max(further);
            }
            if start > end {
                continue;
            }
            let found = self.search(matcher, Input::new(text).span(start..end), scratch);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn search(
        &self,
        matcher: &BoundedBacktracker,
        input: Input<'_>,
        scratch: &mut Scratch,
    ) -> Option<Range<usize>> {
        let cache = scratch
            .backtrack
            .get_or_insert_with(|| matcher.create_cache());
        cache.reset(matcher);
        let mut slots = [None, None];
        match matcher.try_search_slots(cache, &input, &mut slots) {
            Ok(found) => found.and_then(|_| range(&slots)),
            Err(_) => self.search_long(matcher, input, scratch),
        }
    }

    /// A window that is too long to be backtracked.
    fn search_long(
        &self,
        matcher: &BoundedBacktracker,
        input: Input<'_>,
        scratch: &mut Scratch,
    ) -> Option<Range<usize>> {
        let config = DFA::config()
            .cache_capacity(CACHE_BYTES)
            .skip_cache_capacity_check(true);
        let dfa = DFA::builder()
            .configure(config)
            .build_from_nfa(matcher.get_nfa().clone());
        let mut rest = input;
        if let Ok(dfa) = dfa {
            match dfa.try_search_fwd(&mut dfa.create_cache(), &rest) {
                Ok(None) => return None,
                Ok(Some(end)) => {
                    rest.set_end(end.offset());
                    // The leftmost match ends there, so it begins no earlier than this.
                    if let Some(longest) = self.longest {
                        let start = end.offset().saturating_sub(longest);
                        rest.set_start(rest.start().max(start));
                        let cache = scratch
                            .backtrack
                            .get_or_insert_with(|| matcher.create_cache());
                        cache.reset(matcher);
                        let mut slots = [None, None];
                        if let Ok(found) = matcher.try_search_slots(cache, &rest, &mut slots) {
                            return found.and_then(|_| range(&slots));
                        }
                    }
                }
                // A boundary between characters beyond ASCII: the slow way remains.
                Err(_) => {}
            }
        }
        let slow = PikeVM::new_from_nfa(matcher.get_nfa().clone()).ok()?;
        let mut slots = [None, None];
        slow.search_slots(&mut slow.create_cache(), &rest, &mut slots)?;
        range(&slots)
    }
}

fn range(slots: &[Option<NonMaxUsize>; 2]) -> Option<Range<usize>> {
    let [start, end] = slots;
    Some((*start)?.get()..(*end)?.get())
}

/// A branch takes more memory than it may.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooLarge;
