//! A segment of the index: some two thousand messages, and for each term which of them have it. It is made once, when
//! so many have come, and never changed: it goes when all of its messages are gone.
//!
//! A segment is cut into [`SLICES`] by the first bits of [`Term`]s, so that a look-up reads a page or two of it. In a
//! slice terms stand in order: four bytes of the term, the length of its list, and the list, messages by their place in
//! the segment, each as the difference to the one before it. Lengths, places and numbers are of seven bits a byte, the lowest
//! first. What cannot be read ends a list: a damaged slice finds less, and never fails.

use super::terms::Term;
use super::wanted::Wanted;

/// Slices of a segment.
pub(super) const SLICES: u8 = 64;
/// Messages from which on a segment is made.
pub(super) const MESSAGES: usize = 2048;
/// Their terms, all counted, from which on it is made too: 16 MiB of memory.
const POSTINGS: usize = 1 << 20;

impl Term {
    /// The slice in which it stands.
    pub(super) fn slice(self) -> u8 {
        (self.0 >> 58) as u8
    }

    /// What of it stands there.
    fn key(self) -> u32 {
        (self.0 >> 26) as u32
    }
}

/// What tells which messages have a term.
pub(super) trait Postings {
    /// The messages that have it.
    fn having(&self, term: Term) -> Rows;
}

/// Messages that are to become a segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Growing {
    numbers: Vec<i64>,
    postings: Vec<(Term, u16)>,
}

impl Growing {
    /// Adds a message with its terms; no effect beyond 65,536 messages, which is far beyond [`Growing::is_full`].
    pub(super) fn add(&mut self, number: i64, terms: &[Term]) {
        let Ok(place) = u16::try_from(self.numbers.len()) else {
            return;
        };
        self.numbers.push(number);
        self.postings
            .extend(terms.iter().map(|term| (*term, place)));
    }

    /// Whether the segment is to be made.
    pub(super) fn is_full(&self) -> bool {
        self.numbers.len() >= MESSAGES || self.postings.len() >= POSTINGS
    }

    /// The lowest and the highest number; `None` where there is no message.
    pub(super) fn ends(&self) -> Option<(i64, i64)> {
        Some((*self.numbers.iter().min()?, *self.numbers.iter().max()?))
    }

    /// The numbers of its messages for which something holds, and, if two terms have the same bits, perhaps of others.
    pub(super) fn find(&self, wanted: &Wanted) -> Vec<i64> {
        let rows = wanted.rows(self);
        let numbers = rows.places().filter_map(|place| self.numbers.get(place));
        numbers.copied().collect()
    }

    /// The numbers of its messages, as they are kept.
    pub(super) fn numbers(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 * self.numbers.len());
        let mut before = 0;
        for number in &self.numbers {
            let step = number.wrapping_sub(before);
            // The sign comes last, so that small steps back are small too.
            put(&mut bytes, ((step << 1) ^ (step >> 63)).cast_unsigned());
            before = *number;
        }
        bytes
    }

    /// Its slices, but for those that have nothing in them.
    pub(super) fn slices(&mut self) -> Vec<(u8, Vec<u8>)> {
        self.postings.sort_unstable();
        self.postings.dedup();
        let mut slices = Vec::with_capacity(usize::from(SLICES));
        let of_slices = |a: &(Term, u16), b: &(Term, u16)| a.0.slice() == b.0.slice();
        for postings in self.postings.chunk_by(of_slices) {
            let Some((term, _)) = postings.first() else {
                continue;
            };
            slices.push((term.slice(), slice(postings)));
        }
        slices
    }
}

fn slice(postings: &[(Term, u16)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut list = Vec::new();
    for of_term in postings.chunk_by(|a, b| a.0 == b.0) {
        let mut before = 0;
        for (_, place) in of_term {
            put(&mut list, u64::from(place - before));
            before = *place;
        }
        if let Some((term, _)) = of_term.first() {
            bytes.extend(term.key().to_le_bytes());
        }
        put(&mut bytes, list.len() as u64);
        bytes.append(&mut list);
    }
    bytes
}

/// The numbers of the messages of a segment.
pub(super) fn numbers(mut bytes: &[u8]) -> Vec<i64> {
    let mut numbers = Vec::with_capacity(MESSAGES);
    let mut number: i64 = 0;
    while let Some(step) = take(&mut bytes) {
        let step = (step >> 1).cast_signed() ^ -(step & 1).cast_signed();
        number = number.wrapping_add(step);
        numbers.push(number);
    }
    numbers
}

/// Some slices of one segment.
#[derive(Debug, Default)]
pub(super) struct Slices<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Slices<'a> {
    pub(super) fn push(&mut self, slice: u8, bytes: &'a [u8]) {
        self.0.push((slice, bytes));
    }
}

/// As far as terms stand in one of these slices.
impl Postings for Slices<'_> {
    fn having(&self, term: Term) -> Rows {
        let mut rows = Rows::default();
        let of_term = self.0.iter().filter(|(slice, _)| *slice == term.slice());
        for &(_, mut bytes) in of_term {
            while let Some((key, mut list)) = next(&mut bytes) {
                if key > term.key() {
                    break;
                }
                if key == term.key() {
                    let mut place: u64 = 0;
                    while let Some(step) = take(&mut list) {
                        place = step.saturating_add(place);
                        rows.insert(place);
                    }
                }
            }
        }
        rows
    }
}

impl Postings for Growing {
    fn having(&self, term: Term) -> Rows {
        let mut rows = Rows::default();
        let of_term = self.postings.iter().filter(|(other, _)| *other == term);
        of_term.for_each(|(_, place)| rows.insert(u64::from(*place)));
        rows
    }
}

/// The key of the next term of a slice, and its list.
fn next<'a>(bytes: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let (key, mut rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(take(&mut rest)?).ok()?;
    let (list, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some((u32::from_le_bytes(*key), list))
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number as u8) | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Some of the messages of a segment, by their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows(Vec<u64>);

impl Rows {
    fn insert(&mut self, place: u64) {
        let (Ok(place), word) = (u16::try_from(place), (place / 64) as usize) else {
            return;
        };
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (place % 64);
        }
    }

    /// Keeps those that are among the others too.
    pub(super) fn keep(&mut self, others: &Rows) {
        self.0.truncate(others.0.len());
        for (word, other) in self.0.iter_mut().zip(&others.0) {
            *word &= other;
        }
    }

    /// Adds the others.
    pub(super) fn add(&mut self, others: &Rows) {
        if self.0.len() < others.0.len() {
            self.0.resize(others.0.len(), 0);
        }
        for (word, other) in self.0.iter_mut().zip(&others.0) {
            *word |= other;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Their places, rising.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let bits = (0..64).filter(move |bit| word & (1 << bit) != 0);
            bits.map(move |bit| at * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(rows: &Rows) -> Vec<usize> {
        rows.places().collect()
    }

    fn read(slices: &[(u8, Vec<u8>)]) -> Slices<'_> {
        let mut read = Slices::default();
        for (slice, bytes) in slices {
            read.push(*slice, bytes);
        }
        read
    }

    proptest! {
        #[test]
        fn each_term_is_found_where_it_was_put_and_nowhere_else(
            messages in prop::collection::vec(prop::collection::vec(0u64..40, 0..8), 0..200),
        ) {
            // Of four slices.
            let term = |n: u64| Term((n % 4) << 58 | (n * 1000) << 26);
            let mut growing = Growing::default();
            for (number, terms) in messages.iter().enumerate() {
                let terms: Vec<Term> = terms.iter().map(|n| term(*n)).collect();
                growing.add(number as i64, &terms);
            }
            let written = growing.slices();
            let slices = read(&written);
            for n in 0..41 {
                let having: Vec<usize> = (0..messages.len())
                    .filter(|place| messages[*place].contains(&n))
                    .collect();
                prop_assert_eq!(places(&growing.having(term(n))), having.clone());
                prop_assert_eq!(places(&slices.having(term(n))), having);
            }
        }

        #[test]
        fn numbers_are_read_as_they_were_written(numbers in prop::collection::vec(any::<i64>(), 0..50)) {
            let mut growing = Growing::default();
            for number in &numbers {
                growing.add(*number, &[]);
            }
            prop_assert_eq!(super::numbers(&growing.numbers()), numbers);
        }

        #[test]
        fn a_damaged_slice_fails_nobody(bytes in prop::collection::vec(any::<u8>(), 0..200), term: u64) {
            let term = Term(term);
            let slices = [(term.slice(), bytes)];
            let rows = read(&slices).having(term);
            prop_assert!(rows.places().all(|place| place < 65_536));
            super::numbers(&slices[0].1);
        }
    }

    #[test]
    fn rows_are_sets() {
        let of = |all: &[u64]| {
            let mut rows = Rows::default();
            all.iter().for_each(|place| rows.insert(*place));
            rows
        };
        let mut rows = of(&[1, 64, 700]);
        rows.add(&of(&[2, 2000]));
        assert_eq!(places(&rows), [1, 2, 64, 700, 2000]);
        rows.keep(&of(&[2, 64, 65]));
        assert_eq!(places(&rows), [2, 64]);
        rows.keep(&Rows::default());
        assert!(rows.is_empty());
    }

    #[test]
    fn it_is_full_with_its_messages_or_with_their_terms() {
        let mut growing = Growing::default();
        for number in 0..MESSAGES as i64 {
            assert!(!growing.is_full());
            growing.add(number, &[]);
        }
        assert!(growing.is_full());
        assert_eq!(growing.ends(), Some((0, MESSAGES as i64 - 1)));
        let mut growing = Growing::default();
        growing.add(0, &vec![Term(0); POSTINGS]);
        assert!(growing.is_full());
    }
}
