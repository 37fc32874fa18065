//! The pairs of state and place that attempts on one text have walked through.
//!
//! A hash table of keys with a generation number: counting it up forgets everything at once. Each automaton of a
//! pattern, and each set of groups, has a generation of its own within a text, so one table serves them all.

use std::collections::HashMap;

use regex_automata::util::primitives::StateID;

use super::backtracker::Exceeded;
use super::captures::{Captures, NO_CAPTURES};

/// Pairs that are remembered at the start, and at most: where another matcher can take over, and where none can.
const FEWEST: usize = 1 << 10;
pub(super) const MOST: usize = 1 << 15;
const MOST_PATIENT: usize = 1 << 21;
/// Bits of a place, and of a state, in a key.
pub(super) const PLACE_BITS: u32 = 24;
const STATE_BITS: u32 = 20;
pub(super) const GENERATIONS: u64 = 1 << (64 - PLACE_BITS - STATE_BITS);
/// Most generations that one text may take.
const OF_TEXT: u64 = GENERATIONS / 4;

/// An automaton at work (0 for that of the branch, otherwise one more than the number of the extension), and what
/// the groups hold.
type Walker = (u32, Captures);

/// What attempts on one text remember.
#[derive(Debug)]
pub(super) struct Visited {
    /// Open addressing; keys of a generation before `oldest` are free.
    table: Vec<u64>,
    held: usize,
    most_held: usize,
    /// The first generation of this text, which is that of the branch without groups.
    oldest: u64,
    newest: u64,
    generations: HashMap<Walker, u64>,
    /// The one that was asked for last.
    latest: Option<(Walker, u64)>,
}

impl Default for Visited {
    fn default() -> Self {
        Visited {
            table: vec![0; FEWEST],
            held: 0,
            most_held: MOST,
            oldest: 1,
            newest: 1,
            generations: HashMap::new(),
            latest: None,
        }
    }
}

impl Visited {
    /// Forgets everything, for another text; with patience it may hold more afterwards.
    pub(super) fn forget(&mut self, patient: bool) {
        self.held = 0;
        self.most_held = if patient { MOST_PATIENT } else { MOST };
        self.oldest = self.newest + 1;
        if self.table.len() > MOST {
            self.table = vec![0; FEWEST];
        }
        if self.oldest + OF_TEXT > GENERATIONS {
            self.table.fill(0);
            self.oldest = 1;
        }
        self.newest = self.oldest;
        self.generations.clear();
        self.latest = None;
    }

    /// Forgets what one automaton did, with whatever groups; tells how much there was to look through.
    pub(super) fn forget_walks(&mut self, automaton: u32) -> usize {
        self.latest = None;
        let looked = self.generations.len();
        self.generations
            .retain(|(number, _), _| *number != automaton);
        looked
    }

    /// Whether the pair is new.
    pub(super) fn visit(
        &mut self,
        walker: Walker,
        state: StateID,
        at: usize,
    ) -> Result<bool, Exceeded> {
        let generation = match walker {
            (0, NO_CAPTURES) => self.oldest,
            walker => self.generation(walker)?,
        };
        let (state, at) = (state.as_u64(), at as u64);
        if state >> STATE_BITS != 0 || at >> PLACE_BITS != 0 {
            return Err(Exceeded);
        }
        if self.held * 2 >= self.table.len() {
            self.grow()?;
        }
        let key = (generation << STATE_BITS | state) << PLACE_BITS | at;
        let new = insert(&mut self.table, self.oldest, key);
        self.held += usize::from(new);
        Ok(new)
    }

    fn generation(&mut self, walker: Walker) -> Result<u64, Exceeded> {
        if let Some((latest, known)) = self.latest
            && latest == walker
        {
            return Ok(known);
        }
        let known = match self.generations.get(&walker) {
            Some(known) => *known,
            None if self.newest - self.oldest >= OF_TEXT - 1 => return Err(Exceeded),
            None => {
                self.newest += 1;
                self.generations.insert(walker, self.newest);
                self.newest
            }
        };
        self.latest = Some((walker, known));
        Ok(known)
    }

    fn grow(&mut self) -> Result<(), Exceeded> {
        let size = self.table.len() * 2;
        if size > self.most_held {
            return Err(Exceeded);
        }
        let old = std::mem::replace(&mut self.table, vec![0; size]);
        for key in old {
            if generation(key) >= self.oldest {
                insert(&mut self.table, self.oldest, key);
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.table.len()
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
