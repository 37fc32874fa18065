//! Bounds of numbers that rules ask for: as written, checked, and as they run.

use serde_saphyr::Spanned;

use super::compile::Compiled;
use super::number::Unit;
use super::written;
use crate::config::{Problem, Source, span_of};

/// Bounds of a number, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) at_least: u64,
    pub(super) at_most: u64,
}

impl Bounds {
    /// One or more.
    pub(super) const SOME: Bounds = Bounds {
        at_least: 1,
        at_most: u64::MAX,
    };
    /// None at all.
    pub(super) const NONE: Bounds = Bounds {
        at_least: 0,
        at_most: 0,
    };

    pub(super) fn contain(self, n: usize) -> bool {
        let n = n as u64;
        self.at_least <= n && n <= self.at_most
    }

    /// Whether more of the same cannot change the answer any more.
    pub(super) fn settled(self, n: usize) -> bool {
        let n = n as u64;
        n > self.at_most || (self.at_most == u64::MAX && n >= self.at_least)
    }

    /// The number from which on it is settled.
    pub(super) fn enough(self) -> usize {
        let enough = match self.at_most {
            u64::MAX => self.at_least,
            most => most.saturating_add(1),
        };
        usize::try_from(enough).unwrap_or(usize::MAX)
    }
}

/// Bounds of a number that may be negative or have a fraction, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) at_least: f64,
    pub(super) at_most: f64,
}

impl Interval {
    /// Any number.
    pub(super) const ANY: Interval = Interval::new(f64::NEG_INFINITY, f64::INFINITY);
    /// 0 or 1.
    pub(super) const TRUTH: Interval = Interval::new(0.0, 1.0);

    /// From one number to another.
    pub(super) const fn new(at_least: f64, at_most: f64) -> Interval {
        Interval { at_least, at_most }
    }

    /// One number alone.
    pub(super) const fn only(n: f64) -> Interval {
        Interval::new(n, n)
    }

    /// What lies in either, and between them.
    pub(super) fn or(self, other: Interval) -> Interval {
        Interval::new(
            self.at_least.min(other.at_least),
            self.at_most.max(other.at_most),
        )
    }

    /// Whether its numbers are not 0; `None` where some may be 0 and others not.
    pub(super) fn truth(self) -> Option<bool> {
        match self.contain(0.0) {
            false => Some(true),
            true if self == Interval::only(0.0) => Some(false),
            true => None,
        }
    }

    pub(super) fn contain(self, n: f64) -> bool {
        self.at_least <= n && n <= self.at_most
    }
}

impl Compiled {
    pub(super) fn interval(
        &mut self,
        source: &Source,
        written: &Spanned<written::Interval>,
        unit: Unit,
    ) -> Interval {
        let given = written.value;
        let made = Interval {
            at_least: given.at_least.map_or(f64::NEG_INFINITY, |b| b.0),
            at_most: given.at_most.map_or(f64::INFINITY, |b| b.0),
        };
        let bounds: Vec<f64> = [given.at_least, given.at_most]
            .iter()
            .flatten()
            .map(|b| b.0)
            .collect();
        let lowest = if unit == Unit::Seconds { f64::MIN } else { 0.0 };
        let highest = if unit == Unit::Share { 1.0 } else { f64::MAX };
        let wrong = if bounds.is_empty() {
            "give `at_least`, `at_most` or both"
        } else if made.at_least > made.at_most {
            "`at_least` is larger than `at_most`: nothing can satisfy this"
        } else if bounds.iter().any(|b| !(lowest..=highest).contains(b)) {
            match unit {
                Unit::Share => "a share lies between 0 and 1",
                Unit::Seconds => "a bound is a finite number",
                _ => "this cannot be negative",
            }
        } else {
            return made;
        };
        self.problem(Problem::at(source, span_of(written), wrong));
        made
    }

    pub(super) fn bounds(&mut self, source: &Source, bounds: &Spanned<written::Bounds>) -> Bounds {
        let given = bounds.value;
        let made = Bounds {
            at_least: given.at_least.map_or(0, |b| b.0),
            at_most: given.at_most.map_or(u64::MAX, |b| b.0),
        };
        if given.at_least.is_none() && given.at_most.is_none() {
            self.problem(Problem::at(
                source,
                span_of(bounds),
                "give `at_least`, `at_most` or both",
            ));
        } else if made.at_least > made.at_most {
            self.problem(Problem::at(
                source,
                span_of(bounds),
                "`at_least` is larger than `at_most`: nothing can satisfy this",
            ));
        }
        made
    }
}
