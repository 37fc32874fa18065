//! Groups: rules that say much the same in many ways, so that together they must not weigh too much.

use std::sync::Arc;

use super::condition::Index;
use crate::filter::Hit;

/// A group of rules.
#[derive(Debug)]
pub struct Group {
    pub(super) name: Arc<str>,
    pub(super) description: String,
    pub(super) cap: f64,
    pub(super) origin: String,
}

impl Group {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its rules have in common.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Most points of all its hits together, either way.
    pub fn cap(&self) -> f64 {
        self.cap
    }

    /// Where it was written, `file:line`.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// Takes from the hits of each group what exceeds its cap: from the last hit to the first, so that those that
/// come first in the files keep their points. A hit that gave points up says how many it had.
pub(super) fn cap(hits: &mut [(Option<Index>, Hit)], groups: &[Group]) {
    for (number, group) in groups.iter().enumerate() {
        let of_group = |hit: &(Option<Index>, Hit)| hit.0 == Some(number);
        let sum: f64 = hits.iter().filter(|h| of_group(h)).map(|h| h.1.score).sum();
        let mut excess = sum.abs() - group.cap;
        let sign = sum.signum();
        for (_, hit) in hits.iter_mut().rev().filter(|h| of_group(h)) {
            // Points against the sum are not what exceeds it.
            let taken = (hit.score * sign).clamp(0.0, excess.max(0.0));
            if taken > 0.0 {
                hit.uncapped = Some(hit.score);
                hit.score -= taken * sign;
                excess -= taken;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capped(cap_at: f64, scores: &[f64]) -> Vec<f64> {
        let group = Group {
            name: "g".into(),
            description: String::new(),
            cap: cap_at,
            origin: String::new(),
        };
        let mut hits: Vec<_> = scores
            .iter()
            .map(|s| (Some(0), Hit::new("A", *s, "")))
            .collect();
        hits.push((None, Hit::new("B", 50.0, "")));
        cap(&mut hits, &[group]);
        assert_eq!(hits.last().map(|h| h.1.score), Some(50.0));
        hits.iter().take(scores.len()).map(|h| h.1.score).collect()
    }

    #[test]
    fn the_sum_of_a_group_ends_at_its_cap() {
        assert_eq!(capped(4.0, &[1.0, 2.0]), [1.0, 2.0]);
        assert_eq!(capped(4.0, &[1.0, 2.0, 3.0, 1.0]), [1.0, 2.0, 1.0, 0.0]);
        assert_eq!(capped(2.0, &[-1.0, -3.0]), [-1.0, -1.0]);
        assert_eq!(capped(2.0, &[3.0, -2.0, 2.0]), [3.0, -2.0, 1.0]);
    }
}
