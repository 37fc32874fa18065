//! How far a figure may be from what it would be on other mail of the same kind (Efron 1979).
//!
//! The messages are drawn again with replacement, ham and spam apart, and the figure is computed of each
//! draw. What is drawn are units, not messages: near copies are drawn together, because a second copy of a
//! mass mailing tells nothing new. Two engines are compared on the same draws.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::filter::bayes::{Class, Random};

use super::Answer;

/// Draws of an interval in a report.
pub const DRAWS: usize = 1000;

/// Units of each class, to draw from.
#[derive(Clone, Debug)]
pub struct Draws {
    classes: [Vec<Vec<u32>>; 2],
    messages: usize,
    count: usize,
    seed: u64,
}

impl Draws {
    /// `count` draws from `answers`. The same seed gives the same draws.
    pub fn new(answers: &[Answer], count: usize, seed: u64) -> Draws {
        let units = |class: Class| -> Vec<Vec<u32>> {
            let mut units: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
            for (answer, index) in answers.iter().zip(0_u32..) {
                if answer.class == class {
                    units.entry(answer.unit).or_default().push(index);
                }
            }
            units.into_values().collect()
        };
        Draws {
            classes: [units(Class::Ham), units(Class::Spam)],
            messages: answers.len(),
            count,
            seed,
        }
    }

    fn weights(&self, draw: usize) -> Vec<u32> {
        let mut random = Random(self.seed.wrapping_add((draw as u64) << 20));
        let mut weights = vec![0_u32; self.messages];
        for units in &self.classes {
            for _ in 0..units.len() {
                let chosen = random.next() % units.len().max(1) as u64;
                for message in units.get(chosen as usize).into_iter().flatten() {
                    if let Some(weight) = weights.get_mut(*message as usize) {
                        *weight += 1;
                    }
                }
            }
        }
        weights
    }

    /// The 95 % interval of a figure, and the share of draws in which it is above 0. `None` when no draw
    /// has it.
    pub fn interval(&self, figure: impl Fn(&[u32]) -> Option<f64> + Sync) -> Option<Interval> {
        let mut drawn: Vec<f64> = (0..self.count)
            .into_par_iter()
            .filter_map(|draw| figure(&self.weights(draw)))
            .collect();
        drawn.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| drawn.get((share * drawn.len() as f64) as usize).copied();
        Some(Interval {
            low: at(0.025)?,
            high: at(0.975)?,
            above_zero: drawn.iter().filter(|d| **d > 0.0).count() as f64 / drawn.len() as f64,
        })
    }
}

/// What the draws say.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Interval {
    /// 2.5 % of the draws are below.
    pub low: f64,
    /// 2.5 % of the draws are above.
    pub high: f64,
    /// Share of the draws above 0; of a difference, how sure its sign is.
    pub above_zero: f64,
}

/// A figure with its interval, times `scale`: `0.028 (0.010 to 0.061)`.
pub fn around(value: Option<f64>, interval: Option<Interval>, scale: f64, digits: usize) -> String {
    match (value, interval) {
        (Some(v), Some(i)) => format!(
            "{:.digits$} ({:.digits$} to {:.digits$})",
            v * scale,
            i.low * scale,
            i.high * scale
        ),
        (Some(v), None) => format!("{:.digits$}", v * scale),
        (None, _) => "unknown: a class is empty".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Score, ranked};
    use super::*;

    fn sample(units_of: usize) -> Vec<Answer> {
        let mut random = Random(3);
        (0..600)
            .map(|i| {
                let class = if i % 3 == 0 { Class::Spam } else { Class::Ham };
                let noise = (random.next() >> 40) as f64 / (1 << 24) as f64;
                let odds = noise + if class == Class::Spam { 0.6 } else { 0.0 };
                Answer {
                    class,
                    score: Score {
                        probability: odds / 2.0,
                        odds,
                    },
                    unit: i / units_of,
                }
            })
            .collect()
    }

    #[test]
    fn the_interval_holds_the_figure_and_is_the_same_each_time() {
        let answers = sample(1);
        let ranking = ranked(&answers);
        let roca = ranking.one_minus_roca(None).unwrap();
        let draws = Draws::new(&answers, 300, 1);
        let interval = draws.interval(|w| ranking.one_minus_roca(Some(w))).unwrap();
        assert!(
            interval.low < roca && roca < interval.high,
            "{interval:?} {roca}"
        );
        assert!(interval.high - interval.low < 6.0, "{interval:?}");
        assert_eq!(
            draws.interval(|w| ranking.one_minus_roca(Some(w))).unwrap(),
            interval
        );
    }

    #[test]
    fn near_copies_make_it_wider() {
        let width = |units_of| {
            let answers: Vec<Answer> = sample(1)
                .into_iter()
                .step_by(units_of)
                .flat_map(|a| std::iter::repeat_n(a, units_of))
                .enumerate()
                .map(|(i, a)| Answer {
                    unit: i / units_of,
                    ..a
                })
                .collect();
            let ranking = ranked(&answers);
            let by = |answers: &[Answer]| {
                let interval = Draws::new(answers, 300, 1)
                    .interval(|w| ranking.one_minus_roca(Some(w)))
                    .unwrap();
                interval.high - interval.low
            };
            let apart: Vec<Answer> = answers
                .iter()
                .enumerate()
                .map(|(unit, a)| Answer { unit, ..*a })
                .collect();
            (by(&answers), by(&apart))
        };
        let (together, apart) = width(4);
        assert!(together > 1.5 * apart, "{together} {apart}");
    }

    #[test]
    fn a_class_that_is_empty_has_no_interval() {
        let ham: Vec<Answer> = sample(1)
            .into_iter()
            .filter(|a| a.class == Class::Ham)
            .collect();
        let ranking = ranked(&ham);
        assert_eq!(
            Draws::new(&ham, 10, 1).interval(|w| ranking.one_minus_roca(Some(w))),
            None
        );
    }
}
