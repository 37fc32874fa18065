//! Captures: what the groups of a pattern hold at some moment of a search, for references back. Each set is kept
//! once and known by a number, so that it can be part of a key.

use super::backtracker::Exceeded;

/// Most sets of groups that one text may take.
const MOST: usize = 1 << 12;
/// Begin of an open group, begin and end of a closed one.
const UNSET: [u32; 3] = [u32::MAX; 3];

/// The number of a set of groups.
pub(super) type Captures = u32;
/// No group has begun.
pub(super) const NO_CAPTURES: Captures = 0;

/// The sets of groups of one text.
#[derive(Debug, Default)]
pub(super) struct CaptureSets {
    sets: Vec<Box<[[u32; 3]]>>,
}

impl CaptureSets {
    pub(super) fn forget(&mut self) {
        self.sets.clear();
    }

    /// Sets that are known.
    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }

    /// The bytes that a closed group holds.
    pub(super) fn held<'t>(
        &self,
        captures: Captures,
        group: usize,
        text: &'t [u8],
    ) -> Option<&'t [u8]> {
        let [_, begin, end] = *self.set(captures)?.get(group)?;
        text.get(begin as usize..end as usize)
    }

    /// The groups once this one begins.
    pub(super) fn opened(
        &mut self,
        captures: Captures,
        group: usize,
        at: usize,
    ) -> Result<Captures, Exceeded> {
        self.changed(captures, group, |held| held[0] = at as u32)
    }

    /// The groups once this one ends.
    pub(super) fn closed(
        &mut self,
        captures: Captures,
        group: usize,
        at: usize,
    ) -> Result<Captures, Exceeded> {
        self.changed(captures, group, |held| {
            *held = [held[0], held[0], at as u32]
        })
    }

    fn set(&self, captures: Captures) -> Option<&[[u32; 3]]> {
        let set = self.sets.get(captures.checked_sub(1)? as usize)?;
        Some(set)
    }

    fn changed(
        &mut self,
        captures: Captures,
        group: usize,
        change: impl FnOnce(&mut [u32; 3]),
    ) -> Result<Captures, Exceeded> {
        let mut held = self.set(captures).map_or_else(Vec::new, <[_]>::to_vec);
        if held.len() <= group {
            held.resize(group + 1, UNSET);
        }
        if let Some(one) = held.get_mut(group) {
            change(one);
        }
        let known = self.sets.iter().rposition(|other| **other == *held);
        let number = match known {
            Some(number) => number,
            None if self.sets.len() < MOST => {
                self.sets.push(held.into());
                self.sets.len() - 1
            }
            None => return Err(Exceeded),
        };
        Ok(number as Captures + 1)
    }
}
