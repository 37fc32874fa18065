//! What the first bytes of a match can be: where the backtracker need not try.

use super::machine::{BOUNDARY_BITS, Bytes, Program, is_word};
use super::needles::Needles;

/// Most bytes at the beginning of a match about which something is said.
const BYTES: usize = 8;

/// A set of bytes for each of the first bytes of a match, as far as every match reaches.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    sets: Box<[Bytes]>,
    /// At the beginning of a text a match may begin whatever the bytes.
    at_beginning: bool,
    /// Every match begins at an ASCII word boundary.
    at_boundary: bool,
    /// Every match begins where a line does.
    at_line: bool,
    /// Of the sets with few bytes the one whose bytes are rarest: which, and the bytes.
    rarest: Option<(usize, Needles)>,
}

impl Lead {
    /// Reads it off an automaton; `at_line`: its matches begin where lines do.
    pub(super) fn of(program: &Program, at_line: bool) -> Lead {
        let (mut at_beginning, mut at_boundary) = (false, true);
        let mut sets: Vec<Bytes> = Vec::with_capacity(BYTES);
        let mut states = vec![program.machine.nfa().start_anchored()];
        while sets.len() < BYTES {
            let mut set = Bytes::default();
            let mut next = Vec::new();
            for state in states {
                let Some(onward) = program.onward(state, sets.is_empty()) else {
                    next.clear();
                    break;
                };
                if sets.is_empty() {
                    at_beginning = onward.at_beginning;
                    at_boundary = onward.ways.iter().all(|way| way.boundary);
                }
                for way in onward.ways {
                    set.insert(way.first..=way.last);
                    next.push(way.next);
                }
            }
            if next.is_empty() {
                break;
            }
            next.sort_unstable();
            next.dedup();
            states = next;
            sets.push(set);
        }
        let needles = (0..).zip(&sets);
        let needles = needles.filter_map(|(i, set)| Some((i, set.share(), Needles::of(set)?)));
        let rarest = needles.min_by(|(_, a, _), (_, b, _)| a.total_cmp(b));
        Lead {
            at_beginning,
            at_boundary: at_boundary && !sets.is_empty(),
            at_line,
            rarest: rarest.map(|(i, _, needles)| (i, needles)),
            sets: sets.into(),
        }
    }

    /// How seldom a match can begin at a place of a text, in bits.
    pub(super) fn rarity(&self) -> f64 {
        let bits: f64 = self.sets.iter().map(|set| -set.share().log2()).sum();
        bits + if self.at_boundary { BOUNDARY_BITS } else { 0.0 }
    }

    /// The first place in `from..to` of a text where a match can begin.
    pub(super) fn next(&self, text: &[u8], from: usize, to: usize) -> Option<usize> {
        let mut at = from;
        while at < to {
            if !self.may_begin(text, at) {
                let within = text.get(at..to.min(text.len()))?;
                at += 1 + memchr::memchr(b'\n', within)?;
                continue;
            }
            if let Some((offset, needles)) = self.rarest.filter(|_| at > 0 || !self.at_beginning) {
                let within = text.get(at + offset..text.len().min(to + offset));
                at += needles.find(within?)?;
            }
            if self.fits(text, at) {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// Whether a line begins there, where one has to.
    fn may_begin(&self, text: &[u8], at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        !self.at_line || before.is_none_or(|b| *b == b'\n')
    }

    /// Whether a match can begin at this place of a text.
    #[inline]
    pub(super) fn fits(&self, text: &[u8], at: usize) -> bool {
        if !self.may_begin(text, at) {
            return false;
        }
        if at == 0 && self.at_beginning {
            return true;
        }
        let Some(ahead) = text.get(at..at + self.sets.len()) else {
            return false;
        };
        let mut both = self.sets.iter().zip(ahead);
        both.all(|(set, byte)| set.contain(*byte)) && (!self.at_boundary || is_boundary(text, at))
    }
}

fn is_boundary(text: &[u8], at: usize) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    let before = at.checked_sub(1).and_then(|at| text.get(at));
    is_word(before) != is_word(text.get(at))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use regex_syntax::hir::Look;

    use super::super::machine::Machine;
    use super::*;

    fn lead(pattern: &str) -> Lead {
        let hir = regex_syntax::ParserBuilder::new().utf8(false).build();
        let hir = { hir }.parse(pattern).unwrap();
        Lead::of(
            &Program::new(Machine::new(&hir, 1 << 20).unwrap(), Arc::from([])),
            hir.properties().look_set_prefix().contains(Look::StartLF),
        )
    }

    proptest! {
        /// Break it by leaving the offset of the rarest set out, or by going on from the byte before the next line.
        #[test]
        fn the_next_place_is_the_first_that_fits(
            pattern in prop::sample::select(vec![
                "[a-z]x", "(?i)ab", "(?-u:\\b)[ab][bx]", "^|ab", "(?m)^x", "[a-z]+", "a|bx", "",
            ]),
            text in "[abxAX \n]{0,20}",
            from in 0..21_usize,
            to in 0..22_usize,
        ) {
            let (lead, text) = (lead(pattern), text.as_bytes());
            let to = to.min(text.len() + 1);
            let first = (from..to).find(|at| lead.fits(text, *at));
            prop_assert_eq!(lead.next(text, from, to), first);
        }
    }
}
