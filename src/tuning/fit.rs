//! Scores by logistic regression: a point is a unit of log odds, and a message at the threshold is as likely
//! spam as ham.
//!
//! What is minimised, over the scores `s` within their bounds, is
//! `sum_i w_i log(1 + exp(-y_i (m_i(s) - T))) + L sum_j (s_j - old_j)^2`: the loss of each message with its
//! weight, and a pull of each score to where it was, so that rules of which the mail tells little keep
//! theirs. `m_i` is what the message gets: the scores of its hits, those of a group together no more than the
//! cap of the group. Cyclic coordinate descent with Newton steps (Friedman, Hastie and Tibshirani 2010), each
//! cut to the bounds of its score. Without groups the function is convex, so it ends at the minimum wherever
//! it began; with them a step is taken only where the function falls, and the descent begins twice, at the old
//! scores and where it would end without caps: the better end is taken.

use super::Marked;
use crate::filter::bayes::Class;

/// Passes over all scores at most.
const PASSES: usize = 200;
/// The fit has converged when no score moves by more, points.
const STILL: f64 = 1e-3;
/// How often a step is halved before it is given up.
const HALVINGS: usize = 8;
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

/// The groups of the rules whose scores are fitted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Groups<'a> {
    /// The group of each rule; shorter than the rules where the rest have none.
    pub of: &'a [Option<usize>],
    /// Most points of each group, either way.
    pub caps: &'a [f64],
}

impl Groups<'_> {
    /// The group of a rule with its cap.
    fn get(&self, rule: usize) -> Option<(usize, f64)> {
        let group = self.of.get(rule).copied().flatten()?;
        Some((group, *self.caps.get(group)?))
    }
}

impl Fit {
    /// The fitted scores, in the order of the knobs.
    pub fn scores(&self, messages: &[Weighed<'_>], knobs: &[Knob], groups: Groups<'_>) -> Vec<f64> {
        let old: Vec<f64> = knobs.iter().map(|k| k.old.clamp(k.least, k.most)).collect();
        let (near, value) = self.descend(messages, knobs, groups, old.clone());
        if !(0..knobs.len()).any(|rule| groups.get(rule).is_some()) {
            return near;
        }
        let (free, _) = self.descend(messages, knobs, Groups::default(), old);
        let (far, other) = self.descend(messages, knobs, groups, free);
        if other < value { far } else { near }
    }

    /// Where the descent from these scores ends, and the value of the function there.
    fn descend(
        &self,
        messages: &[Weighed<'_>],
        knobs: &[Knob],
        groups: Groups<'_>,
        mut scores: Vec<f64>,
    ) -> (Vec<f64>, f64) {
        // Messages of each rule.
        let mut columns: Vec<Vec<u32>> = vec![Vec::new(); knobs.len()];
        let mut rows: Vec<Row> = Vec::with_capacity(messages.len());
        for (number, weighed) in messages.iter().enumerate() {
            let spam = weighed.message.member.class == Class::Spam;
            let mut row = Row {
                margin: weighed.message.rest - self.threshold,
                of_groups: Vec::new(),
                spam: f64::from(u8::from(spam)),
                weight: weighed.weight * if spam { 1.0 } else { self.ham_weight },
            };
            for hit in &weighed.message.hits {
                let rule = *hit as usize;
                if let (Some(score), Some(column)) = (scores.get(rule), columns.get_mut(rule)) {
                    row.add(*score, groups.get(rule));
                    column.push(number as u32);
                }
            }
            rows.push(row);
        }
        for _ in 0..PASSES {
            let mut moved: f64 = 0.0;
            for (rule, knob) in knobs.iter().enumerate() {
                let (Some(score), Some(column)) = (scores.get_mut(rule), columns.get(rule)) else {
                    continue;
                };
                if column.is_empty() || knob.least >= knob.most {
                    continue;
                }
                let by = self.step(*score, knob, column, &rows, groups.get(rule));
                if by == 0.0 {
                    continue;
                }
                *score += by;
                moved = moved.max(by.abs());
                for number in column {
                    if let Some(row) = rows.get_mut(*number as usize) {
                        row.add(by, groups.get(rule));
                    }
                }
            }
            if moved < STILL {
                break;
            }
        }
        let pulls = knobs.iter().zip(&scores);
        let value = rows.iter().map(|row| row.loss(0.0, None)).sum::<f64>()
            + pulls
                .map(|(k, s)| self.pull * (s - k.old).powi(2))
                .sum::<f64>();
        (scores, value)
    }

    /// How far one score is to move: a Newton step within the bounds, halved until the function falls.
    fn step(
        &self,
        score: f64,
        knob: &Knob,
        column: &[u32],
        rows: &[Row],
        group: Option<(usize, f64)>,
    ) -> f64 {
        let rows = || column.iter().filter_map(|n| rows.get(*n as usize));
        let mut slope = 2.0 * self.pull * (score - knob.old);
        let mut curve = 2.0 * self.pull;
        for row in rows().filter(|row| row.follows(group)) {
            let p = row.probability();
            slope += row.weight * (p - row.spam);
            curve += row.weight * p * (1.0 - p);
        }
        let step = (-slope / curve).clamp(-STRIDE, STRIDE);
        let mut by = (score + step).clamp(knob.least, knob.most) - score;
        if group.is_none() {
            return by;
        }
        let value = |by: f64| {
            let pull = self.pull * (score + by - knob.old).powi(2);
            pull + rows().map(|row| row.loss(by, group)).sum::<f64>()
        };
        let here = value(0.0);
        for _ in 0..HALVINGS {
            if by == 0.0 || value(by) < here {
                return by;
            }
            by /= 2.0;
        }
        0.0
    }
}

struct Row {
    /// Score above the threshold.
    margin: f64,
    /// Groups that hit, with the sum of their scores before the cap.
    of_groups: Vec<(usize, f64)>,
    /// 1 for spam.
    spam: f64,
    weight: f64,
}

impl Row {
    fn sum(&self, group: usize) -> f64 {
        let found = self.of_groups.iter().find(|(g, _)| *g == group);
        found.map_or(0.0, |(_, sum)| *sum)
    }

    /// What the margin gains by `by` more points of a rule of this group.
    fn gain(&self, by: f64, group: Option<(usize, f64)>) -> f64 {
        let Some((group, cap)) = group else { return by };
        let sum = self.sum(group);
        (sum + by).clamp(-cap, cap) - sum.clamp(-cap, cap)
    }

    /// Takes `by` more points of a rule of this group.
    fn add(&mut self, by: f64, group: Option<(usize, f64)>) {
        self.margin += self.gain(by, group);
        let Some((group, _)) = group else { return };
        match self.of_groups.iter_mut().find(|(g, _)| *g == group) {
            Some((_, sum)) => *sum += by,
            None => self.of_groups.push((group, by)),
        }
    }

    /// Whether the margin follows a score of this group, whose cap is not exceeded.
    fn follows(&self, group: Option<(usize, f64)>) -> bool {
        group.is_none_or(|(group, cap)| self.sum(group).abs() <= cap)
    }

    /// Chance that the message is spam.
    fn probability(&self) -> f64 {
        1.0 / (1.0 + (-self.margin).exp())
    }

    /// The weighted loss with `by` more points of a rule of this group.
    fn loss(&self, by: f64, group: Option<(usize, f64)>) -> f64 {
        let margin = self.margin + self.gain(by, group);
        let wrong = if self.spam > 0.5 { -margin } else { margin };
        self.weight * (wrong.max(0.0) + (-wrong.abs()).exp().ln_1p())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
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

    /// Messages of which each counts once.
    fn alike(messages: &[Marked]) -> Vec<Weighed<'_>> {
        let once = |message| Weighed {
            message,
            weight: 1.0,
        };
        messages.iter().map(once).collect()
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
        let weighed = alike(&messages);
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
        let scores = fit.scores(&weighed, &knobs, Groups::default());
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
        .scores(&weighed, &knobs, Groups::default());
        let lost = |scores: &[f64]| {
            let ham = messages.iter().filter(|m| m.member.class == Class::Ham);
            ham.filter(|m| m.total(&plain(scores)) >= 5.0).count()
        };
        assert!(lost(&strict) <= lost(&scores));
    }

    #[test]
    fn a_rule_without_hits_keeps_its_score() {
        let messages = [marked(0, Class::Spam, &[])];
        let weighed = alike(&messages);
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
        assert_eq!(fit.scores(&weighed, &knobs, Groups::default()), [2.5]);
    }

    /// Two rules that hit ham together, which their cap saves. Break it by letting `follows` be
    /// true always, or by leaving the caps out of `gain`.
    #[test]
    fn a_fit_under_caps_is_a_minimum_of_what_messages_get() {
        let messages: Vec<Marked> = (0..200)
            .map(|i| match i % 10 {
                0..=4 => marked(i, Class::Spam, &[0, 2]),
                5..=7 => marked(i, Class::Ham, &[0, 1]),
                _ => marked(i, Class::Ham, &[3]),
            })
            .collect();
        let weighed = alike(&messages);
        let knob = |old, least, most| Knob { old, least, most };
        let knobs = [
            knob(2.0, 0.0, 8.0),
            knob(2.0, 1.0, 8.0),
            knob(1.0, 0.0, 4.0),
            knob(-0.5, -4.0, 0.0),
        ];
        let fit = Fit {
            threshold: 5.0,
            pull: 0.05,
            ham_weight: 3.0,
        };
        let (of, caps) = ([Some(0), Some(0), None, None], [3.0]);
        let groups = Groups {
            of: &of,
            caps: &caps,
        };
        let scores = fit.scores(&weighed, &knobs, groups);
        let value = |scores: &[f64]| {
            let scale = Scale {
                scores,
                groups: &of,
                caps: &caps,
            };
            let losses = messages.iter().map(|m| {
                let (sign, weight) = match m.member.class {
                    Class::Spam => (1.0, 1.0),
                    Class::Ham => (-1.0, fit.ham_weight),
                };
                // `total` rounds to hundredths, which would hide the slope.
                let group = (scores[0] * f64::from(u8::from(m.hits.contains(&0)))
                    + scores[1] * f64::from(u8::from(m.hits.contains(&1))))
                .clamp(-caps[0], caps[0]);
                let others = [2, 3].map(|r| match m.hits.contains(&r) {
                    true => scores[r as usize],
                    false => 0.0,
                });
                let total = group + others.iter().sum::<f64>();
                assert!((m.total(&scale) - total).abs() <= 0.006);
                weight * (1.0 + (-sign * (total - fit.threshold)).exp()).ln()
            });
            let pulls = knobs.iter().zip(scores);
            losses.sum::<f64>() + fit.pull * pulls.map(|(k, s)| (s - k.old).powi(2)).sum::<f64>()
        };
        let least = value(&scores);
        let old: Vec<f64> = knobs.iter().map(|k| k.old).collect();
        assert!(least < value(&old));
        for (number, knob) in knobs.iter().enumerate() {
            for by in [-0.02, 0.02] {
                let mut other = scores.clone();
                other[number] = (other[number] + by).clamp(knob.least, knob.most);
                assert!(value(&other) >= least - 1e-3, "{number} {by} {scores:?}");
            }
        }
        let blind = fit.scores(&weighed, &knobs, Groups::default());
        assert!(least < value(&blind) - 0.5, "{scores:?} {blind:?}");
    }
}
