//! The points of a filter's own hits: as shipped, and as the configuration has them.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use super::Hit;
use crate::config::{Findings, Problem, Source, span_of};

/// Bound on the points of a hit.
pub(super) const POINTS: f64 = 100.0;

/// A hit with its points as shipped and its meaning.
pub(super) type Known = (&'static str, f64, &'static str);

/// The points of each hit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scores {
    known: &'static [Known],
    points: Vec<f64>,
}

impl Scores {
    /// Those of `known`, with others where `written` has them.
    pub(super) fn check(
        known: &'static [Known],
        written: &BTreeMap<String, Spanned<f64>>,
        source: &Source,
        findings: &mut Findings<'_>,
    ) -> Scores {
        let mut scores = Scores {
            known,
            points: known.iter().map(|(_, points, _)| *points).collect(),
        };
        for (name, score) in written {
            if !score.value.is_finite() || score.value.abs() > POINTS {
                findings.wrong(score, format!("must be -{POINTS} to {POINTS} points"));
            } else if let Err(nearest) = scores.set(name, score.value) {
                let place = span_of(score);
                let problem = Problem::at(source, place, format!("no hit is called `{name}`"));
                findings.extend([problem.help(format!("did you mean {nearest}?"))]);
            }
        }
        scores
    }

    /// Gives a hit other points, or names the one that is nearest where there is none of this name.
    fn set(&mut self, name: &str, points: f64) -> Result<(), &'static str> {
        let known = self.known.iter().position(|(hit, ..)| *hit == name);
        match known.and_then(|at| self.points.get_mut(at)) {
            Some(place) => {
                *place = points;
                Ok(())
            }
            None => {
                let far = |hit: &str| strsim::damerau_levenshtein(hit, &name.to_ascii_uppercase());
                let nearest = self.known.iter().min_by_key(|(hit, ..)| far(hit));
                Err(nearest.map_or("", |(hit, ..)| hit))
            }
        }
    }

    /// A hit of that name with its points.
    pub(super) fn hit(&self, name: &'static str, evidence: impl Into<String>) -> Hit {
        let at = self.known.iter().position(|(hit, ..)| *hit == name);
        let points = at.and_then(|at| self.points.get(at)).copied();
        Hit::new(name, points.unwrap_or_default(), evidence)
    }
}
