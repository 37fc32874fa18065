//! The gate of a place: one pass over its texts tells which leaves can match there, and where.
//!
//! Patterns that hold no literal are sought by the bytes that they can begin with (`starts`). Of each literal the
//! three or four bytes that are rarest in mail are put into a table. A bitmap that fits into the cache says for each place of a text, in a nanosecond, that none of them begins there;
//! where one might, the whole literal is compared. So the time depends on the text and hardly on the number
//! of rules, and the memory is a few times the literals. An Aho-Corasick automaton over the same literals
//! took three times the time and ten times the memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::condition::Index;
use super::machine::Program;
use super::rarity::rarity;
use super::starts::Starts;

/// Most sightings that one branch is told of, and most of a place altogether; where there are more, it is told
/// that there are.
const OF_BRANCH: u16 = 256;
const OF_PLACE: usize = 1 << 17;

/// A literal of a leaf, seen in a text of its place. They are sorted by leaf, text, branch and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sighting {
    pub(super) leaf: u32,
    /// Number of the text among those of the place.
    pub(super) text: u32,
    /// Branch of the leaf's pattern that the literal belongs to.
    pub(super) branch: u32,
    /// First byte of the literal, or [`Sighting::MORE`].
    pub(super) at: u32,
}

impl Sighting {
    /// There are more in this text than were told.
    pub(super) const MORE: u32 = u32::MAX;
}

/// Who looks for a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seeker {
    pub(super) leaf: u32,
    pub(super) branch: u32,
}

impl Seeker {
    /// A branch of a leaf. Limits on rules keep both far below what fits.
    pub(super) fn new(leaf: Index, branch: usize) -> Seeker {
        Seeker {
            leaf: u32::try_from(leaf).unwrap_or(u32::MAX),
            branch: u32::try_from(branch).unwrap_or(u32::MAX),
        }
    }
}

/// What is looked for on behalf of a seeker.
#[derive(Debug)]
pub(super) enum Sought {
    /// Any of these literals, in lower case, each of three bytes or more.
    Literals(Vec<Vec<u8>>),
    /// The first bytes of its matches.
    Start(Program),
}

/// All that the leaves of one place seek.
#[derive(Debug)]
pub(super) struct Gate {
    literals: Vec<Literal>,
    grams: [Grams; 2],
    starts: Starts,
    seekers: Vec<Seeker>,
}

#[derive(Debug)]
struct Literal {
    bytes: Box<[u8]>,
    /// Numbers of those who seek it.
    seekers: Box<[u32]>,
}

/// What is seen while a gate looks.
struct Seen {
    sightings: Vec<Sighting>,
    /// By seeker: how much it was told, and the text after the last one in which it was told that there is more.
    told: Vec<(u16, u32)>,
}

impl Gate {
    /// Builds a gate over what is sought, and who seeks it.
    pub(super) fn new(entries: &[(Seeker, Sought)]) -> Gate {
        let mut by_literal: HashMap<&[u8], Vec<u32>> = HashMap::new();
        let mut order: Vec<&[u8]> = Vec::new();
        let mut starts = Vec::new();
        for (number, (_, sought)) in (0..).zip(entries) {
            let set = match sought {
                Sought::Literals(set) => set,
                Sought::Start(program) => {
                    starts.push((number, program));
                    continue;
                }
            };
            for literal in set {
                let seekers = by_literal.entry(literal).or_default();
                if seekers.is_empty() {
                    order.push(literal);
                }
                if seekers.last() != Some(&number) {
                    seekers.push(number);
                }
            }
        }
        let mut chosen: [BTreeMap<u32, Vec<Place>>; 2] = [BTreeMap::new(), BTreeMap::new()];
        let mut literals = Vec::with_capacity(order.len());
        for bytes in order {
            let number = u32::try_from(literals.len()).unwrap_or(u32::MAX);
            let width = bytes.len().min(4);
            let rarest = bytes
                .windows(width)
                .enumerate()
                .max_by(|(_, a), (_, b)| rarity(a).total_cmp(&rarity(b)));
            if let Some((offset, gram)) = rarest {
                let [three, four] = &mut chosen;
                let of_width = if width == 4 { four } else { three };
                of_width.entry(packed(gram)).or_default().push(Place {
                    literal: number,
                    offset: u32::try_from(offset).unwrap_or(0),
                });
            }
            literals.push(Literal {
                bytes: bytes.into(),
                seekers: by_literal.remove(bytes).unwrap_or_default().into(),
            });
        }
        Gate {
            literals,
            grams: chosen.map(Grams::new),
            starts: Starts::new(&starts),
            seekers: entries.iter().map(|(seeker, _)| *seeker).collect(),
        }
    }

    /// What is seen in texts.
    pub(super) fn look(&self, texts: &[Cow<'_, [u8]>]) -> Vec<Sighting> {
        // Most places of most messages hold no text: they cost no memory.
        if texts.is_empty() {
            return Vec::new();
        }
        let mut seen = Seen {
            sightings: Vec::new(),
            told: vec![(0, 0); self.seekers.len()],
        };
        for (number, text) in (0..).zip(texts) {
            self.look_at(number, text, &mut seen);
            self.starts.look(text, &mut |seeker, at| {
                let at = u32::try_from(at).unwrap_or(Sighting::MORE);
                self.tell(seeker as usize, number, at, &mut seen);
            });
        }
        seen.sightings.sort_unstable();
        seen.sightings.dedup();
        seen.sightings
    }

    fn look_at(&self, number: u32, text: &[u8], seen: &mut Seen) {
        let [three, four] = &self.grams;
        if self.literals.is_empty() {
            return;
        }
        let mut window = 0_u32;
        for (at, byte) in text.iter().enumerate() {
            // The last four bytes, the latest in the highest place.
            window = window >> 8 | u32::from(byte.to_ascii_lowercase()) << 24;
            if at >= 3 && four.may_hold(window) {
                self.compare(four, window, at - 3, number, text, seen);
            }
            if at >= 2 && three.may_hold(window >> 8) {
                self.compare(three, window >> 8, at - 2, number, text, seen);
            }
        }
    }

    #[cold]
    fn compare(
        &self,
        grams: &Grams,
        gram: u32,
        at: usize,
        number: u32,
        text: &[u8],
        seen: &mut Seen,
    ) {
        for place in grams.places(gram) {
            let Some(start) = at.checked_sub(place.offset as usize) else {
                continue;
            };
            let Some(literal) = self.literals.get(place.literal as usize) else {
                continue;
            };
            let held = text.get(start..start + literal.bytes.len());
            if !held.is_some_and(|held| held.eq_ignore_ascii_case(&literal.bytes)) {
                continue;
            }
            let at = u32::try_from(start).unwrap_or(Sighting::MORE);
            for seeker in &literal.seekers {
                self.tell(*seeker as usize, number, at, seen);
            }
        }
    }

    fn tell(&self, seeker: usize, text: u32, mut at: u32, seen: &mut Seen) {
        let (Some(Seeker { leaf, branch }), Some((told, more))) =
            (self.seekers.get(seeker).copied(), seen.told.get_mut(seeker))
        else {
            return;
        };
        if *told < OF_BRANCH && seen.sightings.len() < OF_PLACE {
            *told += 1;
        } else if *more <= text {
            *more = text + 1;
            at = Sighting::MORE;
        } else {
            return;
        }
        seen.sightings.push(Sighting {
            leaf,
            text,
            branch,
            at,
        });
    }
}

/// Where a gram stands in a literal.
#[derive(Clone, Copy, Debug)]
struct Place {
    literal: u32,
    offset: u32,
}

/// Three or four bytes as a number, the last in the highest place.
fn packed(gram: &[u8]) -> u32 {
    gram.iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The grams of one width: a bitmap of their hashes before a table of what they stand for.
#[derive(Debug)]
struct Grams {
    bitmap: Vec<u64>,
    /// Bits that a hash is shifted down by, to number a bit.
    shift: u32,
    /// By hash, open addressing: a gram, and its places in `places`. An empty slot has no places.
    slots: Vec<(u32, u32, u32)>,
    slot_shift: u32,
    places: Vec<Place>,
}

/// Bits of the bitmap for each gram: few enough bits are set that chance seldom finds one.
const BITS_A_GRAM: usize = 24;

impl Grams {
    fn new(chosen: BTreeMap<u32, Vec<Place>>) -> Grams {
        let bits = (chosen.len() * BITS_A_GRAM).max(256).next_power_of_two();
        let size = (chosen.len() * 2).max(2).next_power_of_two();
        let mut grams = Grams {
            bitmap: if chosen.is_empty() {
                Vec::new()
            } else {
                vec![0; bits / 64]
            },
            shift: 32 - bits.trailing_zeros(),
            slots: vec![(0, 0, 0); size],
            slot_shift: 32 - size.trailing_zeros(),
            places: Vec::new(),
        };
        for (gram, places) in chosen {
            let hash = hash(gram);
            let bit = hash >> grams.shift;
            if let Some(word) = grams.bitmap.get_mut(bit as usize / 64) {
                *word |= 1 << (bit % 64);
            }
            let (from, count) = (grams.places.len(), places.len());
            grams.places.extend(places);
            let free = probe(size, (hash >> grams.slot_shift) as usize)
                .find(|i| grams.slots.get(*i).is_some_and(|s| s.2 == 0));
            if let Some(slot) = free.and_then(|i| grams.slots.get_mut(i)) {
                let (from, count) = (u32::try_from(from), u32::try_from(count));
                *slot = (gram, from.unwrap_or(0), count.unwrap_or(0));
            }
        }
        grams
    }

    #[inline]
    fn may_hold(&self, gram: u32) -> bool {
        let bit = hash(gram) >> self.shift;
        self.bitmap
            .get(bit as usize / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    fn places(&self, gram: u32) -> &[Place] {
        for i in probe(self.slots.len(), (hash(gram) >> self.slot_shift) as usize) {
            match self.slots.get(i) {
                Some((held, from, count)) if *count > 0 => {
                    if *held == gram {
                        let (from, count) = (*from as usize, *count as usize);
                        return self.places.get(from..from + count).unwrap_or_default();
                    }
                }
                _ => break,
            }
        }
        &[]
    }
}

/// Slots from the first on, each once; `size` is a power of two.
fn probe(size: usize, first: usize) -> impl Iterator<Item = usize> {
    (0..size).map(move |i| (first + i) & (size - 1))
}

/// Multiplicative hashing; the high bits are the good ones.
#[inline]
fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9E37_79B1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(literals: &[&str], texts: &[&str]) -> Vec<(u32, u32, u32)> {
        let entries: Vec<_> = literals
            .iter()
            .enumerate()
            .map(|(leaf, literal)| {
                let sought = Sought::Literals(vec![literal.as_bytes().to_vec()]);
                (Seeker::new(leaf, 0), sought)
            })
            .collect();
        let texts: Vec<Cow<'_, [u8]>> = texts.iter().map(|t| Cow::Borrowed(t.as_bytes())).collect();
        let seen = Gate::new(&entries).look(&texts);
        seen.iter().map(|s| (s.leaf, s.text, s.at)).collect()
    }

    #[test]
    fn literals_are_seen_in_any_case_wherever_they_stand() {
        assert_eq!(
            seen(&["kin", "next of kin", "ext"], &["NEXT of Kin", "kin"]),
            [(0, 0, 8), (0, 1, 0), (1, 0, 0), (2, 0, 1)]
        );
        assert_eq!(seen(&["abc"], &["ab", "", "bc"]), []);
    }

    #[test]
    fn where_there_is_more_it_is_told_once() {
        let text = "abc ".repeat(usize::from(OF_BRANCH) + 10);
        let all = seen(&["abc"], &[&text, "abc", "x"]);
        assert_eq!(all.len(), usize::from(OF_BRANCH) + 2);
        let more = |text| (0, text, Sighting::MORE);
        assert!(all.contains(&more(0)) && all.contains(&more(1)) && !all.contains(&more(2)));
    }

    proptest! {
        /// Break it by leaving out the comparison of grams of three bytes.
        #[test]
        fn every_occurrence_is_seen(
            literals in proptest::collection::vec("[abC]{3,6}", 1..12),
            text in "[abcABC]{0,40}",
        ) {
            let lower: Vec<String> = literals.iter().map(|l| l.to_lowercase()).collect();
            let borrowed: Vec<&str> = lower.iter().map(String::as_str).collect();
            let mut expected = Vec::new();
            for (leaf, literal) in lower.iter().enumerate() {
                for at in 0..text.len() {
                    if text.to_lowercase().as_bytes()[at..].starts_with(literal.as_bytes()) {
                        expected.push((u32::try_from(leaf).unwrap(), 0, u32::try_from(at).unwrap()));
                    }
                }
            }
            expected.sort_unstable();
            prop_assert_eq!(seen(&borrowed, &[&text]), expected);
        }
    }
}
