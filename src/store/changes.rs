//! What is to be written, each key once with its latest state. Bounded: past the bound a change of a further key is
//! left out, and counted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Fact, Kind};

/// Changes that may wait for the disk.
const BOUND: usize = 100_000;
/// From so many on they are written before their second is over.
pub(super) const BATCH: usize = 1000;

/// The latest state of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// It is so; the words of the key, empty where only the digest is known.
    Set(String, Fact),
    /// It is gone.
    Removed,
}

/// Which fact.
pub(super) type Place = (Kind, u128);

#[derive(Debug, Default)]
pub(super) struct Changes {
    waiting: HashMap<Place, Change>,
}

impl Changes {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a change; false where there is no room for it.
    pub(super) fn add(&mut self, place: Place, change: Change) -> bool {
        let room = self.waiting.len() < BOUND;
        match self.waiting.entry(place) {
            Entry::Occupied(mut known) => {
                known.insert(change);
                true
            }
            Entry::Vacant(vacant) if room => {
                vacant.insert(change);
                true
            }
            Entry::Vacant(_) => false,
        }
    }

    /// Adds what could not be written, where nothing newer is known; gives how many found no room.
    pub(super) fn give_back(&mut self, changes: HashMap<Place, Change>) -> usize {
        let mut lost = 0;
        for (place, change) in changes {
            if !self.waiting.contains_key(&place) && !self.add(place, change) {
                lost += 1;
            }
        }
        lost
    }

    pub(super) fn take(&mut self) -> HashMap<Place, Change> {
        std::mem::take(&mut self.waiting)
    }

    /// Forgets what was to be written of a key.
    pub(super) fn cancel(&mut self, place: Place) {
        self.waiting.remove(&place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(count: f64) -> Change {
        let fact = Fact {
            count,
            ..Fact::default()
        };
        Change::Set(String::new(), fact)
    }

    #[test]
    fn the_latest_state_wins_and_the_number_is_bounded() {
        let mut changes = Changes::default();
        assert!(changes.add((Kind::Rate, 1), set(1.0)));
        let old = changes.take();
        assert!(changes.add((Kind::Rate, 1), set(2.0)));
        assert_eq!(changes.give_back(old), 0);
        assert_eq!(changes.take()[&(Kind::Rate, 1)], set(2.0));

        for key in 0..BOUND as u128 {
            assert!(changes.add((Kind::Rate, key), set(1.0)));
        }
        assert!(!changes.add((Kind::Network, 0), set(1.0)));
        assert!(changes.add((Kind::Rate, 0), Change::Removed));
        let more = HashMap::from([((Kind::Rate, 0), set(9.0)), ((Kind::Network, 0), set(9.0))]);
        assert_eq!(changes.give_back(more), 1);
        assert_eq!(changes.len(), BOUND);
        assert_eq!(changes.take()[&(Kind::Rate, 0)], Change::Removed);
    }
}
