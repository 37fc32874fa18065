//! What is known of words and pairs, in memory: a flat table with open addressing.
//!
//! A slot is 24 bytes and holds all that is known of one feature; its hash says where to look first, so that a
//! look-up mostly costs one cache line. At most three quarters of the slots are taken. The table grows up to
//! [`ENTRIES`]; past it the features that were seen least are given up.

/// Features of a model at most: 2^21 slots, 48 MiB.
pub(super) const ENTRIES: usize = 1_500_000;

/// What is known of one feature.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Entry {
    /// Its hash; 0 for a free slot.
    pub(super) hash: u64,
    /// Ham messages that have it.
    pub(super) ham: u32,
    /// Spam messages that have it.
    pub(super) spam: u32,
    /// Its weight; above 0 for spam.
    pub(super) weight: f32,
    /// What it has moved so far: the more, the smaller its next step.
    pub(super) slowed: f32,
}

/// Entries by hash.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    slots: Vec<Entry>,
    used: usize,
}

/// Tables are the same when they hold the same, in whatever order it came.
impl PartialEq for Table {
    fn eq(&self, other: &Table) -> bool {
        self.sorted() == other.sorted()
    }
}

impl Table {
    /// A table of all `entries`, whose hashes differ.
    pub(super) fn new(entries: impl ExactSizeIterator<Item = Entry>) -> Table {
        let mut table = Table {
            slots: vec![Entry::default(); slots_for(entries.len())],
            used: 0,
        };
        for entry in entries {
            if let Some(slot) = table.entry(entry.hash) {
                *slot = entry;
            }
        }
        table
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// All of them, by hash, ascending.
    pub(super) fn sorted(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.slots.iter().filter(|e| e.hash != 0).copied().collect();
        entries.sort_unstable_by_key(|e| e.hash);
        entries
    }

    /// What is known of a feature.
    pub(super) fn get(&self, hash: u64) -> Option<&Entry> {
        let slot = self.slots.get(self.place(hash)?)?;
        (slot.hash == hash && hash != 0).then_some(slot)
    }

    /// What is known of a feature, to be changed.
    pub(super) fn get_mut(&mut self, hash: u64) -> Option<&mut Entry> {
        let at = self.place(hash)?;
        let slot = self.slots.get_mut(at)?;
        (slot.hash == hash && hash != 0).then_some(slot)
    }

    /// The weight of a feature; 0 for one that was never learned.
    pub(super) fn weight(&self, hash: u64) -> f32 {
        self.get(hash).map_or(0.0, |e| e.weight)
    }

    /// The entry of a feature, made where there is none. `None` for the hash 0, which stands for no feature.
    pub(super) fn entry(&mut self, hash: u64) -> Option<&mut Entry> {
        if hash == 0 {
            return None;
        }
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            self.make_room();
        }
        let at = self.place(hash)?;
        let slot = self.slots.get_mut(at)?;
        if slot.hash == 0 {
            slot.hash = hash;
            self.used += 1;
        }
        Some(slot)
    }

    /// The slot that has the hash, or the free one where it belongs.
    fn place(&self, hash: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get(at) {
            if slot.hash == hash || slot.hash == 0 {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// More slots; or, where there may be no more, fewer entries.
    fn make_room(&mut self) {
        let mut entries = self.sorted();
        let mut least = 1;
        while entries.len() >= ENTRIES {
            entries.retain(|e| e.ham.saturating_add(e.spam) > least);
            least += 1;
        }
        let slots = slots_for(entries.len() + 1).max(self.slots.len());
        *self = Table {
            slots: vec![Entry::default(); slots],
            used: 0,
        };
        for entry in entries {
            if let Some(at) = self.place(entry.hash)
                && let Some(slot) = self.slots.get_mut(at)
            {
                *slot = entry;
                self.used += 1;
            }
        }
    }
}

/// A power of two with at most three quarters of it taken.
fn slots_for(entries: usize) -> usize {
    (entries + entries / 3 + 2).next_power_of_two().max(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(hash: u64, weight: f32) -> Entry {
        Entry {
            hash,
            ham: 1,
            weight,
            ..Entry::default()
        }
    }

    #[test]
    fn every_entry_is_found_and_nothing_else() {
        let hash = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let entries: Vec<Entry> = (1..5000).map(|i| entry(hash(i), i as f32)).collect();
        let table = Table::new(entries.iter().copied());
        assert_eq!(table.len(), 4999);
        for entry in &entries {
            assert_eq!(table.get(entry.hash), Some(entry));
        }
        for i in 5000..10_000 {
            assert_eq!(table.weight(hash(i)), 0.0);
        }
        assert_eq!(Table::default().weight(7), 0.0);
        assert_eq!(table.get(0), None);
        assert_eq!(Table::default().get(0), None);
    }

    #[test]
    fn colliding_positions_are_resolved() {
        let entries: Vec<Entry> = (1..100).map(|i| entry(i << 32, i as f32)).collect();
        let table = Table::new(entries.iter().copied());
        for entry in entries {
            assert_eq!(table.weight(entry.hash), entry.weight);
        }
    }

    #[test]
    fn it_grows_and_is_the_same_as_one_made_at_once() {
        let mut grown = Table::default();
        for i in (1..3000_u64).rev() {
            *grown.entry(i * 7).unwrap() = entry(i * 7, 0.5);
        }
        assert_eq!(
            grown,
            Table::new((1..3000_u32).map(|i| entry(u64::from(i) * 7, 0.5)))
        );
        assert!(grown.entry(0).is_none());
    }

    #[test]
    fn past_the_bound_what_was_seen_least_goes() {
        let mut table = Table::new((0..ENTRIES).map(|i| Entry {
            hash: (i as u64 + 1) << 3,
            ham: 1 + u32::from(i % 2 == 1),
            ..Entry::default()
        }));
        let slots = table.slots.len();
        for i in 1..400_000_u64 {
            if let Some(entry) = table.entry((i << 3) | 1) {
                entry.ham += 1;
            }
        }
        assert_eq!(table.slots.len(), slots);
        assert!(table.len() <= slots / 4 * 3);
        assert!(table.get(2 << 3).is_some(), "seen twice");
        assert!(table.get(1 << 3).is_none(), "seen once");
    }
}
