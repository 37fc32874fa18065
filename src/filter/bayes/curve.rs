//! From a probability to points: straight lines between given points, never falling.

/// The curve.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve(Vec<(f64, f64)>);

/// Highest and lowest score of a point.
pub(super) const SCORES: std::ops::RangeInclusive<f64> = -100.0..=100.0;

/// The points that are used when none are written: enough to tag a message, not to refuse it.
const DEFAULT: [(f64, f64); 7] = [
    (0.0, -3.0),
    (0.05, -1.5),
    (0.4, 0.0),
    (0.6, 0.0),
    (0.9, 3.0),
    (0.99, 4.5),
    (0.999, 6.0),
];

impl Default for Curve {
    fn default() -> Self {
        Curve(DEFAULT.to_vec())
    }
}

impl Curve {
    /// A curve through `points` of probability and score.
    ///
    /// # Errors
    /// The index of the first bad point and what is wrong with it.
    pub(super) fn new(points: &[(f64, f64)]) -> Result<Curve, (usize, String)> {
        if points.len() < 2 {
            return Err((0, "a curve needs two points or more".into()));
        }
        let mut before: Option<(f64, f64)> = None;
        for (index, (probability, score)) in points.iter().copied().enumerate() {
            if !(0.0..=1.0).contains(&probability) {
                return Err((
                    index,
                    format!("a probability is between 0 and 1, not {probability}"),
                ));
            }
            if !SCORES.contains(&score) {
                return Err((
                    index,
                    format!("a score is between -100 and 100, not {score}"),
                ));
            }
            if let Some((last_probability, last_score)) = before {
                if probability <= last_probability {
                    return Err((
                        index,
                        format!(
                            "probabilities must rise: {probability} comes after {last_probability}"
                        ),
                    ));
                }
                if score < last_score {
                    return Err((
                        index,
                        format!(
                            "a higher probability must not score less: {score} comes after {last_score}"
                        ),
                    ));
                }
            }
            before = Some((probability, score));
        }
        Ok(Curve(points.to_vec()))
    }

    /// The score of a probability; beyond the ends, that of the end.
    pub(super) fn score(&self, probability: f64) -> f64 {
        let above = self.0.partition_point(|(p, _)| *p <= probability);
        let left = above.checked_sub(1).and_then(|i| self.0.get(i));
        match (left, self.0.get(above)) {
            (Some((p0, s0)), Some((p1, s1))) => s0 + (s1 - s0) * (probability - p0) / (p1 - p0),
            (Some((_, score)), None) | (None, Some((_, score))) => *score,
            (None, None) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn points_are_met_and_joined_by_straight_lines() {
        let curve = Curve::default();
        for (probability, score) in DEFAULT {
            assert!((curve.score(probability) - score).abs() < 1e-9);
        }
        assert!((curve.score(0.75) - 1.5).abs() < 1e-9);
        assert_eq!(curve.score(1.0), 6.0);
        let narrow = Curve::new(&[(0.2, -1.0), (0.8, 1.0)]).unwrap();
        assert_eq!((narrow.score(0.0), narrow.score(1.0)), (-1.0, 1.0));
    }

    #[test]
    fn what_falls_or_leaves_its_range_is_refused_at_its_place() {
        for (points, index) in [
            (vec![(0.5, 1.0)], 0),
            (vec![(0.1, 1.0), (0.1, 2.0)], 1),
            (vec![(0.1, 1.0), (0.2, 0.5)], 1),
            (vec![(0.1, 1.0), (0.2, 2.0), (1.1, 3.0)], 2),
            (vec![(f64::NAN, 1.0), (0.2, 2.0)], 0),
            (vec![(0.1, f64::INFINITY), (0.2, 2.0)], 0),
        ] {
            assert_eq!(Curve::new(&points).unwrap_err().0, index, "{points:?}");
        }
    }

    proptest! {
        #[test]
        fn a_higher_probability_never_scores_less(a in 0.0..=1.0_f64, b in 0.0..=1.0_f64) {
            let curve = Curve::default();
            prop_assert!(curve.score(a.min(b)) <= curve.score(a.max(b)));
        }
    }
}
