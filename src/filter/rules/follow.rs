//! What stands behind a run: of all places where a run may end, only those are worth a try where the next byte fits.

use super::machine::Bytes;
use super::needles::Needles;

/// The bytes with which a pattern goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Follow {
    first: Bytes,
    needles: Option<Needles>,
    /// It goes on only where a line begins.
    at_line: bool,
}

impl Follow {
    /// A pattern that goes on with one of these bytes, `at_line` only where a line begins.
    pub(super) fn new(first: Bytes, at_line: bool) -> Follow {
        Follow {
            needles: Needles::of(&first),
            first,
            at_line,
        }
    }

    /// The next place from one of a text to another, in this order and both included, where it can go on.
    pub(super) fn next(&self, text: &[u8], from: usize, to: usize) -> Option<usize> {
        match from <= to {
            true => self.ahead(text, from, to),
            false => self.behind(text, to, from),
        }
    }

    fn ahead(&self, text: &[u8], from: usize, to: usize) -> Option<usize> {
        let mut at = from;
        loop {
            if self.at_line && at > 0 {
                at += memchr::memchr(b'\n', text.get(at - 1..to)?)?;
            }
            let within = text.get(at..text.len().min(to + 1))?;
            if self.at_line {
                if self.first.contain(*within.first()?) {
                    return Some(at);
                }
                at += 1;
                continue;
            }
            let found = match self.needles {
                Some(needles) => needles.find(within),
                None => within.iter().position(|byte| self.first.contain(*byte)),
            };
            return Some(at + found?);
        }
    }

    fn behind(&self, text: &[u8], least: usize, from: usize) -> Option<usize> {
        let mut end = text.len().min(from + 1);
        loop {
            if self.at_line {
                let before = text.get(least.saturating_sub(1)..end.checked_sub(1)?)?;
                end = match memchr::memrchr(b'\n', before) {
                    Some(line) => least.saturating_sub(1) + line + 2,
                    None if least == 0 => 1,
                    None => return None,
                };
                let at = end - 1;
                if self.first.contain(*text.get(at)?) {
                    return Some(at);
                }
                end = at;
                continue;
            }
            let within = text.get(least..end)?;
            let found = match self.needles {
                Some(needles) => needles.find_last(within),
                None => within.iter().rposition(|byte| self.first.contain(*byte)),
            };
            return Some(least + found?);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Break it by looking for the beginning of a line from the place itself on.
        #[test]
        fn the_next_place_is_the_nearest_that_fits(
            members in "[a-e]{1,5}",
            at_line in any::<bool>(),
            text in "[a-f\n]{0,20}",
            from in 0..22_usize,
            to in 0..22_usize,
        ) {
            let (text, mut first) = (text.as_bytes(), Bytes::default());
            members.bytes().for_each(|byte| first.insert(byte..=byte));
            let (from, to) = (from.min(text.len()), to.min(text.len()));
            let fits = |at: &usize| {
                let line = *at == 0 || text[at - 1] == b'\n';
                text.get(*at).is_some_and(|byte| first.contain(*byte)) && (line || !at_line)
            };
            let nearest = match from <= to {
                true => (from..=to).find(fits),
                false => (to..=from).rev().find(fits),
            };
            prop_assert_eq!(Follow::new(first, at_line).next(text, from, to), nearest);
        }
    }
}
