//! What rules cost, measured message by message.

use std::time::Duration;

/// What conditions have cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How many conditions on places, elements, numbers and relations were looked at.
    pub runs: u64,
    /// Wall time of that. The first rule that looks at a place pays for taking out its texts and for the
    /// pass over them that tells which patterns can match.
    pub time: Duration,
}

impl Cost {
    /// Adds another.
    pub fn add(&mut self, other: Cost) {
        self.runs += other.runs;
        self.time += other.time;
    }
}
