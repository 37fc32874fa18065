//! A set of byte strings that may hold hundreds of thousands: one block of bytes and one table of numbers.
//!
//! An entry costs its length plus one byte and five to eleven bytes of table; there is no allocation for
//! each. Looking up costs one hash and, as a rule, one comparison. The hash is keyed anew for each set, so a
//! message cannot be written to collide.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Ends an entry; no entry holds it.
const END: u8 = b'\n';
/// An empty slot of the table.
const EMPTY: u32 = u32::MAX;

/// An immutable set of byte strings without line ends.
#[derive(Debug, Default)]
pub(crate) struct StringSet {
    bytes: Vec<u8>,
    /// Where an entry begins, by its hash; open addressing, linear probing, a power of two long.
    slots: Vec<u32>,
    len: usize,
    hasher: RandomState,
}

impl StringSet {
    /// A set of these entries. What holds a line end, or lies beyond 4 GiB of them, is left out.
    pub(crate) fn new<T: AsRef<[u8]>>(entries: impl IntoIterator<Item = T>) -> StringSet {
        let mut bytes = Vec::new();
        let mut count: usize = 0;
        for entry in entries {
            let entry = entry.as_ref();
            if !entry.contains(&END) && bytes.len() + entry.len() < EMPTY as usize {
                bytes.extend_from_slice(entry);
                bytes.push(END);
                count += 1;
            }
        }
        bytes.shrink_to_fit();
        // At most three quarters full, so that probes stay short.
        let slots = (count * 4 / 3 + 1).next_power_of_two();
        let mut set = StringSet {
            bytes,
            slots: vec![EMPTY; slots],
            ..StringSet::default()
        };
        let mut start = 0;
        while let Some(entry) = set.entry(start) {
            let next = start + entry.len() + 1;
            if let Err(slot) = set.slot_of(entry)
                && let Some(slot) = set.slots.get_mut(slot)
            {
                *slot = u32::try_from(start).unwrap_or(EMPTY);
                set.len += 1;
            }
            start = next;
        }
        set
    }

    /// Number of different entries.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that it takes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.slots.capacity() * size_of::<u32>()
    }

    /// Whether `text` is an entry.
    pub(crate) fn contains(&self, text: &[u8]) -> bool {
        self.len > 0 && self.slot_of(text).is_ok()
    }

    /// The place of an entry among those that were given, from 0; of equal ones, the first. It costs a walk over the
    /// entries before it.
    pub(crate) fn position(&self, text: &[u8]) -> Option<usize> {
        let slot = self.slot_of(text).ok().filter(|_| self.len > 0)?;
        let start = self.slots.get(slot)?;
        let before = self.bytes.get(..*start as usize)?;
        Some(memchr::memchr_iter(END, before).count())
    }

    /// Every entry, duplicates included, in the order in which they were given.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let entry = self.entry(start)?;
            start += entry.len() + 1;
            Some(entry)
        })
    }

    fn entry(&self, start: usize) -> Option<&[u8]> {
        let rest = self.bytes.get(start..)?;
        rest.get(..memchr::memchr(END, rest)?)
    }

    /// The slot that holds `text`, or the empty one where it would stand.
    fn slot_of(&self, text: &[u8]) -> Result<usize, usize> {
        let mask = self.slots.len().saturating_sub(1);
        let mut slot = self.hasher.hash_one(text) as usize & mask;
        loop {
            match self.slots.get(slot) {
                Some(start) if *start != EMPTY => {
                    let rest = self.bytes.get(*start as usize..).unwrap_or_default();
                    if rest.starts_with(text) && rest.get(text.len()) == Some(&END) {
                        return Ok(slot);
                    }
                }
                _ => return Err(slot),
            }
            slot = (slot + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn it_holds_what_it_was_given_and_nothing_else() {
        let entries: Vec<String> = (0..5000).map(|i| format!("host{i}.example")).collect();
        let doubled = entries.iter().chain(&entries);
        let set = StringSet::new(doubled);
        assert_eq!(set.len(), 5000);
        let known: HashSet<&String> = entries.iter().collect();
        for i in 0..10_000 {
            let text = format!("host{i}.example");
            assert_eq!(
                set.contains(text.as_bytes()),
                known.contains(&text),
                "{text}"
            );
        }
        for absent in ["", "host1", "host1.example\nhost2.example", "ost1.example"] {
            assert!(!set.contains(absent.as_bytes()), "{absent:?}");
        }
        assert_eq!(set.iter().count(), 10_000);
        assert_eq!(set.position(b"host4711.example"), Some(4711));
        assert_eq!(set.position(b"host5000.example"), None);
        assert_eq!(StringSet::default().position(b""), None);
    }

    #[test]
    fn an_empty_set_holds_nothing_and_an_empty_entry_is_one() {
        let empty = StringSet::new(Vec::<Vec<u8>>::new());
        assert!(!empty.contains(b"") && !empty.contains(b"a"));
        assert!(StringSet::new([b""]).contains(b""));
        assert!(!StringSet::default().contains(b"a"));
    }

    #[test]
    fn half_a_million_domains_take_a_few_megabytes() {
        let set = StringSet::new((0..500_000).map(|i| format!("a{i}.phish.example")));
        assert_eq!(set.len(), 500_000);
        assert!(set.memory() < 16 << 20, "{}", set.memory());
    }
}
