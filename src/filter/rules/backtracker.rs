//! A matcher that tries one place of a text: it walks an automaton depth first, in the order of preference, and
//! remembers where it has been, so that no pair of state and place is walked twice.
//!
//! Most attempts of rules fail within a few bytes. So what it remembers is a small table that costs nothing to
//! forget, instead of a bit for every state and byte of the text; where an attempt needs more than the table
//! may hold, it says so and another matcher takes over. Attempts on one text share their memory, which keeps
//! all of them together linear. It counts its steps, so that who uses it can bound them.
//!
//! Where an automaton has a mark, the automaton of the extension is walked from that place, with a memory of its
//! own: whether a look-ahead fails at a place depends on nothing but the place, so this stays linear too. What
//! groups hold is a part of the place where there are references back; those alone make the work grow faster
//! than the text, and the bound on steps ends it.

use std::collections::HashMap;

use regex_automata::nfa::thompson::State;
use regex_automata::util::primitives::StateID;

use super::extension::Extension;
use super::machine::{Machine, Program};

/// Pairs of state and place that are remembered at the start, and at most: where another matcher can take over,
/// and where none can.
const FEWEST: usize = 1 << 10;
const MOST: usize = 1 << 15;
const MOST_PATIENT: usize = 1 << 21;
/// Bits of a place, and of a state, in a key.
const PLACE_BITS: u32 = 24;
const STATE_BITS: u32 = 20;
const GENERATIONS: u64 = 1 << (64 - PLACE_BITS - STATE_BITS);
/// Most memories that one text may take, each of its own generation.
const OF_TEXT: u64 = GENERATIONS / 4;
/// Most sets of groups that one text may take.
const GROUPINGS: usize = 1 << 12;
/// Most steps of one look-behind, which remembers nothing.
const BEHIND_STEPS: u64 = 20_000;

/// What the groups of a pattern hold at some moment, by number.
type Groups = u32;
const NO_GROUPS: Groups = 0;
/// Begin of an open group, begin and end of a closed one.
const UNSET: [u32; 3] = [u32::MAX; 3];

/// The memory of attempts; for one text and one automaton at a time.
#[derive(Debug)]
pub(super) struct Backtracker {
    /// Pairs that failed, open addressing; keys of a generation before `oldest` are free.
    visited: Vec<u64>,
    held: usize,
    /// The first generation of this text, which is that of the automaton itself.
    oldest: u64,
    newest: u64,
    stack: Vec<Later>,
    steps: u64,
    most_steps: u64,
    most_held: usize,
    /// Generations of the automata of extensions, and of other groups than none.
    generations: HashMap<(u32, Groups), u64>,
    /// The one that was asked for last.
    latest: Option<((u32, Groups), u64)>,
    /// What groups hold, each set once.
    groups: Vec<Box<[[u32; 3]]>>,
}

/// Where to go on when what is preferred fails: from a state, at each place from one to another, in this order.
#[derive(Clone, Copy, Debug)]
struct Later {
    state: StateID,
    groups: Groups,
    at: u32,
    until: u32,
}

/// An attempt that needs more memory, or more steps, than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded;

/// Where a walk goes on behind a mark.
enum Ahead {
    Nowhere,
    At(usize),
    /// There, and the groups hold something else.
    Grouped(usize, Groups),
    /// At each place from one to the other, in this order.
    Among(usize, usize),
}

/// An automaton at work: the one of a branch, or one of an extension.
#[derive(Clone, Copy)]
struct Walk<'a> {
    program: &'a Program,
    text: &'a [u8],
    machine: &'a Machine,
    /// 0 for the branch, otherwise one more than the number of the extension.
    number: u32,
    /// Where a look-behind has to end; the steps at which it is given up.
    ends: Option<(usize, u64)>,
}

impl Default for Backtracker {
    fn default() -> Self {
        Backtracker {
            visited: vec![0; FEWEST],
            held: 0,
            oldest: 1,
            newest: 1,
            stack: Vec::new(),
            steps: 0,
            most_steps: u64::MAX,
            most_held: MOST,
            generations: HashMap::new(),
            latest: None,
            groups: Vec::new(),
        }
    }
}

impl Backtracker {
    /// Forgets what is known, for another text or automaton. The attempts that follow may take so many steps; with
    /// patience they may hold more, because nobody else could go on.
    pub(super) fn forget(&mut self, steps: u64, patient: bool) {
        self.held = 0;
        self.oldest = self.newest + 1;
        if self.oldest + OF_TEXT > GENERATIONS {
            self.visited.fill(0);
            self.oldest = 1;
        }
        self.newest = self.oldest;
        if self.visited.len() > MOST {
            self.visited = vec![0; FEWEST];
        }
        self.generations.clear();
        self.latest = None;
        self.groups.clear();
        self.most_steps = self.steps.saturating_add(steps);
        self.most_held = if patient { MOST_PATIENT } else { MOST };
    }

    /// States that were walked through so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// The end of the preferred match that begins at `start`; for starts in their order.
    pub(super) fn attempt(
        &mut self,
        program: &Program,
        text: &[u8],
        start: usize,
    ) -> Result<Option<usize>, Exceeded> {
        let walk = Walk {
            program,
            text,
            machine: &program.machine,
            number: 0,
            ends: None,
        };
        self.stack.clear();
        Ok(self.run(walk, start, NO_GROUPS)?.map(|(end, _)| end))
    }

    /// The end of the preferred match from there, and what the groups hold then.
    fn run(
        &mut self,
        walk: Walk<'_>,
        start: usize,
        groups: Groups,
    ) -> Result<Option<(usize, Groups)>, Exceeded> {
        if walk.text.len() >> PLACE_BITS != 0 {
            return Err(Exceeded);
        }
        let below = self.stack.len();
        self.later(walk.machine.nfa().start_anchored(), start, groups);
        while self.stack.len() > below {
            let Some(Later {
                state,
                groups,
                at,
                until,
            }) = self.stack.pop()
            else {
                break;
            };
            if at != until {
                self.stack.push(Later {
                    state,
                    groups,
                    at: if at < until { at + 1 } else { at - 1 },
                    until,
                });
                let next = walk.machine.nfa().state(state);
                let fails = match (next, walk.text.get(at as usize)) {
                    (State::ByteRange { trans }, Some(byte)) => !trans.matches_byte(*byte),
                    _ => false,
                };
                if fails {
                    self.steps += 1;
                    continue;
                }
            }
            let found = self.walk(walk, state, at as usize, groups);
            if !matches!(found, Ok(None)) {
                self.stack.truncate(below);
                return found;
            }
        }
        Ok(None)
    }

    fn later(&mut self, state: StateID, at: usize, groups: Groups) {
        let at = at as u32;
        self.stack.push(Later {
            state,
            groups,
            at,
            until: at,
        });
    }

    fn walk(
        &mut self,
        walk: Walk<'_>,
        mut state: StateID,
        mut at: usize,
        mut groups: Groups,
    ) -> Result<Option<(usize, Groups)>, Exceeded> {
        let Walk { text, .. } = walk;
        let nfa = walk.machine.nfa();
        loop {
            self.steps += 1;
            match nfa.state(state) {
                State::ByteRange { trans } => match text.get(at) {
                    Some(byte) if trans.matches_byte(*byte) => {
                        state = trans.next;
                        at += 1;
                    }
                    _ => return Ok(None),
                },
                State::Sparse(sparse) => match sparse.matches(text, at) {
                    Some(next) => {
                        state = next;
                        at += 1;
                    }
                    None => return Ok(None),
                },
                State::Dense(dense) => match dense.matches(text, at) {
                    Some(next) => {
                        state = next;
                        at += 1;
                    }
                    None => return Ok(None),
                },
                State::Look { look, next } => {
                    if !nfa.look_matcher().matches(*look, text, at) {
                        return Ok(None);
                    }
                    state = *next;
                }
                // Every loop passes a union, or a mark: what is remembered there is enough to end it.
                State::Union { alternates } => {
                    let Some((first, others)) = alternates.split_first() else {
                        return Ok(None);
                    };
                    if !self.visit(walk, state, at, groups)? {
                        return Ok(None);
                    }
                    for next in others.iter().rev() {
                        self.later(*next, at, groups);
                    }
                    state = *first;
                }
                State::BinaryUnion { alt1, alt2 } => {
                    if !self.visit(walk, state, at, groups)? {
                        return Ok(None);
                    }
                    self.later(*alt2, at, groups);
                    state = *alt1;
                }
                State::Capture { next, slot, .. } => {
                    let here = state;
                    state = *next;
                    if let Some(mark) = walk.machine.mark(slot.as_usize()) {
                        if !self.visit(walk, here, at, groups)? {
                            return Ok(None);
                        }
                        state = walk.machine.behind(state);
                        match self.extension(walk, mark, at, groups)? {
                            Ahead::At(after) => at = after,
                            Ahead::Grouped(after, with) => (at, groups) = (after, with),
                            Ahead::Among(at, until) => {
                                self.stack.push(Later {
                                    state,
                                    groups,
                                    at: at as u32,
                                    until: until as u32,
                                });
                                return Ok(None);
                            }
                            Ahead::Nowhere => return Ok(None),
                        }
                    }
                }
                State::Fail => return Ok(None),
                State::Match { .. } => {
                    let there = walk.ends.is_none_or(|(end, _)| end == at);
                    return Ok(there.then_some((at, groups)));
                }
            }
        }
    }

    /// Where the walk goes on after a mark.
    fn extension(
        &mut self,
        walk: Walk<'_>,
        mark: u32,
        at: usize,
        groups: Groups,
    ) -> Result<Ahead, Exceeded> {
        let Some(extension) = walk.program.extensions.get(mark as usize) else {
            return Ok(Ahead::Nowhere);
        };
        let inner = |machine| Walk {
            machine,
            number: mark + 1,
            ends: None,
            ..walk
        };
        Ok(match extension {
            Extension::Run {
                set,
                least,
                most,
                greedy,
            } => {
                let ahead = walk.text.get(at..).unwrap_or_default().iter().take(*most);
                let most = at + ahead.take_while(|byte| set.contain(**byte)).count();
                let least = at + least;
                self.steps += (most - at) as u64 / 4;
                match greedy {
                    _ if most < least => Ahead::Nowhere,
                    true => Ahead::Among(most, least),
                    false => Ahead::Among(least, most),
                }
            }
            Extension::Look {
                machine,
                behind,
                wanted,
            } => {
                let found = match behind {
                    None => self.inner(inner(machine), at, groups)?,
                    Some((least, most)) => {
                        let mut inner = inner(machine);
                        inner.ends = Some((at, self.steps + BEHIND_STEPS));
                        let mut found = None;
                        for length in *least..=(*most).min(at) {
                            found = self.run(inner, at - length, groups)?;
                            if found.is_some() {
                                break;
                            }
                        }
                        found
                    }
                };
                match (found, wanted) {
                    (Some((_, groups)), true) => Ahead::Grouped(at, groups),
                    (None, false) => Ahead::At(at),
                    _ => Ahead::Nowhere,
                }
            }
            Extension::Atomic(machine) => match self.inner(inner(machine), at, groups)? {
                Some((end, groups)) => Ahead::Grouped(end, groups),
                None => Ahead::Nowhere,
            },
            Extension::Open(group) => {
                let open = |held: &mut [u32; 3]| held[0] = at as u32;
                Ahead::Grouped(at, self.regrouped(groups, *group, open)?)
            }
            Extension::Close(group) => {
                let close = |held: &mut [u32; 3]| *held = [held[0], held[0], at as u32];
                Ahead::Grouped(at, self.regrouped(groups, *group, close)?)
            }
            Extension::Same { group, ignore_case } => {
                let [_, begin, end] = self.group(groups, *group);
                let held = walk.text.get(begin as usize..end as usize);
                let Some(held) = held.filter(|_| end != u32::MAX) else {
                    return Ok(Ahead::Nowhere);
                };
                let there = walk.text.get(at..at + held.len());
                let same = there.is_some_and(|there| match ignore_case {
                    true => there.eq_ignore_ascii_case(held),
                    false => there == held,
                });
                self.steps += 1 + held.len() as u64 / 8;
                match same {
                    true => Ahead::At(at + held.len()),
                    false => Ahead::Nowhere,
                }
            }
        })
    }

    /// Walks the automaton of an extension. What failed on the way to a success is not known from what did not, so
    /// a success is forgotten.
    fn inner(
        &mut self,
        walk: Walk<'_>,
        at: usize,
        groups: Groups,
    ) -> Result<Option<(usize, Groups)>, Exceeded> {
        let found = self.run(walk, at, groups)?;
        if found.is_some() {
            self.steps += self.generations.len() as u64 / 8;
            self.latest = None;
            self.generations
                .retain(|(number, _), _| *number != walk.number);
        }
        Ok(found)
    }

    fn group(&self, groups: Groups, group: usize) -> [u32; 3] {
        let held = groups
            .checked_sub(1)
            .and_then(|g| self.groups.get(g as usize));
        held.and_then(|held| held.get(group))
            .copied()
            .unwrap_or(UNSET)
    }

    /// The groups with one of them changed.
    fn regrouped(
        &mut self,
        groups: Groups,
        group: usize,
        change: impl FnOnce(&mut [u32; 3]),
    ) -> Result<Groups, Exceeded> {
        let held = groups
            .checked_sub(1)
            .and_then(|g| self.groups.get(g as usize));
        let mut held = held.map_or_else(Vec::new, |held| held.to_vec());
        if held.len() <= group {
            held.resize(group + 1, UNSET);
        }
        if let Some(one) = held.get_mut(group) {
            change(one);
        }
        self.steps += self.groups.len() as u64 / 8;
        let known = self.groups.iter().rposition(|other| **other == *held);
        let number = match known {
            Some(number) => number,
            None if self.groups.len() < GROUPINGS => {
                self.groups.push(held.into());
                self.groups.len() - 1
            }
            None => return Err(Exceeded),
        };
        Ok(number as Groups + 1)
    }

    /// Whether the pair is new.
    fn visit(
        &mut self,
        walk: Walk<'_>,
        state: StateID,
        at: usize,
        groups: Groups,
    ) -> Result<bool, Exceeded> {
        if self.steps > self.most_steps {
            return Err(Exceeded);
        }
        if let Some((_, given_up)) = walk.ends {
            return match self.steps > given_up {
                true => Err(Exceeded),
                false => Ok(true),
            };
        }
        let generation = match (walk.number, groups) {
            (0, NO_GROUPS) => self.oldest,
            key => self.generation(key)?,
        };
        let (state, at) = (state.as_u64(), at as u64);
        if state >> STATE_BITS != 0 || at >> PLACE_BITS != 0 {
            return Err(Exceeded);
        }
        if self.held * 2 >= self.visited.len() {
            self.grow()?;
        }
        let key = (generation << STATE_BITS | state) << PLACE_BITS | at;
        let new = insert(&mut self.visited, self.oldest, key);
        self.held += usize::from(new);
        Ok(new)
    }

    fn generation(&mut self, key: (u32, Groups)) -> Result<u64, Exceeded> {
        if let Some((latest, known)) = self.latest
            && latest == key
        {
            return Ok(known);
        }
        if let Some(known) = self.generations.get(&key).copied() {
            self.latest = Some((key, known));
            return Ok(known);
        }
        if self.newest - self.oldest >= OF_TEXT - 1 {
            return Err(Exceeded);
        }
        self.newest += 1;
        self.generations.insert(key, self.newest);
        self.latest = Some((key, self.newest));
        Ok(self.newest)
    }

    fn grow(&mut self) -> Result<(), Exceeded> {
        let size = self.visited.len() * 2;
        if size > self.most_held {
            return Err(Exceeded);
        }
        let old = std::mem::replace(&mut self.visited, vec![0; size]);
        for key in old {
            if generation(key) >= self.oldest {
                insert(&mut self.visited, self.oldest, key);
            }
        }
        Ok(())
    }
}

fn generation(key: u64) -> u64 {
    key >> (PLACE_BITS + STATE_BITS)
}

/// Whether the key was not there yet. The table is never full, and its length a power of two.
fn insert(table: &mut [u64], oldest: u64, key: u64) -> bool {
    let mask = table.len() - 1;
    let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let mut slot = usize::try_from(hash).unwrap_or(0) & mask;
    while let Some(held) = table.get_mut(slot) {
        if *held == key {
            return false;
        }
        if generation(*held) < oldest {
            *held = key;
            return true;
        }
        slot = (slot + 1) & mask;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex_automata::nfa::thompson::NFA;
    use regex_automata::nfa::thompson::pikevm::PikeVM;
    use regex_automata::{Anchored, Input};

    use crate::filter::rules::extension::{Extended, extended, with_runs};

    fn program(pattern: &str) -> Program {
        let Extended {
            hir,
            mut extensions,
        } = extended(pattern, 1 << 20, true).unwrap();
        let hir = with_runs(hir, &mut extensions);
        Program {
            machine: Machine::new(&hir, 1 << 20).unwrap(),
            extensions: extensions.into(),
        }
    }

    /// The first match, by attempts at every place.
    fn first(pattern: &str, text: &str) -> Option<(usize, usize)> {
        let (program, mut backtracker) = (program(pattern), Backtracker::default());
        backtracker.forget(u64::MAX, true);
        (0..=text.len()).find_map(|start| {
            let end = backtracker
                .attempt(&program, text.as_bytes(), start)
                .unwrap();
            end.map(|end| (start, end))
        })
    }

    #[test]
    fn memory_is_bounded() {
        let program = program(r"(?:a|a)*b");
        let mut backtracker = Backtracker::default();
        let text = "a".repeat(MOST);
        let end = backtracker.attempt(&program, text.as_bytes(), 0);
        assert_eq!(end, Err(Exceeded));
        assert!(backtracker.visited.len() <= MOST);
        backtracker.forget(u64::MAX, false);
        assert_eq!(backtracker.attempt(&program, b"aaab", 0), Ok(Some(4)));
        backtracker.forget(u64::MAX, true);
        assert_eq!(backtracker.attempt(&program, text.as_bytes(), 0), Ok(None));
        backtracker.forget(100, true);
        assert_eq!(
            backtracker.attempt(&program, text.as_bytes(), 0),
            Err(Exceeded)
        );
    }

    #[test]
    fn generations_come_round() {
        let program = program(r"(?:a|b)*c");
        let mut backtracker = Backtracker::default();
        for _ in 0..=GENERATIONS {
            backtracker.forget(u64::MAX, false);
        }
        assert_eq!(backtracker.attempt(&program, b"ababc", 0), Ok(Some(5)));
    }

    proptest! {
        /// Break it by pushing the alternatives in their order.
        #[test]
        fn it_agrees_with_the_reference(
            pattern in "(?:[ab]|a\\*|\\[ab\\]\\{1,9\\}|\\(a\\|b\\?\\)\\*\\?|\\(\\?:ab\\|a\\)\\+|\\.\\{0,2\\}|\\\\b){1,6}",
            text in "[ab ]{0,12}",
        ) {
            let Ok(nfa) = NFA::compiler().build(&format!("(?-u){pattern}")) else {
                return Ok(());
            };
            let reference = PikeVM::new_from_nfa(nfa.clone()).unwrap();
            let mut cache = reference.create_cache();
            let (program, mut backtracker) = (program(&pattern), Backtracker::default());
            for start in 0..=text.len() {
                let input = Input::new(&text).range(start..).anchored(Anchored::Yes);
                let expected = reference.find_iter(&mut cache, input).next().map(|m| m.end());
                let found = backtracker.attempt(&program, text.as_bytes(), start).unwrap();
                prop_assert_eq!(found, expected, "{} at {}", pattern, start);
                if found.is_some() {
                    break;
                }
            }
        }

        /// Perl's meaning of extensions, as an engine of the usual kind has it. Break it by remembering what failed on
        /// the way to a success.
        #[test]
        fn extensions_agree_with_the_reference(
            pattern in "(?:[ab]|a\\*|\\[ab\\]\\{1,9\\}|\\(a\\|b\\?\\)\\*\\?|\\(ab\\|a\\)|\\\\1|\\(\\?>a\\*b\\?\\)|\\(\\?[=!]a\\*\\(\\?:b\\|\\(\\?!b\\)\\)\\)|\\(\\?<[=!][ab]\\)|\\.\\{0,2\\}|\\\\b){1,7}",
            text in "[ab ]{0,12}",
        ) {
            let Ok(reference) = fancy_regex::Regex::new(&pattern) else {
                return Ok(());
            };
            let expected = reference.find(&text).unwrap().map(|m| (m.start(), m.end()));
            prop_assert_eq!(first(&pattern, &text), expected, "{} in {:?}", pattern, text);
        }
    }

    #[test]
    fn look_around_is_linear() {
        let steps = |length: usize| {
            let program = program("(?=a*b)(?!a*c)a+d|(?<!a{3})e");
            let mut backtracker = Backtracker::default();
            backtracker.forget(u64::MAX, true);
            let text = "a".repeat(length);
            for start in 0..length {
                assert_eq!(
                    backtracker.attempt(&program, text.as_bytes(), start),
                    Ok(None)
                );
            }
            backtracker.steps()
        };
        assert!(steps(4000) < 5 * steps(1000));
    }

    #[test]
    fn references_back_end_in_time() {
        let program = program(r"(?:(a|aa)(?!x))+(\d)\2");
        let mut backtracker = Backtracker::default();
        backtracker.forget(100_000, true);
        let text = format!("{}12", "a".repeat(400));
        let found = backtracker.attempt(&program, text.as_bytes(), 0);
        assert!(
            found != Ok(Some(0)) && backtracker.steps() < 200_000,
            "{found:?}"
        );
        backtracker.forget(100_000, true);
        assert_eq!(backtracker.attempt(&program, b"aa11", 0), Ok(Some(4)));
    }
}
