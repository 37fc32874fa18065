//! The grams of literals: some bytes of each, few enough to be a number, that are rarest in mail.
//!
//! Before the table of what they stand for lies a bitmap of their hashes that fits into the cache, so that a place of
//! a text where none of them ends is left in a nanosecond.

use std::collections::BTreeMap;

/// Where a gram stands in a literal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) literal: u32,
    pub(super) offset: u32,
}

/// The bytes of a text up to one place: the last in the highest place of a number, the one before it in the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window(u64);

impl Window {
    /// At a place of a text, its letters in lower case. Before the text stand zeros.
    #[inline]
    pub(super) fn before(text: &[u8], end: usize) -> Window {
        let bytes = end
            .checked_sub(8)
            .and_then(|from| text.get(from..end)?.try_into().ok());
        let bytes = bytes.map(u64::from_le_bytes).unwrap_or_else(|| {
            let first = text.get(..end).unwrap_or_default();
            Window::at_end(first).0
        });
        Window(lower(bytes))
    }

    /// One byte further.
    #[inline]
    fn pushed(self, byte: u8) -> Window {
        Window(self.0 >> 8 | u64::from(byte) << 56)
    }

    /// The last bytes, 1 to 8.
    #[inline]
    pub(super) fn gram(self, width: usize) -> u64 {
        self.0 >> (64 - 8 * width)
    }

    /// At the end of some bytes.
    pub(super) fn at_end(bytes: &[u8]) -> Window {
        bytes.iter().fold(Window(0), |w, b| w.pushed(*b))
    }
}

/// Eight bytes, the letters of ASCII in lower case.
#[inline]
fn lower(bytes: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Bit 7 of each byte that is `A` or above, and of each above `Z`; no sum reaches the next byte.
    let low = bytes & (EACH * 0x7f);
    let from_a = low + EACH * (0x80 - 0x41);
    let above_z = low + EACH * (0x7f - 0x5a);
    let capitals = from_a & !above_z & !bytes & (EACH * 0x80);
    bytes | capitals >> 2
}

/// Which grams there are, with some mistakes: what it denies is not there.
#[derive(Debug)]
pub(super) struct Bitmap {
    words: Vec<u64>,
    /// Bits that a hash is shifted down by, to number a bit.
    shift: u32,
}

/// Bits for each gram: few enough bits are set that chance seldom finds one.
const BITS_A_GRAM: usize = 24;

impl Bitmap {
    pub(super) fn new(grams: impl ExactSizeIterator<Item = u64>) -> Bitmap {
        let count = grams.len();
        let bits = (count * BITS_A_GRAM).max(256).next_power_of_two();
        let mut bitmap = Bitmap {
            words: vec![0; if count == 0 { 0 } else { bits / 64 }],
            shift: 64 - bits.trailing_zeros(),
        };
        for gram in grams {
            let bit = hash(gram) >> bitmap.shift;
            if let Some(word) = bitmap.words.get_mut(bit as usize / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        bitmap
    }

    #[inline]
    pub(super) fn may_hold(&self, gram: u64) -> bool {
        let bit = hash(gram) >> self.shift;
        self.words
            .get(bit as usize / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }
}

/// The grams of one width.
#[derive(Debug)]
pub(super) struct Grams {
    bitmap: Bitmap,
    /// By hash, open addressing: a gram, and its places in `places`. An empty slot has no places.
    slots: Vec<(u64, u32, u32)>,
    shift: u32,
    places: Vec<Place>,
}

impl Grams {
    pub(super) fn new(chosen: BTreeMap<u64, Vec<Place>>) -> Grams {
        let size = (chosen.len() * 2).max(2).next_power_of_two();
        let mut grams = Grams {
            bitmap: Bitmap::new(chosen.keys().copied()),
            slots: vec![(0, 0, 0); size],
            shift: 64 - size.trailing_zeros(),
            places: Vec::new(),
        };
        for (gram, places) in chosen {
            let (from, count) = (grams.places.len(), places.len());
            grams.places.extend(places);
            let free = grams.probe(gram).find(|i| {
                let slot = grams.slots.get(*i);
                slot.is_some_and(|(_, _, count)| *count == 0)
            });
            if let Some(slot) = free.and_then(|i| grams.slots.get_mut(i)) {
                let (from, count) = (u32::try_from(from), u32::try_from(count));
                *slot = (gram, from.unwrap_or(0), count.unwrap_or(0));
            }
        }
        grams
    }

    #[inline]
    pub(super) fn may_hold(&self, gram: u64) -> bool {
        self.bitmap.may_hold(gram)
    }

    /// Where a gram stands.
    pub(super) fn places(&self, gram: u64) -> &[Place] {
        for i in self.probe(gram) {
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

    /// Slots from that of a gram on, each once; their number is a power of two.
    fn probe(&self, gram: u64) -> impl Iterator<Item = usize> + use<> {
        let (size, first) = (self.slots.len(), (hash(gram) >> self.shift) as usize);
        (0..size).map(move |i| (first + i) & (size - 1))
    }
}

/// Multiplicative hashing; the high bits are the good ones.
#[inline]
fn hash(gram: u64) -> u64 {
    gram.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
