//! The gate of a place: one pass over its texts tells which leaves can match there, and where.
//!
//! Patterns that hold no literal are sought by the bytes that they can begin with (`starts`). Of each literal the
//! three, four or six bytes that are rarest in mail are put into a table (`grams`). For each place of a text a table of
//! pairs of bytes (`pairs`) says, in a nanosecond, whether a gram may end there or a beginning stand; a bitmap of grams
//! that fits into the cache is asked next, and where it knows one, the whole literal is compared. So the time depends on
//! the text and hardly on the number of rules, and the memory is a few times the literals. An Aho-Corasick automaton
//! over the same literals took three times the time and ten times the memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::condition::Index;
use super::grams::{Bitmap, Grams, Place, Window};
use super::machine::{Program, is_word};
use super::pairs::{Marked, Pairs, Signs};
use super::rarity::rarity;
use super::sparse::Sparse;
use super::starts::Starts;
use super::starts_maker;

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

impl Sought {
    /// The share of the places of a text where it is expected.
    pub(super) fn share(&self) -> f64 {
        match self {
            Sought::Literals(literals) => literals.iter().map(|l| (-rarity(l)).exp2()).sum(),
            Sought::Start(program) => (-program.rarity(starts_maker::DEPTH)).exp2(),
        }
    }
}

/// All that the leaves of one place seek.
#[derive(Debug)]
pub(super) struct Gate {
    pairs: Pairs,
    literals: Vec<Literal>,
    /// The last four bytes of all grams of four and six bytes.
    ends: Bitmap,
    /// Of three, four and six bytes.
    grams: [Grams; 3],
    starts: Starts,
    seekers: Vec<Seeker>,
}

/// A pair of bytes that may be the last of a gram of three bytes, of a longer one, or the first of a beginning.
const SHORT_GRAM: Signs = 1;
const LONG_GRAM: Signs = 2;
const START: Signs = 4;

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
    told: Sparse<(u16, u32)>,
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
        let mut chosen: [BTreeMap<u64, Vec<Place>>; 3] = Default::default();
        let mut literals = Vec::with_capacity(order.len());
        for bytes in order {
            let number = u32::try_from(literals.len()).unwrap_or(u32::MAX);
            let width = match bytes.len() {
                short @ ..=4 => short,
                5 => 4,
                _ => 6,
            };
            let rarest = bytes
                .windows(width)
                .enumerate()
                .max_by(|(_, a), (_, b)| rarity(a).total_cmp(&rarity(b)));
            if let Some((offset, gram)) = rarest {
                let [three, four, six] = &mut chosen;
                let of_width = match width {
                    6 => six,
                    4 => four,
                    _ => three,
                };
                let gram = Window::at_end(gram).gram(width);
                of_width.entry(gram).or_default().push(Place {
                    literal: number,
                    offset: u32::try_from(offset).unwrap_or(0),
                });
            }
            literals.push(Literal {
                bytes: bytes.into(),
                seekers: by_literal.remove(bytes).unwrap_or_default().into(),
            });
        }
        let [three, four, six] = &chosen;
        // The last four bytes of a number are its upper ones.
        let ends: BTreeSet<u64> = four
            .keys()
            .copied()
            .chain(six.keys().map(|g| g >> 16))
            .collect();
        let starts = Starts::new(&starts);
        let mut marked = Marked::new();
        for (after_word, first, second) in starts.pairs() {
            marked.mark(after_word, first, second, START);
        }
        let shorts = three.keys().map(|gram| (gram >> 8, SHORT_GRAM));
        for (gram, sign) in shorts.chain(ends.iter().map(|gram| (gram >> 16, LONG_GRAM))) {
            mark_any_case(gram, sign, &mut marked);
        }
        Gate {
            pairs: Pairs::new(&marked),
            literals,
            ends: Bitmap::new(ends.into_iter()),
            grams: chosen.map(Grams::new),
            starts,
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
            told: Sparse::new(self.seekers.len()),
        };
        for (number, text) in (0..).zip(texts) {
            self.look_at(number, text, &mut seen);
        }
        seen.sightings.sort_unstable();
        seen.sightings.dedup();
        seen.sightings
    }

    fn look_at(&self, number: u32, text: &[u8], seen: &mut Seen) {
        let begun = |seeker: u32, at: usize, seen: &mut Seen| {
            let at = u32::try_from(at).unwrap_or(Sighting::MORE);
            self.tell(seeker as usize, number, at, seen);
        };
        for seeker in &self.starts.beginning {
            begun(*seeker, 0, seen);
        }
        let [three, _, _] = &self.grams;
        self.pairs.look(text, |at, after_word, signs| {
            if signs & START != 0 {
                self.starts
                    .walk(text, at, after_word, &mut |who, at| begun(who, at, seen));
            }
            if signs & (SHORT_GRAM | LONG_GRAM) == 0 {
                return;
            }
            let end = at + 2;
            let window = Window::before(text, end);
            if signs & LONG_GRAM != 0 && self.ends.may_hold(window.gram(4)) {
                self.compare_long(window, end, number, text, seen);
            }
            if signs & SHORT_GRAM != 0 && three.may_hold(window.gram(3)) {
                let gram = window.gram(3);
                self.compare(three, gram, end.checked_sub(3), number, text, seen);
            }
        });
        // The last byte begins no pair.
        if let [rest @ .., _] = text {
            let after_word = rest.last().is_some_and(|byte| is_word(*byte));
            self.starts
                .walk(text, rest.len(), after_word, &mut |who, at| {
                    begun(who, at, seen)
                });
        }
    }

    #[inline(never)]
    fn compare_long(&self, window: Window, end: usize, number: u32, text: &[u8], seen: &mut Seen) {
        let [_, four, six] = &self.grams;
        for (grams, width) in [(four, 4), (six, 6)] {
            let gram = window.gram(width);
            if grams.may_hold(gram) {
                self.compare(grams, gram, end.checked_sub(width), number, text, seen);
            }
        }
    }

    #[cold]
    fn compare(
        &self,
        grams: &Grams,
        gram: u64,
        at: Option<usize>,
        number: u32,
        text: &[u8],
        seen: &mut Seen,
    ) {
        // Before the text a window holds zeros.
        let Some(at) = at else {
            return;
        };
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
            (self.seekers.get(seeker).copied(), seen.told.entry(seeker))
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

/// Marks two bytes, the first of them the lower in `pair`, in any case and wherever they stand.
fn mark_any_case(pair: u64, sign: Signs, marked: &mut Marked) {
    let [first, second, ..] = pair.to_le_bytes();
    for after_word in [false, true] {
        for first in [first, first.to_ascii_uppercase()] {
            for second in [second, second.to_ascii_uppercase()] {
                marked.mark(after_word, first, second, sign);
            }
        }
    }
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
        /// Break it by leaving out the grams of any one width.
        #[test]
        fn every_occurrence_is_seen(
            literals in proptest::collection::vec("[abC]{3,9}", 1..12),
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
