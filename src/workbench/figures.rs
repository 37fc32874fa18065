//! The figures of one engine over messages that it had not learned.

use serde::Serialize;

use crate::filter::bayes::{Class, Ranking};

use super::bootstrap::{Draws, Interval};
use super::interval::{Share, logistic_average};
use super::{Answer, Called, Cut};

/// Probabilities at which a table counts losses.
pub const THRESHOLDS: [f64; 9] = [0.1, 0.25, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99, 0.999];
/// Shares of ham lost at which missed spam is given.
pub const HAM_LOST: [f64; 3] = [0.0, 0.001, 0.01];
/// Columns of a calibration curve.
const BINS: usize = 10;

/// A share with its interval, as reports and JSON have it; shares from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
    /// The share.
    pub rate: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

impl From<Share> for Rate {
    fn from(share: Share) -> Rate {
        let (low, high) = share.interval();
        Rate {
            count: share.part,
            of: share.whole,
            rate: share.value(),
            low,
            high,
        }
    }
}

/// `0.64 % (0.40 to 1.01), 18`: the share, its interval, the count.
impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.2} % ({:.2} to {:.2}), {}",
            100.0 * self.rate,
            100.0 * self.low,
            100.0 * self.high,
            self.count
        )
    }
}

/// Losses at one threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtThreshold {
    /// From this probability on a message would be taken for spam.
    pub probability: f64,
    /// Ham at or above it.
    pub ham_lost: Rate,
    /// Spam below it.
    pub spam_missed: Rate,
}

/// Messages of neighbouring probabilities: what was said, and what they were.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Mean probability that was given.
    pub said: f64,
    /// Share that was spam, both classes weighed as if equally frequent.
    pub was: f64,
    /// Ham messages.
    pub ham: usize,
    /// Spam messages.
    pub spam: usize,
}

/// Everything that one engine's answers tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Ham messages judged.
    pub ham: usize,
    /// Spam messages judged.
    pub spam: usize,
    /// Chance that a random ham is ranked above a random spam, percent.
    pub one_minus_roca: Option<f64>,
    /// Its 95 % interval.
    pub one_minus_roca_interval: Option<Interval>,
    /// Ham called spam, at the cut.
    pub ham_misclassified: Rate,
    /// Spam not called spam, at the cut; `unsure` is delivered, so it counts.
    pub spam_misclassified: Rate,
    /// Messages called neither, ham and spam together.
    pub unsure: Rate,
    /// Logistic average of both misclassifications, 0 to 1.
    pub lam: f64,
    /// Its 95 % interval.
    pub lam_interval: Option<Interval>,
    /// Share of spam missed where no more than a share of ham is lost.
    pub missed_at: Vec<(f64, Option<f64>)>,
    /// Losses by threshold.
    pub thresholds: Vec<AtThreshold>,
    /// What probabilities turned out to mean; empty columns are left out.
    pub calibration: Vec<Bin>,
    /// Mean distance of what was said from what was, both classes weighed alike.
    pub calibration_error: f64,
}

impl Figures {
    /// Computes all figures of `answers`. Intervals come from `draws`.
    pub fn of(answers: &[Answer], ranking: &Ranking, cut: Cut, draws: &Draws) -> Figures {
        let (ham, spam) = ranking.totals();
        let losses = |weights: Option<&[u32]>| losses(answers, cut, weights);
        let (lost, missed) = losses(None);
        let unsure = answers
            .iter()
            .filter(|a| cut.call(a.score.probability) == Called::Unsure)
            .count();
        let both = ham > 0 && spam > 0;
        let calibration = calibration(answers);
        let calibration_error = calibration
            .iter()
            .map(|b| b.weight(ham, spam) * (b.said - b.was).abs())
            .sum();
        Figures {
            ham,
            spam,
            one_minus_roca: ranking.one_minus_roca(None),
            one_minus_roca_interval: draws.interval(|w| ranking.one_minus_roca(Some(w))),
            ham_misclassified: lost.into(),
            spam_misclassified: missed.into(),
            unsure: Share {
                part: unsure,
                whole: answers.len(),
            }
            .into(),
            lam: logistic_average(lost, missed),
            lam_interval: both
                .then(|| {
                    draws.interval(|w| {
                        let (lost, missed) = losses(Some(w));
                        Some(logistic_average(lost, missed))
                    })
                })
                .flatten(),
            missed_at: HAM_LOST
                .iter()
                .map(|lost| (*lost, ranking.missed_at(*lost)))
                .collect(),
            thresholds: THRESHOLDS
                .iter()
                .map(|t| at_threshold(answers, *t))
                .collect(),
            calibration,
            calibration_error,
        }
    }
}

/// Ham called spam, and spam not called spam.
pub fn losses(answers: &[Answer], cut: Cut, weights: Option<&[u32]>) -> (Share, Share) {
    let (mut lost, mut missed) = (Share { part: 0, whole: 0 }, Share { part: 0, whole: 0 });
    for (index, answer) in answers.iter().enumerate() {
        let times = weights.map_or(1, |w| w.get(index).copied().unwrap_or(0)) as usize;
        let called_spam = cut.call(answer.score.probability) == Called::Spam;
        let (share, wrong) = match answer.class {
            Class::Ham => (&mut lost, called_spam),
            Class::Spam => (&mut missed, !called_spam),
        };
        share.whole += times;
        share.part += if wrong { times } else { 0 };
    }
    (lost, missed)
}

fn at_threshold(answers: &[Answer], probability: f64) -> AtThreshold {
    let cut = Cut {
        ham_below: probability,
        spam_from: probability,
    };
    let (lost, missed) = losses(answers, cut, None);
    AtThreshold {
        probability,
        ham_lost: lost.into(),
        spam_missed: missed.into(),
    }
}

impl Bin {
    /// Its part of all messages, each class weighing one half.
    fn weight(&self, ham: usize, spam: usize) -> f64 {
        (self.ham as f64 / ham.max(1) as f64 + self.spam as f64 / spam.max(1) as f64) / 2.0
    }
}

fn calibration(answers: &[Answer]) -> Vec<Bin> {
    let of = |class| answers.iter().filter(|a| a.class == class).count().max(1) as f64;
    let (ham_all, spam_all) = (of(Class::Ham), of(Class::Spam));
    let mut bins = [(0.0, 0_usize, 0_usize); BINS];
    for answer in answers {
        let at = (answer.score.probability * BINS as f64) as usize;
        if let Some((said, ham, spam)) = bins.get_mut(at.min(BINS - 1)) {
            match answer.class {
                Class::Ham => {
                    *ham += 1;
                    *said += answer.score.probability / ham_all;
                }
                Class::Spam => {
                    *spam += 1;
                    *said += answer.score.probability / spam_all;
                }
            }
        }
    }
    bins.into_iter()
        .filter(|(_, ham, spam)| ham + spam > 0)
        .map(|(said, ham, spam)| {
            let (h, s) = (ham as f64 / ham_all, spam as f64 / spam_all);
            Bin {
                said: said / (h + s),
                was: s / (h + s),
                ham,
                spam,
            }
        })
        .collect()
}

/// How much better one engine is than another on the same messages; all differences are second minus first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Of 1-ROCA, in percentage points; above 0 the second is worse.
    pub one_minus_roca: Option<f64>,
    /// Its 95 % interval: when it holds 0, chance explains the difference.
    pub one_minus_roca_interval: Option<Interval>,
    /// Of the logistic average of misclassification, 0 to 1.
    pub lam: f64,
    /// Its 95 % interval.
    pub lam_interval: Option<Interval>,
    /// Ham that only the first calls spam, and that only the second does.
    pub ham_lost: (usize, usize),
    /// Spam that only the first misses, and that only the second does.
    pub spam_missed: (usize, usize),
}

impl Difference {
    /// Compares two engines on the same messages, in the same order.
    pub fn between(
        (first, first_ranking): (&[Answer], &Ranking),
        (second, second_ranking): (&[Answer], &Ranking),
        cut: Cut,
        draws: &Draws,
    ) -> Difference {
        let roca = |w: Option<&[u32]>| {
            Some(second_ranking.one_minus_roca(w)? - first_ranking.one_minus_roca(w)?)
        };
        let lam = |w: Option<&[u32]>| {
            let of = |answers| {
                let (lost, missed) = losses(answers, cut, w);
                logistic_average(lost, missed)
            };
            of(second) - of(first)
        };
        let only = |class: Class| {
            let wrong = |a: &Answer| {
                a.class == class
                    && (cut.call(a.score.probability) == Called::Spam) == (class == Class::Ham)
            };
            let pairs = || first.iter().zip(second).map(|(a, b)| (wrong(a), wrong(b)));
            (
                pairs().filter(|p| p.0 && !p.1).count(),
                pairs().filter(|p| p.1 && !p.0).count(),
            )
        };
        Difference {
            one_minus_roca: roca(None),
            one_minus_roca_interval: draws.interval(|w| roca(Some(w))),
            lam: lam(None),
            lam_interval: draws.interval(|w| Some(lam(Some(w)))),
            ham_lost: only(Class::Ham),
            spam_missed: only(Class::Spam),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Score, ranked};
    use super::*;
    use Class::{Ham, Spam};

    fn answers(of: &[(Class, f64)]) -> Vec<Answer> {
        of.iter()
            .enumerate()
            .map(|(unit, (class, probability))| Answer {
                class: *class,
                score: Score {
                    probability: *probability,
                    odds: *probability,
                },
                unit,
            })
            .collect()
    }

    fn figures(answers: &[Answer]) -> Figures {
        let draws = Draws::new(answers, 50, 1);
        Figures::of(answers, &ranked(answers), Cut::default(), &draws)
    }

    #[test]
    fn losses_are_counted_at_the_threshold_and_unsure_is_delivered() {
        let f = figures(&answers(&[
            (Ham, 0.1),
            (Ham, 0.9),
            (Ham, 0.5),
            (Spam, 0.9),
            (Spam, 0.5),
        ]));
        assert_eq!((f.ham_misclassified.count, f.ham_misclassified.of), (1, 3));
        assert_eq!(
            (f.spam_misclassified.count, f.spam_misclassified.of),
            (1, 2)
        );
        assert_eq!(f.unsure.count, 2);
        let at = f.thresholds.iter().find(|t| t.probability == 0.9).unwrap();
        assert_eq!((at.ham_lost.count, at.spam_missed.count), (1, 1));
        let at = f.thresholds.iter().find(|t| t.probability == 0.95).unwrap();
        assert_eq!((at.ham_lost.count, at.spam_missed.count), (0, 2));
    }

    #[test]
    fn calibration_is_judged_at_even_odds_of_the_classes() {
        // Of a hundred ham and ten spam, a tenth each is said to be 0.5: that is right at even odds.
        let mut of = vec![(Ham, 0.5); 10];
        of.extend([(Ham, 0.0); 90]);
        of.extend([(Spam, 0.5); 1]);
        of.extend([(Spam, 0.999); 9]);
        let f = figures(&answers(&of));
        assert!(f.calibration_error < 1e-3, "{}", f.calibration_error);
        let wrong = figures(&answers(&[(Ham, 0.9), (Spam, 0.1)]));
        assert!((wrong.calibration_error - 0.9).abs() < 1e-9);
    }

    #[test]
    fn a_difference_has_the_sign_of_the_worse_one() {
        let good: Vec<_> = (0..100)
            .map(|i| if i % 2 == 0 { (Ham, 0.1) } else { (Spam, 0.9) })
            .collect();
        let bad: Vec<_> = good
            .iter()
            .enumerate()
            .map(|(i, g)| if i < 20 { (g.0, 1.0 - g.1) } else { *g })
            .collect();
        let (good, bad) = (answers(&good), answers(&bad));
        let draws = Draws::new(&good, 200, 1);
        let d = Difference::between(
            (&good, &ranked(&good)),
            (&bad, &ranked(&bad)),
            Cut::default(),
            &draws,
        );
        assert!(d.one_minus_roca.unwrap() > 5.0);
        assert!(d.one_minus_roca_interval.unwrap().low > 0.0);
        assert!(d.lam > 0.05 && d.lam_interval.unwrap().low > 0.0);
        assert_eq!((d.ham_lost, d.spam_missed), ((0, 10), (0, 10)));
    }
}
