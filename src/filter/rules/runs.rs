//! Runs of bytes: how far one goes, and what attempts on one text have seen of them.

use std::ops::Range;

use super::captures::Captures;
use super::machine::Bytes;
use super::needles::Needles;

/// Bytes of a set that stand together.
#[derive(Clone, Debug)]
pub(super) struct Run {
    set: Bytes,
    stop: Stop,
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) order: Order,
}

/// Which lengths of a run are tried, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    LongestFirst,
    ShortestFirst,
    /// Nothing that may follow begins with a byte of the run, so it cannot end earlier.
    LongestOnly,
}

/// By which a run is ended.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Nothing,
    At(Needles),
    /// Any byte that is not of the set.
    Others,
}

impl Run {
    /// Bytes of this set, fewest and most.
    pub(super) fn new(set: Bytes, least: usize, most: usize, order: Order) -> Run {
        let others = set.others();
        let stop = match Needles::of(&others) {
            Some(needles) => Stop::At(needles),
            None if others == Bytes::default() => Stop::Nothing,
            None => Stop::Others,
        };
        Run {
            set,
            stop,
            least,
            most,
            order,
        }
    }

    /// The bytes of the set, as first and last of those that follow each other.
    pub(super) fn ranges(&self) -> Vec<(u8, u8)> {
        self.set.ranges()
    }

    /// How many bytes of the set a text begins with.
    fn length(&self, text: &[u8]) -> usize {
        let end = match self.stop {
            Stop::Nothing => None,
            Stop::At(needles) => needles.find(text),
            Stop::Others => text.iter().position(|byte| !self.set.contain(*byte)),
        };
        end.unwrap_or(text.len())
    }
}

/// The memory of runs.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// By number of the mark: the run without a bound that was seen last.
    last: Vec<Range<usize>>,
    /// By number of the mark: the ends of runs without a bound from which it was tried to go on, or soon will be, first
    /// and last, and what the groups held.
    tried: Vec<Option<(Captures, usize, usize)>>,
}

impl Runs {
    /// Forgets what was seen, for another text.
    pub(super) fn forget(&mut self) {
        self.last.clear();
        self.tried.clear();
    }

    /// Where a run ends that begins at this place, and how many bytes were looked at. Of a run without a bound it is
    /// remembered where it was seen last, so that no byte is looked at from each place before it.
    pub(super) fn end(&mut self, mark: u32, run: &Run, text: &[u8], at: usize) -> (usize, usize) {
        let ahead = text.get(at..).unwrap_or_default();
        if run.most < usize::MAX {
            let length = run.length(ahead.get(..run.most).unwrap_or(ahead));
            return (at + length, length);
        }
        let Some(last) = entry(&mut self.last, mark) else {
            return (at, 0);
        };
        let mut looked = 0;
        if !last.contains(&at) {
            let before = match last.start < last.end {
                true => last.start.checked_sub(at).and_then(|n| ahead.get(..n)),
                false => None,
            };
            looked = run.length(before.unwrap_or(ahead));
            // It may go on as what was seen last.
            *last = match before.is_some_and(|before| before.len() == looked) {
                true => at..last.end,
                false => at..at + looked,
            };
        }
        (last.end.max(at), looked)
    }

    /// Of the ends of a run without a bound those from which it was not tried to go on, first and last; from now on
    /// they count as tried. Each path through the pattern comes by such a run once, so what was tried has failed.
    pub(super) fn untried(
        &mut self,
        mark: u32,
        captures: Captures,
        (first, last): (usize, usize),
    ) -> Option<(usize, usize)> {
        let tried = entry(&mut self.tried, mark)?;
        let known = tried
            .filter(|(held, from, to)| *held == captures && first <= to + 1 && *from <= last + 1);
        let Some((_, from, to)) = known else {
            *tried = Some((captures, first, last));
            return Some((first, last));
        };
        *tried = Some((captures, from.min(first), to.max(last)));
        match (first < from, last > to) {
            (false, false) => None,
            (true, false) => Some((first, from - 1)),
            (false, true) => Some((to + 1, last)),
            (true, true) => Some((first, last)),
        }
    }
}

/// The element of that number.
fn entry<T: Clone + Default>(all: &mut Vec<T>, number: u32) -> Option<&mut T> {
    let number = number as usize;
    if all.len() <= number {
        all.resize(number + 1, T::default());
    }
    all.get_mut(number)
}
