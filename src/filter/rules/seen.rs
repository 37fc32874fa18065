//! What the gates saw in the texts of one message, by leaf.

use super::condition::Index;
use super::gate::{Gate, Sighting};
use super::ruleset::RuleSet;
use super::sparse::Sparse;
use super::texts::Texts;

/// What the gates saw.
pub(super) struct Seen {
    /// By place.
    sightings: Vec<Vec<Sighting>>,
    /// By leaf: where its own are among those of its place.
    own: Sparse<(u32, u32)>,
    /// The leaves that have any.
    leaves: Vec<Index>,
}

impl Seen {
    /// Looks at the texts of every place.
    pub(super) fn new(set: &RuleSet, texts: &Texts<'_>) -> Seen {
        let look = |(place, gate): (Index, &Option<Gate>)| match gate {
            Some(gate) => gate.look(texts.of(place)),
            None => Vec::new(),
        };
        let mut seen = Seen {
            sightings: set.gates.iter().enumerate().map(look).collect(),
            own: Sparse::new(set.leaves.len()),
            leaves: Vec::new(),
        };
        for of_place in &seen.sightings {
            let mut from = 0;
            for of_leaf in of_place.chunk_by(|a, b| a.leaf == b.leaf) {
                let to = from + of_leaf.len() as u32;
                let leaf = of_leaf.first().map_or(0, |s| s.leaf as usize);
                if let Some(own) = seen.own.entry(leaf) {
                    *own = (from, to);
                }
                seen.leaves.push(leaf);
                from = to;
            }
        }
        seen
    }

    /// What was seen of a leaf of that place.
    pub(super) fn of(&self, place: Index, leaf: Index) -> &[Sighting] {
        let (from, to) = self.own.get(leaf);
        let of_place = self.sightings.get(place);
        let own = of_place.and_then(|all| all.get(from as usize..to as usize));
        own.unwrap_or_default()
    }

    /// The leaves of which something was seen.
    pub(super) fn leaves(&self) -> impl Iterator<Item = Index> {
        self.leaves.iter().copied()
    }
}
