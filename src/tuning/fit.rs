//! Scores by logistic regression: a point is a unit of log odds, and a message at the threshold is as likely
//! spam as ham.
//!
//! What is minimised, over the scores `s` within their bounds, is
//! `sum_i w_i log(1 + exp(-y_i (s.x_i - T))) + L sum_j (s_j - old_j)^2`: the loss of each message with its
//! weight, and a pull of each score to where it was, so that rules of which the mail tells little keep
//! theirs. Cyclic coordinate descent with Newton steps (Friedman, Hastie and Tibshirani 2010), each cut to
//! the bounds of its score: the function is convex, so it ends at the minimum wherever it began.

use super::Marked;
use crate::filter::bayes::Class;

/// Passes over all scores at most.
const PASSES: usize = 200;
/// The fit has converged when no score moves by more, points.
const STILL: f64 = 1e-3;
/// Largest move of a score in one step, points: where the odds are extreme, Newton steps overshoot.
const STRIDE: f64 = 2.0;

/// One score to be fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knob {
    /// The score that it has.
    pub old: f64,
    /// The least that it may get.
    pub least: f64,
    /// The most that it may get; the same as `least` for one that stays.
    pub most: f64,
}

/// How to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The score from which on a message is called spam.
    pub threshold: f64,
    /// How strongly scores are held where they are; above 0.
    pub pull: f64,
    /// How many spam messages one ham message weighs.
    pub ham_weight: f64,
}

/// A message of a fit with its weight.
#[derive(Clone, Copy, Debug)]
pub struct Weighed<'a> {
    /// The message.
    pub message: &'a Marked,
    /// How much it counts, beside the weight of its class.
    pub weight: f64,
}

impl Fit {
    /// The fitted scores, in the order of the knobs.
    pub fn scores(&self, messages: &[Weighed<'_>], knobs: &[Knob]) -> Vec<f64> {
        let mut scores: Vec<f64> = knobs.iter().map(|k| k.old.clamp(k.least, k.most)).collect();
        // Messages of each rule.
        let mut columns: Vec<Vec<u32>> = vec![Vec::new(); knobs.len()];
        let mut state: Vec<Row> = Vec::with_capacity(messages.len());
        for (row, weighed) in messages.iter().enumerate() {
            let mut margin = weighed.message.rest - self.threshold;
            for hit in &weighed.message.hits {
                let number = *hit as usize;
                if let (Some(score), Some(column)) = (scores.get(number), columns.get_mut(number)) {
                    margin += score;
                    column.push(row as u32);
                }
            }
            let spam = weighed.message.member.class == Class::Spam;
            state.push(Row {
                margin,
                spam: f64::from(u8::from(spam)),
                weight: weighed.weight * if spam { 1.0 } else { self.ham_weight },
            });
        }
        for _ in 0..PASSES {
            let mut moved: f64 = 0.0;
            for ((score, knob), column) in scores.iter_mut().zip(knobs).zip(&columns) {
                if column.is_empty() || knob.least >= knob.most {
                    continue;
                }
                let mut slope = 2.0 * self.pull * (*score - knob.old);
                let mut curve = 2.0 * self.pull;
                for row in column {
                    if let Some(row) = state.get(*row as usize) {
                        let p = row.probability();
                        slope += row.weight * (p - row.spam);
                        curve += row.weight * p * (1.0 - p);
                    }
                }
                let step = (-slope / curve).clamp(-STRIDE, STRIDE);
                let new = (*score + step).clamp(knob.least, knob.most);
                let by = new - *score;
                if by == 0.0 {
                    continue;
                }
                *score = new;
                moved = moved.max(by.abs());
                for row in column {
                    if let Some(row) = state.get_mut(*row as usize) {
                        row.margin += by;
                    }
                }
            }
            if moved < STILL {
                break;
            }
        }
        scores
    }
}

struct Row {
    /// Score above the threshold.
    margin: f64,
    /// 1 for spam.
    spam: f64,
    weight: f64,
}

impl Row {
    fn probability(&self) -> f64 {
        1.0 / (1.0 + (-self.margin).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::super::profile::tests::{marked, plain};
    use super::*;

    fn loss(fit: &Fit, messages: &[Weighed<'_>], knobs: &[Knob], scores: &[f64]) -> f64 {
        let of_messages: f64 = messages
            .iter()
            .map(|w| {
                let margin: f64 = w
                    .message
                    .hits
                    .iter()
                    .map(|h| scores[*h as usize])
                    .sum::<f64>()
                    - fit.threshold;
                let (sign, weight) = match w.message.member.class {
                    Class::Spam => (1.0, 1.0),
                    Class::Ham => (-1.0, fit.ham_weight),
                };
                w.weight * weight * (1.0 + (-sign * margin).exp()).ln()
            })
            .sum();
        let pulls = knobs.iter().zip(scores);
        of_messages + fit.pull * pulls.map(|(k, s)| (s - k.old).powi(2)).sum::<f64>()
    }

    #[test]
    fn the_fit_is_the_minimum_within_the_bounds() {
        let mut random = crate::filter::bayes::Random(7);
        let messages: Vec<Marked> = (0..300)
            .map(|i| {
                let class = if i % 2 == 0 { Class::Spam } else { Class::Ham };
                let chance = |rule: u64| match (class, rule) {
                    (Class::Spam, 0) => 70,
                    (Class::Spam, 1) => 40,
                    (Class::Ham, 0) => 5,
                    (Class::Ham, 3) => 60,
                    (_, 2) => 30,
                    _ => 10,
                };
                let hits: Vec<u32> = (0..5_u32)
                    .filter(|r| random.next() % 100 < chance(u64::from(*r)))
                    .collect();
                marked(i, class, &hits)
            })
            .collect();
        let weighed: Vec<Weighed<'_>> = messages
            .iter()
            .map(|message| Weighed {
                message,
                weight: 1.0,
            })
            .collect();
        let knob = |old, least, most| Knob { old, least, most };
        let knobs = [
            knob(1.0, 0.0, 5.0),
            knob(1.0, 0.0, 5.0),
            knob(1.0, 0.0, 5.0),
            knob(-1.0, -4.0, 0.0),
            knob(0.5, 0.5, 0.5),
        ];
        let fit = Fit {
            threshold: 5.0,
            pull: 0.5,
            ham_weight: 2.0,
        };
        let scores = fit.scores(&weighed, &knobs);
        assert_eq!(scores[4], 0.5, "a score without room stays");
        assert!(scores[0] > 2.0 && scores[3] < -0.5, "{scores:?}");
        let least = loss(&fit, &weighed, &knobs, &scores);
        for (number, knob) in knobs.iter().enumerate() {
            assert!((knob.least..=knob.most).contains(&scores[number]));
            for by in [-0.05, 0.05] {
                let mut other = scores.clone();
                other[number] = (other[number] + by).clamp(knob.least, knob.most);
                assert!(
                    loss(&fit, &weighed, &knobs, &other) >= least - 1e-6,
                    "{number} {by}"
                );
            }
        }
        // Ham that weighs more is lost less.
        let strict = Fit {
            ham_weight: 50.0,
            ..fit
        }
        .scores(&weighed, &knobs);
        let lost = |scores: &[f64]| {
            let ham = messages.iter().filter(|m| m.member.class == Class::Ham);
            ham.filter(|m| m.total(&plain(scores)) >= 5.0).count()
        };
        assert!(lost(&strict) <= lost(&scores));
    }

    #[test]
    fn a_rule_without_hits_keeps_its_score() {
        let messages = [marked(0, Class::Spam, &[])];
        let weighed = [Weighed {
            message: &messages[0],
            weight: 1.0,
        }];
        let knobs = [Knob {
            old: 2.5,
            least: 0.0,
            most: 5.0,
        }];
        let fit = Fit {
            threshold: 5.0,
            pull: 1.0,
            ham_weight: 1.0,
        };
        assert_eq!(fit.scores(&weighed, &knobs), [2.5]);
    }
}
