//! Which message is judged in which fold: near copies together, classes spread evenly, and the same for the
//! same messages whatever folders they lie in.

use std::collections::BTreeMap;

use crate::filter::bayes::{Class, Random};

use super::evaluation::Member;

/// The fold of each member, 0 to `folds` - 1. Members of a cluster are in one fold; clusters are dealt out in
/// an order that depends on contents and seed, each to the fold that has fewest of its class so far.
pub fn folds(members: &[Member], folds: usize, seed: u64) -> Vec<usize> {
    let mut sizes: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
    for member in members {
        let size = sizes.entry(member.cluster).or_default();
        if let Some(size) = size.get_mut(side(member.class)) {
            *size += 1;
        }
    }
    let mut order: Vec<(usize, u64, usize, [usize; 2])> = sizes
        .into_iter()
        .map(|(head, size)| {
            let [ham, spam] = size;
            // The largest first, so that the small ones can even things out.
            (ham + spam, rank(members, head, seed), head, size)
        })
        .collect();
    order.sort_unstable_by_key(|(size, rank, head, _)| (std::cmp::Reverse(*size), *rank, *head));
    let mut filled = vec![[0_usize; 2]; folds.max(1)];
    let mut fold_of: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, rank, head, size) in order {
        let more = usize::from(size.last() > size.first());
        let count = filled.len();
        // Ties go round, so that no fold is filled first.
        let start = (rank % count as u64) as usize;
        let chosen = (0..count)
            .map(|i| (start + i) % count)
            .min_by_key(|f| filled.get(*f).and_then(|n| n.get(more)).copied());
        let Some((chosen, full)) = chosen.and_then(|c| Some((c, filled.get_mut(c)?))) else {
            continue;
        };
        for (full, size) in full.iter_mut().zip(size) {
            *full += size;
        }
        fold_of.insert(head, chosen);
    }
    members
        .iter()
        .map(|m| fold_of.get(&m.cluster).copied().unwrap_or(0))
        .collect()
}

/// A share of the corpus, from 0 to 1, for each member: those below 0.25 are a quarter of it, which lies in the
/// half below 0.5. Near copies have the same.
pub fn shares(members: &[Member], seed: u64) -> Vec<f64> {
    members
        .iter()
        .map(|m| (rank(members, m.cluster, !seed) >> 11) as f64 / (1_u64 << 53) as f64)
        .collect()
}

fn rank(members: &[Member], head: usize, seed: u64) -> u64 {
    let digest = members.get(head).and_then(|m| m.digest.first_chunk());
    Random(digest.copied().map_or(0, u64::from_le_bytes) ^ seed).next()
}

fn side(class: Class) -> usize {
    match class {
        Class::Ham => 0,
        Class::Spam => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Vec<Member> {
        (0..400_usize)
            .map(|i| Member {
                class: if i % 4 == 0 { Class::Spam } else { Class::Ham },
                name: (format!("{i}").into(), None),
                digest: *blake3::hash(&i.to_le_bytes()).as_bytes(),
                // Some clusters of eight, in both classes.
                cluster: if i < 80 { i / 8 * 8 } else { i },
            })
            .collect()
    }

    #[test]
    fn clusters_stay_together_and_classes_are_even() {
        let members = members();
        let fold_of = folds(&members, 5, 1);
        for (member, fold) in members.iter().zip(&fold_of) {
            assert_eq!(fold_of[member.cluster], *fold);
        }
        for class in [Class::Ham, Class::Spam] {
            let all = members.iter().filter(|m| m.class == class).count();
            for fold in 0..5 {
                let here = members
                    .iter()
                    .zip(&fold_of)
                    .filter(|(m, f)| m.class == class && **f == fold)
                    .count();
                assert!(
                    here.abs_diff(all / 5) <= 12,
                    "{class} {fold}: {here} of {all}"
                );
            }
        }
        assert_ne!(folds(&members, 5, 2), fold_of);
    }

    #[test]
    fn the_fold_of_a_message_does_not_depend_on_its_place() {
        let members: Vec<Member> = members()
            .into_iter()
            .skip(80)
            .enumerate()
            .map(|(i, m)| Member { cluster: i, ..m })
            .collect();
        let mut turned: Vec<Member> = members.clone();
        turned.reverse();
        for (i, member) in turned.iter_mut().enumerate() {
            member.cluster = i;
        }
        let mut back = folds(&turned, 5, 1);
        back.reverse();
        // Ties may go either way only where ranks are equal, and they are not.
        assert_eq!(back, folds(&members, 5, 1));
    }

    #[test]
    fn smaller_shares_lie_in_larger_ones() {
        let shares = shares(&members(), 1);
        let quarter = shares.iter().filter(|s| **s < 0.25).count();
        assert!((60..140).contains(&quarter), "{quarter}");
    }
}
