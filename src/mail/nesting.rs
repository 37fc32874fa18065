//! The open elements around the text that is being read: how it is shown, and what a tag closes.

use super::element::ended_by;
use super::sight::Sight;

/// Open elements whose state is kept; deeper ones are only counted.
pub(super) const DEPTH: usize = 256;

/// Open elements, the outermost first.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    open: Vec<(u64, Sight)>,
    /// Open elements beyond those kept.
    deeper: usize,
    /// Whether there were any, so that it is not known what an end tag closes.
    lost: bool,
}

impl Nesting {
    /// How text is shown here.
    pub(super) fn sight(&self) -> Sight {
        self.open.last().map_or(Sight::PAGE, |(_, sight)| *sight)
    }

    /// Whether text here is hidden, as far as that is known.
    pub(super) fn hides(&self) -> bool {
        self.sight().hidden() && !self.lost
    }

    /// An element starts, inside of which text is shown like that.
    pub(super) fn open(&mut self, name: &[u8], sight: Sight) {
        if self.open.len() < DEPTH {
            self.open.push((key(name), sight));
        } else {
            self.deeper += 1;
            self.lost = true;
        }
    }

    /// An end tag.
    pub(super) fn close(&mut self, name: &[u8]) {
        if self.deeper > 0 {
            self.deeper -= 1;
            return;
        }
        let key = key(name);
        if let Some(at) = self.open.iter().rposition(|(k, _)| *k == key) {
            self.open.truncate(at);
        }
    }

    /// Closes what ends where an element of that name starts (WHATWG HTML, section 13.2.6).
    pub(super) fn close_implied(&mut self, name: &[u8]) {
        if self.deeper > 0 {
            return;
        }
        let ended = ended_by(name, &self.open, |(open, _), name| *open == key(name));
        if let Some(at) = ended {
            self.open.truncate(at);
        }
    }
}

/// A name as a number that is compared fast (FNV-1a).
fn key(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
