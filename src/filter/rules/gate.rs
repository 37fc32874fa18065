//! The gate of a place: one pass over its texts tells which leaves can match there at all.

use std::borrow::Cow;
use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, MatchKind};

use super::condition::Index;

/// Up to this many bytes of literals the faster automaton is built, which takes some 256 bytes for each.
const FAST_BYTES: usize = 1 << 10;

/// All literals of the leaves of one place.
#[derive(Debug)]
pub(super) struct Gate {
    automaton: AhoCorasick,
    /// Leaves of each literal.
    leaves: Vec<Vec<Index>>,
}

impl Gate {
    /// Builds a gate over `(leaf, its literals)`.
    pub(super) fn new(entries: &[(Index, Vec<Vec<u8>>)]) -> Result<Gate, BuildError> {
        let mut numbers: HashMap<&[u8], usize> = HashMap::new();
        let mut literals: Vec<&[u8]> = Vec::new();
        let mut leaves: Vec<Vec<Index>> = Vec::new();
        for (leaf, set) in entries {
            for literal in set {
                let number = *numbers.entry(literal).or_insert_with(|| {
                    literals.push(literal);
                    leaves.push(Vec::new());
                    literals.len() - 1
                });
                if let Some(of_literal) = leaves.get_mut(number)
                    && of_literal.last() != Some(leaf)
                {
                    of_literal.push(*leaf);
                }
            }
        }
        let kind = if literals.iter().map(|l| l.len()).sum::<usize>() <= FAST_BYTES {
            AhoCorasickKind::DFA
        } else {
            AhoCorasickKind::ContiguousNFA
        };
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(kind))
            .build(&literals)?;
        Ok(Gate { automaton, leaves })
    }

    /// The leaves of which a literal occurs in one of the texts.
    pub(super) fn candidates(&self, texts: &[Cow<'_, [u8]>], leaves: usize) -> Candidates {
        let mut found = Candidates {
            words: vec![0; leaves.div_ceil(64)],
        };
        let mut seen = vec![false; self.leaves.len()];
        for text in texts {
            for occurrence in self.automaton.find_overlapping_iter(text.as_ref()) {
                let number = occurrence.pattern().as_usize();
                match seen.get_mut(number) {
                    Some(done) if !*done => *done = true,
                    _ => continue,
                }
                for leaf in self.leaves.get(number).into_iter().flatten() {
                    found.insert(*leaf);
                }
            }
        }
        found
    }
}

/// A set of leaves.
#[derive(Debug)]
pub(super) struct Candidates {
    words: Vec<u64>,
}

impl Candidates {
    fn insert(&mut self, leaf: Index) {
        if let Some(word) = self.words.get_mut(leaf / 64) {
            *word |= 1 << (leaf % 64);
        }
    }

    /// Whether the leaf is in the set.
    pub(super) fn contains(&self, leaf: Index) -> bool {
        self.words
            .get(leaf / 64)
            .is_some_and(|word| word & (1 << (leaf % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_and_shared_literals_reach_all_their_leaves() {
        let entries = vec![
            (0, vec![b"next of kin".to_vec()]),
            (70, vec![b"of kin".to_vec(), b"absent".to_vec()]),
            (3, vec![b"next of kin".to_vec()]),
            (4, vec![b"absent".to_vec()]),
        ];
        let gate = Gate::new(&entries).unwrap();
        let found = gate.candidates(&[Cow::Borrowed(b"the NEXT of KIN")], 71);
        let held: Vec<_> = (0..71).filter(|l| found.contains(*l)).collect();
        assert_eq!(held, [0, 3, 70]);
    }
}
