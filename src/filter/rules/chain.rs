//! Rules that refer to rules: no circles, no chains so long that following them costs a stack.

use std::collections::HashSet;
use std::ops::Range;

use super::compile::DEPTH;
use super::condition::Index;
use crate::config::{Problem, Source};

/// The rules that one rule refers to, with the place of each reference.
pub(super) type References = Vec<(Index, Source, Range<usize>)>;

/// Circles and chains longer than [`DEPTH`]. Iterative: it must not fall over what it has to refuse.
pub(super) fn problems(references: &[References]) -> Vec<Problem> {
    // How many rules each depends on in a row; known once all that it refers to are.
    let mut height: Vec<Option<usize>> = vec![None; references.len()];
    let mut problems = Vec::new();
    for start in 0..references.len() {
        let mut stack: Vec<(Index, usize)> = vec![(start, 0)];
        let mut on_path: HashSet<Index> = HashSet::from([start]);
        while let Some((rule, next)) = stack.last_mut() {
            let rule = *rule;
            let known = height.get(rule).copied().flatten().is_some();
            let of_rule = references.get(rule).map(Vec::as_slice).unwrap_or_default();
            match of_rule.get(*next).filter(|_| !known) {
                Some((target, source, span)) => {
                    *next += 1;
                    if on_path.contains(target) {
                        problems.push(
                            Problem::at(
                                source,
                                span.clone(),
                                "the rules refer to each other in a circle",
                            )
                            .label("leads back to where it started"),
                        );
                    } else if height.get(*target).copied().flatten().is_none() {
                        on_path.insert(*target);
                        stack.push((*target, 0));
                    }
                }
                None => {
                    if !known {
                        let tallest = of_rule
                            .iter()
                            .filter_map(|(target, ..)| height.get(*target).copied().flatten())
                            .max();
                        let own = tallest.map_or(0, |t| t + 1);
                        if own == DEPTH
                            && let Some((_, source, span)) = of_rule.first()
                        {
                            problems.push(Problem::at(
                                source,
                                span.clone(),
                                format!(
                                    "a chain of more than {DEPTH} rules that refer to each other"
                                ),
                            ));
                        }
                        if let Some(height) = height.get_mut(rule) {
                            *height = Some(own);
                        }
                    }
                    on_path.remove(&rule);
                    stack.pop();
                }
            }
        }
    }
    problems
}
