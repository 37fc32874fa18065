//! A matcher that tries one place of a text: it walks an automaton depth first, in the order of preference, and
//! remembers where it has been, so that no pair of state and place is walked twice.
//!
//! Most attempts of rules fail within a few bytes. So what it remembers is a small table that costs nothing to
//! forget, instead of a bit for every state and byte of the text; where an attempt needs more than the table
//! may hold, it says so and another matcher takes over. Attempts on one text share their memory, which keeps
//! all of them together linear. It counts its steps, so that who uses it can bound them.

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;

/// Pairs of state and place that are remembered at the start, and at most.
const FEWEST: usize = 1 << 10;
const MOST: usize = 1 << 15;
/// Bits of a place, and of a state, in a key.
const PLACE_BITS: u32 = 28;
const STATE_BITS: u32 = 16;
const GENERATIONS: u64 = 1 << (64 - PLACE_BITS - STATE_BITS);

/// The memory of attempts; for one text and one automaton at a time.
#[derive(Debug)]
pub(super) struct Backtracker {
    /// Pairs that failed, open addressing; keys of an older generation are free.
    visited: Vec<u64>,
    held: usize,
    generation: u64,
    stack: Vec<(StateID, usize)>,
    steps: u64,
}

/// An attempt that needs more memory than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded;

impl Default for Backtracker {
    fn default() -> Self {
        Backtracker {
            visited: vec![0; FEWEST],
            held: 0,
            generation: 1,
            stack: Vec::new(),
            steps: 0,
        }
    }
}

impl Backtracker {
    /// Forgets what is known, for another text or automaton.
    pub(super) fn forget(&mut self) {
        self.held = 0;
        self.generation += 1;
        if self.generation == GENERATIONS {
            self.visited.fill(0);
            self.generation = 1;
        }
    }

    /// States that were walked through so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// The end of the preferred match that begins at `start`; for starts in their order.
    pub(super) fn attempt(
        &mut self,
        nfa: &NFA,
        text: &[u8],
        start: usize,
    ) -> Result<Option<usize>, Exceeded> {
        self.stack.clear();
        self.stack.push((nfa.start_anchored(), start));
        while let Some((state, at)) = self.stack.pop() {
            if let Some(end) = self.walk(nfa, text, state, at)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn walk(
        &mut self,
        nfa: &NFA,
        text: &[u8],
        mut state: StateID,
        mut at: usize,
    ) -> Result<Option<usize>, Exceeded> {
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
                // Every loop passes a union: what is remembered there is enough to end it.
                State::Union { alternates } => {
                    let Some((first, others)) = alternates.split_first() else {
                        return Ok(None);
                    };
                    if !self.visit(state, at)? {
                        return Ok(None);
                    }
                    let later = others.iter().rev().map(|next| (*next, at));
                    self.stack.extend(later);
                    state = *first;
                }
                State::BinaryUnion { alt1, alt2 } => {
                    if !self.visit(state, at)? {
                        return Ok(None);
                    }
                    self.stack.push((*alt2, at));
                    state = *alt1;
                }
                State::Capture { next, .. } => state = *next,
                State::Fail => return Ok(None),
                State::Match { .. } => return Ok(Some(at)),
            }
        }
    }

    /// Whether the pair is new.
    fn visit(&mut self, state: StateID, at: usize) -> Result<bool, Exceeded> {
        let (state, at) = (state.as_u64(), at as u64);
        if state >> STATE_BITS != 0 || at >> PLACE_BITS != 0 {
            return Err(Exceeded);
        }
        if self.held * 2 >= self.visited.len() {
            self.grow()?;
        }
        let key = (self.generation << STATE_BITS | state) << PLACE_BITS | at;
        let new = insert(&mut self.visited, self.generation, key);
        self.held += usize::from(new);
        Ok(new)
    }

    fn grow(&mut self) -> Result<(), Exceeded> {
        let size = self.visited.len() * 2;
        if size > MOST {
            return Err(Exceeded);
        }
        let old = std::mem::replace(&mut self.visited, vec![0; size]);
        for key in old {
            if generation(key) == self.generation {
                insert(&mut self.visited, self.generation, key);
            }
        }
        Ok(())
    }
}

fn generation(key: u64) -> u64 {
    key >> (PLACE_BITS + STATE_BITS)
}

/// Whether the key was not there yet. The table is never full, and its length a power of two.
fn insert(table: &mut [u64], current: u64, key: u64) -> bool {
    let mask = table.len() - 1;
    let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let mut slot = usize::try_from(hash).unwrap_or(0) & mask;
    while let Some(held) = table.get_mut(slot) {
        if *held == key {
            return false;
        }
        if generation(*held) != current {
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
    use regex_automata::nfa::thompson::pikevm::PikeVM;
    use regex_automata::{Anchored, Input};

    #[test]
    fn memory_is_bounded() {
        let nfa = NFA::compiler().build(r"(?-u)(?:a|a)*b").unwrap();
        let mut backtracker = Backtracker::default();
        let text = "a".repeat(MOST);
        let end = backtracker.attempt(&nfa, text.as_bytes(), 0);
        assert_eq!(end, Err(Exceeded));
        assert!(backtracker.visited.len() <= MOST);
        backtracker.forget();
        assert_eq!(backtracker.attempt(&nfa, b"aaab", 0), Ok(Some(4)));
    }

    #[test]
    fn generations_come_round() {
        let nfa = NFA::compiler().build(r"(?-u)(?:a|b)*c").unwrap();
        let mut backtracker = Backtracker::default();
        for _ in 0..=GENERATIONS {
            backtracker.forget();
        }
        assert_eq!(backtracker.attempt(&nfa, b"ababc", 0), Ok(Some(5)));
    }

    proptest! {
        /// Break it by pushing the alternatives in their order.
        #[test]
        fn it_agrees_with_the_reference(
            pattern in "(?:[ab]|a\\*|\\(a\\|b\\?\\)\\*\\?|\\(\\?:ab\\|a\\)\\+|\\.\\{0,2\\}|\\\\b){1,6}",
            text in "[ab ]{0,12}",
        ) {
            let Ok(nfa) = NFA::compiler().build(&format!("(?-u){pattern}")) else {
                return Ok(());
            };
            let reference = PikeVM::new_from_nfa(nfa.clone()).unwrap();
            let mut cache = reference.create_cache();
            let mut backtracker = Backtracker::default();
            for start in 0..=text.len() {
                let input = Input::new(&text).range(start..).anchored(Anchored::Yes);
                let expected = reference.find_iter(&mut cache, input).next().map(|m| m.end());
                let found = backtracker.attempt(&nfa, text.as_bytes(), start).unwrap();
                prop_assert_eq!(found, expected, "{} at {}", pattern, start);
                if found.is_some() {
                    break;
                }
            }
        }
    }
}
