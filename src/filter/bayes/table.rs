//! The weights of features, in memory: a flat table with open addressing.
//!
//! A slot is 8 bytes: the upper half of the feature's hash and its weight. The lower half of the hash
//! says where to look first. So a look-up mostly costs one cache line, and two features are taken for
//! one another with a chance of less than one in a billion a look-up.

/// Weights by feature; built once, then only read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// Upper half of the hash, 0 for a free slot; weight.
    slots: Vec<(u32, f32)>,
}

fn mark(hash: u64) -> u32 {
    ((hash >> 32) as u32).max(1)
}

impl Table {
    /// A table of all `entries`. At most two thirds full.
    pub(super) fn new(entries: impl ExactSizeIterator<Item = (u64, f32)>) -> Table {
        let slots = (entries.len() + entries.len() / 2 + 1).next_power_of_two();
        let mut table = Table {
            slots: vec![(0, 0.0); slots],
        };
        for (hash, weight) in entries {
            table.insert(hash, weight);
        }
        table
    }

    fn insert(&mut self, hash: u64, weight: f32) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.0 == 0 {
                *slot = (mark(hash), weight);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// The weight of a feature; 0 for one that was never learned.
    pub(super) fn weight(&self, hash: u64) -> f32 {
        let Some(mask) = self.slots.len().checked_sub(1) else {
            return 0.0;
        };
        let mark = mark(hash);
        let mut at = hash as usize & mask;
        while let Some((found, weight)) = self.slots.get(at) {
            if *found == mark {
                return *weight;
            }
            if *found == 0 {
                return 0.0;
            }
            at = (at + 1) & mask;
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_and_nothing_else() {
        let hash = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let entries: Vec<(u64, f32)> = (1..5000).map(|i| (hash(i), i as f32)).collect();
        let table = Table::new(entries.iter().copied());
        for (hash, weight) in entries {
            assert_eq!(table.weight(hash), weight);
        }
        for i in 5000..10_000 {
            assert_eq!(table.weight(hash(i)), 0.0);
        }
        assert_eq!(Table::default().weight(7), 0.0);
        assert_eq!(Table::new(std::iter::empty::<(u64, f32)>()).weight(7), 0.0);
    }

    #[test]
    fn colliding_positions_are_resolved() {
        let entries: Vec<(u64, f32)> = (1..100).map(|i| (i << 32, i as f32)).collect();
        let table = Table::new(entries.iter().copied());
        for (hash, weight) in entries {
            assert_eq!(table.weight(hash), weight);
        }
    }
}
