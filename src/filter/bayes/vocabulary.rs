//! Which words and pairs of a corpus a model holds, and their numbers.
//!
//! In: the hashes of each message, more different ones than fit in memory. Out: those that at least so many messages have
//! that no more than [`ENTRIES`] are left, with the ham and spam that has them. Counted in two rounds: first
//! roughly, in a field where hashes that share a place are counted together, then exactly those whose place has
//! enough. Rough counts are never too low, so nothing is missed; and they do not depend on the order of the messages.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Class;
use super::store::{Packed, Row, Store};
use super::table::{ENTRIES, Entry};
use super::training::Learned;

/// Words and pairs that are counted exactly, about.
const CANDIDATES: usize = 4 << 20;
/// Places of the rough count at most, a byte each.
const PLACES: usize = 1 << 28;

/// The entries of a model without weights, by ascending hash; and for each message, in the order of `learned`, the
/// numbers of the entries that it has.
pub(super) fn vocabulary(learned: &[Learned], hashes: &Store, least: u32) -> (Vec<Entry>, Store) {
    let mut row = Row::<u64>::default();
    let rough = Rough::count(learned, hashes);
    let from = rough.least(least);
    let mut counts: HashMap<u64, (u32, u32), BuildHasherDefault<AsItIs>> = HashMap::default();
    for message in learned {
        hashes.read(message.row, &mut row);
        for hash in row.numbers.iter().filter(|h| rough.of(**h) >= from) {
            let (ham, spam) = counts.entry(*hash).or_default();
            match message.class {
                Class::Ham => *ham += 1,
                Class::Spam => *spam += 1,
            }
        }
    }
    let kept = |least: u32| counts.values().filter(move |(h, s)| h + s >= least);
    let least = (u32::from(from)..)
        .find(|least| kept(*least).count() <= ENTRIES)
        .unwrap_or(least);
    let mut entries: Vec<Entry> = counts
        .into_iter()
        .filter(|(_, (ham, spam))| ham + spam >= least)
        .map(|(hash, (ham, spam))| Entry {
            hash,
            ham,
            spam,
            ..Entry::default()
        })
        .collect();
    entries.sort_unstable_by_key(|e| e.hash);
    let numbers: HashMap<u64, u32, BuildHasherDefault<AsItIs>> =
        entries.iter().map(|e| e.hash).zip(0..).collect();
    let mut words = Store::new(super::store::MEMORY);
    let mut kept: Vec<u32> = Vec::new();
    for message in learned {
        hashes.read(message.row, &mut row);
        kept.clear();
        kept.extend(row.numbers.iter().filter_map(|h| numbers.get(h)));
        words.push(&Packed::of(&mut kept));
    }
    (entries, words)
}

/// How many messages have a feature at each place.
struct Rough {
    counts: Vec<u8>,
    shift: u32,
}

impl Rough {
    fn count(learned: &[Learned], hashes: &Store) -> Rough {
        let all: usize = learned.iter().map(|l| l.total).sum();
        let places = all.next_power_of_two().clamp(1 << 16, PLACES);
        let mut rough = Rough {
            counts: vec![0; places],
            shift: 64 - places.ilog2(),
        };
        let mut row = Row::<u64>::default();
        for message in learned {
            hashes.read(message.row, &mut row);
            for hash in &row.numbers {
                if let Some(count) = rough.counts.get_mut((hash >> rough.shift) as usize) {
                    *count = count.saturating_add(1);
                }
            }
        }
        rough
    }

    fn of(&self, hash: u64) -> u8 {
        let place = (hash >> self.shift) as usize;
        self.counts.get(place).copied().unwrap_or_default()
    }

    /// The least count, from `least` on, that no more than [`CANDIDATES`] places reach.
    fn least(&self, least: u32) -> u8 {
        let mut reached = [0_usize; 257];
        for count in &self.counts {
            if let Some(reached) = reached.get_mut(usize::from(*count)) {
                *reached += 1;
            }
        }
        for count in (0..256).rev() {
            let above = reached.get(count + 1).copied().unwrap_or_default();
            if let Some(here) = reached.get_mut(count) {
                *here += above;
            }
        }
        let fits = |from: &u8| {
            let reached = reached.get(usize::from(*from)).copied();
            reached.unwrap_or_default() <= CANDIDATES
        };
        let first = u8::try_from(least).unwrap_or(u8::MAX);
        (first..=u8::MAX).find(fits).unwrap_or(u8::MAX)
    }
}

/// Features are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
