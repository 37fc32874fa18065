//! Facts by key, in the order in which they were touched, so that the one touched longest ago is at hand.
//!
//! A table from digest to place, and a list over the places in both directions; each operation takes constant time.

use std::collections::HashMap;

use super::Fact;

/// No place.
const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Recency {
    places: HashMap<u128, u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    ends: Option<Ends>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    oldest: u32,
    newest: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    key: u128,
    fact: Fact,
    older: u32,
    newer: u32,
}

impl Recency {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get(&self, key: u128) -> Option<Fact> {
        let place = *self.places.get(&key)?;
        self.slot(place).map(|slot| slot.fact)
    }

    /// Enters or replaces a fact, which is the newest then.
    pub(super) fn put(&mut self, key: u128, fact: Fact) {
        if let Some(place) = self.places.get(&key).copied() {
            self.unlink(place);
            if let Some(slot) = self.slot_mut(place) {
                slot.fact = fact;
            }
            self.link(place);
            return;
        }
        let slot = Slot {
            key,
            fact,
            older: NONE,
            newer: NONE,
        };
        let place = match self.free.pop() {
            Some(place) => {
                if let Some(old) = self.slot_mut(place) {
                    *old = slot;
                }
                place
            }
            None => {
                let place = u32::try_from(self.slots.len()).unwrap_or(NONE);
                self.slots.push(slot);
                place
            }
        };
        self.places.insert(key, place);
        self.link(place);
    }

    pub(super) fn remove(&mut self, key: u128) -> bool {
        let Some(place) = self.places.remove(&key) else {
            return false;
        };
        self.unlink(place);
        self.free.push(place);
        true
    }

    /// Takes out the one touched longest ago.
    pub(super) fn pop_oldest(&mut self) -> Option<u128> {
        let oldest = self.ends?.oldest;
        let key = self.slot(oldest)?.key;
        self.remove(key);
        Some(key)
    }

    /// Takes out what is past its time; gives how many these were.
    pub(super) fn expire(&mut self, now: i64) -> usize {
        let past = self.iter().filter(|(_, fact)| fact.expires <= now);
        let past: Vec<u128> = past.map(|(key, _)| key).collect();
        for key in &past {
            self.remove(*key);
        }
        past.len()
    }

    /// All, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u128, Fact)> + '_ {
        let fact = |place: &u32| self.slot(*place).map(|slot| slot.fact);
        self.places
            .iter()
            .filter_map(move |(key, place)| Some((*key, fact(place)?)))
    }

    fn slot(&self, place: u32) -> Option<&Slot> {
        self.slots.get(place as usize)
    }

    fn slot_mut(&mut self, place: u32) -> Option<&mut Slot> {
        self.slots.get_mut(place as usize)
    }

    fn link(&mut self, place: u32) {
        let before = self.ends.map_or(NONE, |ends| ends.newest);
        if let Some(slot) = self.slot_mut(place) {
            (slot.older, slot.newer) = (before, NONE);
        }
        if let Some(slot) = self.slot_mut(before) {
            slot.newer = place;
        }
        let oldest = self.ends.map_or(place, |ends| ends.oldest);
        self.ends = Some(Ends {
            oldest,
            newest: place,
        });
    }

    fn unlink(&mut self, place: u32) {
        let (Some(slot), Some(mut ends)) = (self.slot(place).copied(), self.ends) else {
            return;
        };
        match self.slot_mut(slot.older) {
            Some(older) => older.newer = slot.newer,
            None => ends.oldest = slot.newer,
        }
        match self.slot_mut(slot.newer) {
            Some(newer) => newer.older = slot.older,
            None => ends.newest = slot.older,
        }
        self.ends = Some(ends).filter(|ends| ends.oldest != NONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fact(expires: i64) -> Fact {
        Fact {
            expires,
            ..Fact::default()
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u128, i64),
        Remove(u128),
        Pop,
        Expire(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..12u128, 0..20i64).prop_map(|(key, expires)| Step::Put(key, expires)),
            1 => (0..12u128).prop_map(Step::Remove),
            2 => Just(Step::Pop),
            1 => (0..20i64).prop_map(Step::Expire),
        ]
    }

    proptest! {
        /// The same as a list that is searched from one end to the other.
        #[test]
        fn it_is_a_list_in_the_order_of_touch(steps in proptest::collection::vec(step(), 0..200)) {
            let mut recency = Recency::default();
            let mut list: Vec<(u128, i64)> = Vec::new();
            for step in steps {
                match step {
                    Step::Put(key, expires) => {
                        recency.put(key, fact(expires));
                        list.retain(|(k, _)| *k != key);
                        list.push((key, expires));
                    }
                    Step::Remove(key) => {
                        let there = list.iter().any(|(k, _)| *k == key);
                        prop_assert_eq!(recency.remove(key), there);
                        list.retain(|(k, _)| *k != key);
                    }
                    Step::Pop => {
                        let first = (!list.is_empty()).then(|| list.remove(0).0);
                        prop_assert_eq!(recency.pop_oldest(), first);
                    }
                    Step::Expire(now) => {
                        let before = list.len();
                        list.retain(|(_, expires)| *expires > now);
                        prop_assert_eq!(recency.expire(now), before - list.len());
                    }
                }
                prop_assert_eq!(recency.len(), list.len());
                for (key, expires) in &list {
                    prop_assert_eq!(recency.get(*key), Some(fact(*expires)));
                }
            }
        }
    }
}
