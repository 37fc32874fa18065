//! Near duplicates: messages that are mostly the same form one cluster.
//!
//! An evaluation that learns one copy of a mass mailing and is asked about another tells nothing. So
//! clusters stay on one side of every split. Messages are compared by sketches of their features
//! (one-permutation minwise hashing; Li, Owen and Zhang 2012): those that share four fifths of their
//! features are nearly always found, those that share less than half seldom.

use std::collections::HashMap;

use crate::mail::Mail;

use super::features::{Settings, features};

const BINS: usize = 48;
const ROWS: usize = 6;

/// What is kept of a message for comparing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch([u32; BINS]);

impl Sketch {
    /// The sketch of a message, from all that the classifier reads of it.
    pub fn of_mail(mail: &Mail) -> Sketch {
        let settings = Settings::default();
        Sketch::of(&features(mail, &settings, settings.max_bytes as usize).hashes)
    }

    /// The smallest feature of each bin.
    pub(super) fn of(features: &[u64]) -> Sketch {
        let mut bins = [u32::MAX; BINS];
        for feature in features {
            let mixed = feature.wrapping_mul(0x9FB2_1C65_1E98_DF25);
            let bin = ((mixed >> 32) as usize * BINS) >> 32;
            if let Some(least) = bins.get_mut(bin) {
                *least = (*least).min(mixed as u32);
            }
        }
        Sketch(bins)
    }
}

/// The cluster of each message, in the order of `sketches`: the index of its first member.
pub fn clusters<'a>(sketches: impl Iterator<Item = &'a Sketch>) -> Vec<usize> {
    let mut parents: Vec<usize> = Vec::new();
    let mut bands: HashMap<(usize, [u32; ROWS]), usize> = HashMap::new();
    for (index, sketch) in sketches.enumerate() {
        parents.push(index);
        for (number, rows) in sketch.0.chunks_exact(ROWS).enumerate() {
            let Ok(rows) = <[u32; ROWS]>::try_from(rows) else {
                continue;
            };
            // Messages of a few words fill few bins; that they share empty ones means nothing.
            if rows.iter().filter(|r| **r == u32::MAX).count() > ROWS / 2 {
                continue;
            }
            let other = *bands.entry((number, rows)).or_insert(index);
            let (a, b) = (root(&mut parents, other), root(&mut parents, index));
            if let Some(parent) = parents.get_mut(a.max(b)) {
                *parent = a.min(b);
            }
        }
    }
    (0..parents.len()).map(|i| root(&mut parents, i)).collect()
}

fn root(parents: &mut [usize], mut at: usize) -> usize {
    while let Some(parent) = parents.get(at).copied().filter(|p| *p != at) {
        let grandparent = parents.get(parent).copied().unwrap_or(parent);
        if let Some(slot) = parents.get_mut(at) {
            *slot = grandparent;
        }
        at = parent;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::bayes::logistic::Random;

    #[test]
    fn copies_with_small_changes_cluster_and_strangers_do_not() {
        let mut random = Random(9);
        let mut sketches = Vec::new();
        for _ in 0..100 {
            let mut features: Vec<u64> = (0..400).map(|_| random.next()).collect();
            sketches.push(Sketch::of(&features));
            for feature in features.iter_mut().take(16) {
                *feature = random.next();
            }
            sketches.push(Sketch::of(&features));
        }
        let clusters = clusters(sketches.iter());
        let pairs = clusters.chunks(2).filter(|p| p[0] == p[1]).count();
        assert!(pairs >= 95, "{pairs} of 100 pairs found");
        let mut heads: Vec<usize> = clusters.iter().step_by(2).copied().collect();
        heads.dedup();
        assert_eq!(heads.len(), 100, "strangers were put together");
    }
}
