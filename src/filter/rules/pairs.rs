//! What a pair of bytes may be part of: so that most places of a text are left after one look at a small table.
//!
//! Bytes that are alike in all pairs are one class, so the table of a place with few patterns takes some hundred bytes.

use std::collections::HashMap;

use super::machine::is_word;

/// What may stand at a pair, as a set.
pub(super) type Signs = u8;

/// Numbers of both bytes of a pair, and whether part of a word stands before it.
const PAIRS: usize = 2 << 16;

/// All pairs, with what may stand at each: what a table is made from.
#[derive(Debug)]
pub(super) struct Marked {
    signs: Vec<Signs>,
    /// Bytes of pairs with signs.
    bytes: [bool; 256],
}

impl Marked {
    /// Nothing is marked yet.
    pub(super) fn new() -> Marked {
        Marked {
            signs: vec![0; PAIRS],
            bytes: [false; 256],
        }
    }

    /// Marks a pair.
    pub(super) fn mark(&mut self, after_word: bool, first: u8, second: u8, sign: Signs) {
        if let Some(signs) = self.signs.get_mut(place(after_word, first, second)) {
            *signs |= sign;
        }
        for byte in [first, second] {
            if let Some(marked) = self.bytes.get_mut(usize::from(byte)) {
                *marked = true;
            }
        }
    }

    fn of(&self, after_word: bool, first: u8, second: u8) -> Signs {
        let signs = self.signs.get(place(after_word, first, second));
        signs.copied().unwrap_or(0)
    }

    /// The signs of all pairs with a byte.
    fn around(&self, byte: u8) -> Vec<Signs> {
        let others = [false, true].into_iter();
        let others = others.flat_map(|word| (0..=u8::MAX).map(move |other| (word, other)));
        let around = others
            .flat_map(|(word, other)| [self.of(word, byte, other), self.of(word, other, byte)]);
        around.collect()
    }
}

fn place(after_word: bool, first: u8, second: u8) -> usize {
    usize::from(after_word) << 16 | usize::from(first) << 8 | usize::from(second)
}

/// A table of pairs.
#[derive(Debug)]
pub(super) struct Pairs {
    classes: [u8; 256],
    words: [bool; 256],
    /// Number of classes.
    width: usize,
    /// By whether part of a word stands before, then by the classes of both bytes.
    signs: Vec<Signs>,
}

impl Pairs {
    /// The table of what is marked.
    pub(super) fn new(marked: &Marked) -> Pairs {
        // One byte of each class. All bytes without signs are alike.
        let mut members: Vec<u8> = Vec::new();
        let mut known: HashMap<Vec<Signs>, u8> = HashMap::new();
        let mut classes = [0; 256];
        for ((byte, class), marked_at) in (0..=u8::MAX).zip(&mut classes).zip(&marked.bytes) {
            let around = match marked_at {
                true => marked.around(byte),
                false => Vec::new(),
            };
            *class = *known.entry(around).or_insert_with(|| {
                members.push(byte);
                // There are no more classes than bytes.
                u8::try_from(members.len() - 1).unwrap_or(u8::MAX)
            });
        }
        let mut signs = Vec::with_capacity(2 * members.len() * members.len());
        for after_word in [false, true] {
            for first in &members {
                signs.extend(
                    members
                        .iter()
                        .map(|second| marked.of(after_word, *first, *second)),
                );
            }
        }
        Pairs {
            classes,
            words: std::array::from_fn(|byte| u8::try_from(byte).is_ok_and(is_word)),
            width: members.len(),
            signs,
        }
    }

    /// Tells of each pair of a text that has signs: where it stands, whether behind part of a word, and its signs.
    #[inline]
    pub(super) fn look(&self, text: &[u8], mut tell: impl FnMut(usize, bool, Signs)) {
        let class = |byte: u8| {
            self.classes
                .get(usize::from(byte))
                .map_or(0, |c| usize::from(*c))
        };
        let mut after_word = false;
        let mut row = text.first().map_or(0, |first| class(*first) * self.width);
        for (at, [first, second]) in text.array_windows().enumerate() {
            let column = class(*second);
            let signs = self.signs.get(row + column).copied().unwrap_or(0);
            if signs != 0 {
                tell(at, after_word, signs);
            }
            after_word = self
                .words
                .get(usize::from(*first))
                .copied()
                .unwrap_or(false);
            row = (usize::from(after_word) * self.width + column) * self.width;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Break it by taking a byte that is marked as the second of a pair only for one that is not marked.
        #[test]
        fn what_is_told_is_what_was_marked(
            pairs in proptest::collection::vec((any::<bool>(), b'Z'..b'e', b'Z'..b'e', 1..8_u8), 0..20),
            text in "[Z-e ]{0,20}",
        ) {
            let mut marked = Marked::new();
            for (after_word, first, second, sign) in &pairs {
                marked.mark(*after_word, *first, *second, *sign);
            }
            let mut told = Vec::new();
            Pairs::new(&marked).look(text.as_bytes(), |at, word, signs| told.push((at, word, signs)));
            let bytes = text.as_bytes();
            let mut expected = Vec::new();
            for at in 0..bytes.len().saturating_sub(1) {
                let word = at > 0 && is_word(bytes[at - 1]);
                let here = pairs.iter().filter(|p| (p.0, p.1, p.2) == (word, bytes[at], bytes[at + 1]));
                let signs = here.fold(0, |signs, p| signs | p.3);
                if signs != 0 {
                    expected.push((at, word, signs));
                }
            }
            prop_assert_eq!(told, expected);
        }
    }
}
