//! Where runs of bytes end: what attempts on one text have seen of them.

use std::ops::Range;

use super::machine::Bytes;

/// By number of the mark: the run without a bound that was seen last.
#[derive(Debug, Default)]
pub(super) struct Runs {
    last: Vec<Range<usize>>,
}

impl Runs {
    /// Forgets what was seen, for another text.
    pub(super) fn forget(&mut self) {
        self.last.clear();
    }

    /// Where the bytes of a set end that stand at this place, at most so many, and how many bytes were looked at. Of a
    /// run without a bound it is remembered where it was seen last, so that no byte is looked at from each place before
    /// it.
    pub(super) fn end(
        &mut self,
        mark: u32,
        set: &Bytes,
        most: usize,
        text: &[u8],
        at: usize,
    ) -> (usize, usize) {
        let ahead = text.get(at..).unwrap_or_default();
        let length = |ahead: &[u8]| ahead.iter().take_while(|byte| set.contain(**byte)).count();
        if most < usize::MAX {
            let length = length(ahead.get(..most).unwrap_or(ahead));
            return (at + length, length);
        }
        let mark = mark as usize;
        if self.last.len() <= mark {
            self.last.resize(mark + 1, 0..0);
        }
        let Some(last) = self.last.get_mut(mark) else {
            return (at, 0);
        };
        let mut looked = 0;
        if !last.contains(&at) {
            let before = match last.start < last.end {
                true => last.start.checked_sub(at).and_then(|n| ahead.get(..n)),
                false => None,
            };
            looked = length(before.unwrap_or(ahead));
            // It may go on as what was seen last.
            *last = match before.is_some_and(|before| before.len() == looked) {
                true => at..last.end,
                false => at..at + looked,
            };
        }
        (last.end.max(at), looked)
    }
}
