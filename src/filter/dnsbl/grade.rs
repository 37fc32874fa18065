//! What the answers of a list are worth.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::filter::Action;

/// What a hit says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grade {
    pub(super) id: Arc<str>,
    pub(super) score: f64,
    pub(super) decisive: Option<Action>,
    /// Whether other lists do not count against what is listed so.
    pub(super) exempt: bool,
}

/// Some answers and their hit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Code {
    pub(super) patterns: Vec<Pattern>,
    pub(super) grade: Grade,
}

/// Which answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    /// Those in the range.
    Range(RangeInclusive<Ipv4Addr>),
    /// Those with these octets, where one is given.
    Octets([Option<u8>; 4]),
    /// Those with one of these bits in the last three octets.
    Mask(u32),
}

impl Pattern {
    pub(super) fn takes(&self, code: Ipv4Addr) -> bool {
        match self {
            Pattern::Range(range) => range.contains(&code),
            Pattern::Octets(octets) => octets
                .iter()
                .zip(code.octets())
                .all(|(wanted, octet)| wanted.is_none_or(|w| w == octet)),
            Pattern::Mask(mask) => code.to_bits() & 0x00ff_ffff & mask != 0,
        }
    }
}

impl Code {
    pub(super) fn takes(&self, code: Ipv4Addr) -> bool {
        self.patterns.iter().any(|p| p.takes(code))
    }
}
