//! Near duplicates: messages that are mostly the same form one cluster.
//!
//! An evaluation that learns one copy of a mass mailing and is asked about another tells nothing. So
//! clusters stay on one side of every split. Messages are compared by sketches of their features
//! (one-permutation minwise hashing; Li, Owen and Zhang 2012): those that share four fifths of their
//! features are nearly always found, those that share less than half seldom.

use crate::mail::Mail;

use super::features::{Settings, features, mix};

const BANDS: usize = 8;
/// Bins of a band.
const ROWS: usize = 6;
const BINS: usize = BANDS * ROWS;

/// What is kept of a message for comparing: a number for each band, 0 for a band that says nothing. Messages that share a
/// number are taken for nearly the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch([u64; BANDS]);

impl Sketch {
    /// The sketch of a message, from all that the classifier reads of it.
    pub fn of_mail(mail: &Mail) -> Sketch {
        let settings = Settings::default();
        Sketch::of(&features(mail, &settings, settings.max_bytes as usize).hashes)
    }

    /// From the smallest feature of each bin.
    pub(super) fn of(features: &[u64]) -> Sketch {
        let mut bins = [u32::MAX; BINS];
        for feature in features {
            let mixed = feature.wrapping_mul(0x9FB2_1C65_1E98_DF25);
            let bin = ((mixed >> 32) as usize * BINS) >> 32;
            if let Some(least) = bins.get_mut(bin) {
                *least = (*least).min(mixed as u32);
            }
        }
        let mut bands = [0; BANDS];
        for (band, rows) in bands.iter_mut().zip(bins.chunks_exact(ROWS)) {
            // Messages of a few words fill few bins; that they share empty ones means nothing.
            if rows.iter().filter(|r| **r == u32::MAX).count() <= ROWS / 2 {
                *band = rows
                    .iter()
                    .fold(0, |number, row| mix(number, u64::from(*row)))
                    .max(1);
            }
        }
        Sketch(bands)
    }
}

/// The cluster of each message, in the order of `sketches`: the index of its first member.
pub fn clusters<'a>(sketches: impl Iterator<Item = &'a Sketch> + Clone) -> Vec<usize> {
    let mut parents: Vec<usize> = (0..sketches.clone().count()).collect();
    for band in 0..BANDS {
        let numbers = sketches.clone().map(|sketch| sketch.0.get(band).copied());
        let mut numbered: Vec<(u64, usize)> = numbers
            .enumerate()
            .filter_map(|(index, number)| Some((number.filter(|n| *n != 0)?, index)))
            .collect();
        numbered.sort_unstable();
        for pair in numbered.windows(2) {
            if let [(one, a), (other, b)] = pair
                && one == other
            {
                let (a, b) = (root(&mut parents, *a), root(&mut parents, *b));
                if let Some(parent) = parents.get_mut(a.max(b)) {
                    *parent = a.min(b);
                }
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
