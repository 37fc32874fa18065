//! A few bytes that are looked for several places at once.

use super::machine::Bytes;

/// Most bytes of a set that is looked for by itself.
const MOST: usize = 3;

/// One to three bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Needles {
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
}

impl Needles {
    /// The bytes of a set; `None` where they are more, or none.
    pub(super) fn of(set: &Bytes) -> Option<Needles> {
        let bytes: Vec<u8> = set.iter().take(MOST + 1).collect();
        match *bytes {
            [a] => Some(Needles::One(a)),
            [a, b] => Some(Needles::Two(a, b)),
            [a, b, c] => Some(Needles::Three(a, b, c)),
            _ => None,
        }
    }

    /// The first place of any of them.
    pub(super) fn find(self, text: &[u8]) -> Option<usize> {
        match self {
            Needles::One(a) => memchr::memchr(a, text),
            Needles::Two(a, b) => memchr::memchr2(a, b, text),
            Needles::Three(a, b, c) => memchr::memchr3(a, b, c, text),
        }
    }

    /// The last place of any of them.
    pub(super) fn find_last(self, text: &[u8]) -> Option<usize> {
        match self {
            Needles::One(a) => memchr::memrchr(a, text),
            Needles::Two(a, b) => memchr::memrchr2(a, b, text),
            Needles::Three(a, b, c) => memchr::memrchr3(a, b, c, text),
        }
    }
}
