//! An automaton whose marks stand for extensions, as the backtracker runs it, and what it says of the first bytes
//! of its matches.

use std::sync::Arc;

use regex_automata::nfa::thompson::{Compiler, Config, NFA, State, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::extension::{self, Extension};
use super::rarity;

/// Most bytes at the beginning of a match about which something is said.
pub(super) const LEAD: usize = 8;

/// What a word boundary adds to the rarity of a place, in bits.
const BOUNDARY_BITS: f64 = 1.0;
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
    /// Whether it holds what is not regular, so that no other matcher can run it.
    pub(super) fn is_extended(&self) -> bool {
        self.extensions()
            .any(|e| !matches!(e, Extension::Run { .. }))
    }

    /// Whether it has any mark.
    pub(super) fn is_marked(&self) -> bool {
        self.extensions().next().is_some()
    }

    fn extensions(&self) -> impl Iterator<Item = &Extension> {
        let marks = self.machine.marks.iter().flatten();
        marks.filter_map(|mark| self.extensions.get(*mark as usize))
    }

    /// What the first bytes of a match can be.
    pub(super) fn lead(&self) -> Lead {
        let nfa = self.machine.nfa();
        let mut lead = Lead {
            sets: Box::default(),
            at_beginning: false,
            at_boundary: true,
        };
        let mut sets = Vec::with_capacity(LEAD);
        let mut states = vec![nfa.start_anchored()];
        while sets.len() < LEAD {
            let mut step = Step::default();
            if !self.step(&states, sets.is_empty(), &mut step) {
                break;
            }
            step.next.sort_unstable();
            step.next.dedup();
            states = step.next;
            if sets.is_empty() {
                lead.at_beginning = step.at_beginning;
                lead.at_boundary = !step.off_boundary;
            }
            sets.push(step.set);
        }
        lead.at_boundary &= !sets.is_empty();
        lead.sets = sets.into();
        lead
    }

    /// The bytes that lead on from these states, and where to; `false` when a match may end here, or nothing can
    /// be said.
    fn step(&self, from: &[StateID], first: bool, step: &mut Step) -> bool {
        let nfa = self.machine.nfa();
        // Seen from a boundary, and not from one.
        let mut seen = vec![[false; 2]; nfa.states().len()];
        let mut open: Vec<(StateID, bool)> = from.iter().map(|state| (*state, false)).collect();
        while let Some((state, boundary)) = open.pop() {
            let seen = seen.get_mut(state.as_usize());
            match seen.and_then(|seen| seen.get_mut(usize::from(boundary))) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            match nfa.state(state) {
                State::ByteRange { trans } => {
                    step.insert(trans.start..=trans.end, boundary);
                    step.next.push(trans.next);
                }
                State::Sparse(sparse) => {
                    for trans in &*sparse.transitions {
                        step.insert(trans.start..=trans.end, boundary);
                        step.next.push(trans.next);
                    }
                }
                State::Dense(dense) => {
                    for byte in 0..=255 {
                        if let Some(to) = dense.matches_byte(byte) {
                            step.insert(byte..=byte, boundary);
                            step.next.push(to);
                        }
                    }
                }
                State::Look {
                    look: Look::Start, ..
                } => step.at_beginning = true,
                State::Look { look, next } => {
                    open.push((*next, boundary || first && *look == Look::WordAscii));
                }
                State::Capture {
                    next: after, slot, ..
                } => {
                    let mark = self.machine.mark(slot.as_usize());
                    match mark.and_then(|m| self.extensions.get(m as usize)) {
                        Some(Extension::Atomic(_) | Extension::Same { .. }) => return false,
                        // However often: it may go on, or end.
                        Some(Extension::Run { set, least, .. }) => {
                            let after = self.machine.behind(*after);
                            step.set.join(set);
                            step.off_boundary |= !boundary;
                            step.next.extend([state, after]);
                            if *least == 0 {
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
                State::Match { .. } => return false,
            }
        }
        true
    }
}

/// One byte further in all ways at once.
#[derive(Default)]
struct Step {
    set: Bytes,
    next: Vec<StateID>,
    /// There is a way that only the beginning of a text has.
    at_beginning: bool,
    /// There is a way that did not pass a word boundary.
    off_boundary: bool,
}

impl Step {
    fn insert(&mut self, range: std::ops::RangeInclusive<u8>, boundary: bool) {
        self.set.insert(range);
        self.off_boundary |= !boundary;
    }
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    /// Every byte.
    pub(super) const ALL: Bytes = Bytes([u64::MAX; 4]);

    fn insert(&mut self, range: std::ops::RangeInclusive<u8>) {
        for byte in range {
            if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
                *word |= 1 << (byte & 63);
            }
        }
    }

    fn join(&mut self, other: &Bytes) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word |= other;
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

    /// The bytes of either.
    pub(super) fn union(&self, other: &Bytes) -> Bytes {
        let mut both = *self;
        both.join(other);
        both
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

/// What the first bytes of a match can be: a set for each, as far as every match reaches.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    sets: Box<[Bytes]>,
    /// At the beginning of a text a match may begin whatever the bytes.
    at_beginning: bool,
    /// Every match begins at an ASCII word boundary.
    at_boundary: bool,
}

impl Lead {
    /// The sets, the first byte first.
    pub(super) fn sets(&self) -> &[Bytes] {
        &self.sets
    }

    /// Whether at the beginning of a text a match may begin whatever the bytes.
    pub(super) fn may_begin_anyhow(&self) -> bool {
        self.at_beginning
    }

    /// How seldom a match can begin at a place of a text, in bits.
    pub(super) fn rarity(&self) -> f64 {
        let bits: f64 = self.sets.iter().map(|set| -set.share().log2()).sum();
        bits + if self.at_boundary { BOUNDARY_BITS } else { 0.0 }
    }

    /// Whether a match can begin at this place of a text.
    #[inline]
    pub(super) fn fits(&self, text: &[u8], at: usize) -> bool {
        if at == 0 && self.at_beginning {
            return true;
        }
        let ahead = text.get(at..).unwrap_or_default();
        ahead.len() >= self.sets.len()
            && self
                .sets
                .iter()
                .zip(ahead)
                .all(|(set, byte)| set.contain(*byte))
            && (!self.at_boundary || is_boundary(text, at))
    }
}

fn is_boundary(text: &[u8], at: usize) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let before = at.checked_sub(1).and_then(|at| text.get(at));
    is_word(before) != is_word(text.get(at))
}
