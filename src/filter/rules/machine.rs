//! An automaton whose marks stand for extensions, as the backtracker runs it, and the ways through it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use regex_automata::nfa::thompson::{Compiler, Config, NFA, State, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::extension::{self, Extension};
use super::follow::Follow;
use super::rarity;

/// What a word boundary adds to the rarity of a place, in bits.
pub(super) const BOUNDARY_BITS: f64 = 1.0;
/// Memory from which on an automaton counts as large, bytes.
const LARGE: usize = 512 << 10;

/// One automaton.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    nfa: NFA,
    /// By number of the group: the extension that it marks.
    marks: Box<[Option<u32>]>,
}

/// The automaton of a regular expression, whatever it has of marks; `None` when it takes more than `limit` bytes.
pub(super) fn regular(hir: &Hir, limit: Option<usize>) -> Option<NFA> {
    compiled(hir, WhichCaptures::Implicit, limit)
}

fn compiled(hir: &Hir, captures: WhichCaptures, limit: Option<usize>) -> Option<NFA> {
    let config = Config::new()
        .utf8(false)
        .which_captures(captures)
        .nfa_size_limit(limit);
    Compiler::new().configure(config).build_from_hir(hir).ok()
}

/// The automaton of a branch with the extensions that its marks, and those of its parts, refer to.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) machine: Machine,
    pub(super) extensions: Arc<[Extension]>,
    /// What stands behind runs, by the state there.
    follows: Box<[(StateID, Follow)]>,
}

impl Machine {
    /// Compiles an expression; `None` when that takes more than `limit` bytes.
    pub(super) fn new(hir: &Hir, limit: usize) -> Option<Machine> {
        // The whole match is the first group.
        let mut marks = vec![None];
        let nfa = match hir.properties().explicit_captures_len() {
            0 => regular(hir, Some(limit))?,
            _ => {
                let bare = extension::with_bare_marks(hir, &mut marks);
                compiled(&bare, WhichCaptures::All, Some(limit))?
            }
        };
        Some(Machine {
            marks: marks.into(),
            nfa,
        })
    }

    pub(super) fn nfa(&self) -> &NFA {
        &self.nfa
    }

    /// Whether an automaton that is made as it runs would be made anew all the time.
    pub(super) fn is_large(&self) -> bool {
        self.nfa.memory_usage() > LARGE
    }

    /// The state behind what stands for the bytes of a mark.
    pub(super) fn behind(&self, state: StateID) -> StateID {
        match self.nfa.state(state) {
            State::ByteRange { trans } => trans.next,
            _ => state,
        }
    }

    /// The extension that a slot marks. Each group has two slots; the first counts.
    pub(super) fn mark(&self, slot: usize) -> Option<u32> {
        match slot % 2 {
            0 => self.marks.get(slot / 2).copied().flatten(),
            _ => None,
        }
    }
}

impl Program {
    /// An automaton with the extensions that its marks refer to.
    pub(super) fn new(machine: Machine, extensions: Arc<[Extension]>) -> Program {
        let mut program = Program {
            machine,
            extensions,
            follows: Box::default(),
        };
        let states = program.machine.nfa.states().iter();
        let behind = states.filter_map(|state| match state {
            State::Capture { next, slot, .. } => {
                let mark = program.machine.mark(slot.as_usize())?;
                let extension = program.extensions.get(mark as usize)?;
                let is_run = matches!(extension, Extension::Run(_));
                is_run.then(|| program.machine.behind(*next))
            }
            _ => None,
        });
        let follows = behind.filter_map(|state| Some((state, program.follow_of(state)?)));
        let mut follows: Vec<(StateID, Follow)> = follows.collect();
        follows.sort_unstable_by_key(|(state, _)| *state);
        program.follows = follows.into();
        program
    }

    fn follow_of(&self, state: StateID) -> Option<Follow> {
        let onward = self.onward(state, false).filter(|o| !o.at_beginning)?;
        let mut first = Bytes::default();
        for way in onward.ways {
            first.insert(way.first..=way.last);
        }
        let at_line = matches!(
            self.machine.nfa.state(state),
            State::Look {
                look: Look::StartLF,
                ..
            }
        );
        Some(Follow::new(first, at_line))
    }

    /// What stands behind a run, in whose state the automaton is then; `None` where that may be anything.
    pub(super) fn follow(&self, state: StateID) -> Option<&Follow> {
        let found = self.follows.binary_search_by_key(&state, |(s, _)| *s);
        Some(&self.follows.get(found.ok()?)?.1)
    }

    /// Whether it holds what is not regular, so that no other matcher can run it.
    pub(super) fn is_extended(&self) -> bool {
        self.extensions().any(|e| !matches!(e, Extension::Run(_)))
    }

    /// Whether it has any mark.
    pub(super) fn is_marked(&self) -> bool {
        self.extensions().next().is_some()
    }

    fn extensions(&self) -> impl Iterator<Item = &Extension> {
        let marks = self.machine.marks.iter().flatten();
        marks.filter_map(|mark| self.extensions.get(*mark as usize))
    }

    /// How seldom the text goes on like a match for so many bytes, in bits. It is estimated from how often each byte
    /// occurs, all ways together.
    pub(super) fn rarity(&self, bytes: usize) -> f64 {
        let start = self.machine.nfa().start_anchored();
        -self.share(start, bytes, true, &mut HashMap::new()).log2()
    }

    fn share(
        &self,
        state: StateID,
        bytes: usize,
        first: bool,
        known: &mut HashMap<(StateID, usize), f64>,
    ) -> f64 {
        if let Some(known) = known.get(&(state, bytes)) {
            return *known;
        }
        let share = match self.onward(state, first).filter(|_| bytes > 0) {
            None => 1.0,
            Some(onward) => {
                let of_way = |way: &Way| {
                    let set = (way.first..=way.last).map(rarity::share).sum::<f64>();
                    let boundary = if way.boundary { BOUNDARY_BITS } else { 0.0 };
                    (-boundary).exp2() * set * self.share(way.next, bytes - 1, false, known)
                };
                onward.ways.iter().map(of_way).sum::<f64>().min(1.0)
            }
        };
        known.insert((state, bytes), share);
        share
    }

    /// The ways on from a state. `first`: it is the first of a match, where word boundaries are noted. `None` when a
    /// match may end here, or nothing can be said.
    pub(super) fn onward(&self, from: StateID, first: bool) -> Option<Onward> {
        let nfa = self.machine.nfa();
        let mut onward = Onward::default();
        let mut seen = HashSet::new();
        // Seen from a boundary, and not from one.
        let mut open = vec![(from, false)];
        while let Some((state, boundary)) = open.pop() {
            if !seen.insert((state, boundary)) {
                continue;
            }
            let mut way = |first, last, next| {
                onward.ways.push(Way {
                    first,
                    last,
                    next,
                    boundary,
                });
            };
            match nfa.state(state) {
                State::ByteRange { trans } => way(trans.start, trans.end, trans.next),
                State::Sparse(sparse) => {
                    for trans in &*sparse.transitions {
                        way(trans.start, trans.end, trans.next);
                    }
                }
                State::Dense(dense) => {
                    for byte in 0..=255 {
                        if let Some(next) = dense.matches_byte(byte) {
                            way(byte, byte, next);
                        }
                    }
                }
                State::Look {
                    look: Look::Start, ..
                } => onward.at_beginning = true,
                State::Look { look, next } => {
                    open.push((*next, boundary || first && *look == Look::WordAscii));
                }
                State::Capture {
                    next: after, slot, ..
                } => {
                    let mark = self.machine.mark(slot.as_usize());
                    match mark.and_then(|m| self.extensions.get(m as usize)) {
                        Some(Extension::Atomic(_) | Extension::Same { .. }) => return None,
                        // However often: it may go on, or end.
                        Some(Extension::Run(run)) => {
                            let after = self.machine.behind(*after);
                            for (first, last) in run.ranges() {
                                way(first, last, state);
                                way(first, last, after);
                            }
                            if run.least == 0 {
                                open.push((after, boundary));
                            }
                        }
                        _ => open.push((*after, boundary)),
                    }
                }
                State::Union { alternates } => {
                    open.extend(alternates.iter().map(|state| (*state, boundary)));
                }
                State::BinaryUnion { alt1, alt2 } => {
                    open.extend([(*alt1, boundary), (*alt2, boundary)]);
                }
                State::Fail => {}
                State::Match { .. } => return None,
            }
        }
        Some(onward)
    }
}

/// The ways on from a state, one byte further.
#[derive(Debug, Default)]
pub(super) struct Onward {
    pub(super) ways: Vec<Way>,
    /// There is one more that only the beginning of a text has.
    pub(super) at_beginning: bool,
}

/// Bytes that lead on, and where to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) first: u8,
    pub(super) last: u8,
    pub(super) next: StateID,
    /// Only at a word boundary.
    pub(super) boundary: bool,
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    pub(super) fn insert(&mut self, range: std::ops::RangeInclusive<u8>) {
        for byte in range {
            if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
                *word |= 1 << (byte & 63);
            }
        }
    }

    /// The bytes that a part of a pattern matches, if that is always one.
    pub(super) fn of(hir: &Hir) -> Option<Bytes> {
        let mut bytes = Bytes::default();
        match hir.kind() {
            HirKind::Literal(literal) => match *literal.0 {
                [byte] => bytes.insert(byte..=byte),
                _ => return None,
            },
            HirKind::Class(Class::Bytes(class)) => {
                let ranges = class.ranges().iter();
                for range in ranges {
                    bytes.insert(range.start()..=range.end());
                }
            }
            HirKind::Class(Class::Unicode(class)) if class.is_ascii() => {
                for range in class.ranges() {
                    let (start, end) =
                        (range.start().try_into().ok()?, range.end().try_into().ok()?);
                    bytes.insert(start..=end);
                }
            }
            _ => return None,
        }
        Some(bytes)
    }

    #[inline]
    pub(super) fn contain(&self, byte: u8) -> bool {
        let word = self.0.get(usize::from(byte >> 6)).copied().unwrap_or(0);
        word >> (byte & 63) & 1 == 1
    }

    /// The bytes of the set, as first and last of those that follow each other.
    pub(super) fn ranges(&self) -> Vec<(u8, u8)> {
        let mut ranges: Vec<(u8, u8)> = Vec::new();
        for byte in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if byte.checked_sub(1) == Some(*last) => *last = byte,
                _ => ranges.push((byte, byte)),
            }
        }
        ranges
    }

    /// The bytes of either.
    pub(super) fn union(&self, other: &Bytes) -> Bytes {
        let mut both = *self;
        for (word, other) in both.0.iter_mut().zip(other.0) {
            *word |= other;
        }
        both
    }

    /// The bytes that are not in the set.
    pub(super) fn others(&self) -> Bytes {
        Bytes(self.0.map(|word| !word))
    }

    /// Whether there is a byte that both have.
    pub(super) fn meets(&self, other: &Bytes) -> bool {
        self.0
            .iter()
            .zip(other.0)
            .any(|(word, other)| word & other != 0)
    }

    /// The share of the bytes of a text that are in the set.
    pub(super) fn share(&self) -> f64 {
        self.iter().map(rarity::share).sum::<f64>().min(1.0)
    }

    /// The bytes of the set.
    pub(super) fn iter(&self) -> impl Iterator<Item = u8> {
        (0..=255).filter(|byte| self.contain(*byte))
    }
}

/// Whether the byte is part of a word, as `\b` has it without Unicode.
#[inline]
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
