//! From log odds as trained to a probability that means what it says (Platt 1999).
//!
//! In: log odds of messages that the weights had not seen, and what those messages were. Out: a line,
//! log odds to log odds, that makes the probabilities fit what happened, at even odds of ham and spam.
//! Never falls: a message with higher log odds has no lower probability. Never surer than the number of
//! messages learned allows: after n messages of a class the other class keeps a chance of 1 in n + 2
//! (Laplace's rule of succession).

/// The line, and its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Calibration {
    /// Factor; above 0.
    pub(super) slope: f64,
    /// Summand.
    pub(super) offset: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Calibration {
            slope: 1.0,
            offset: 0.0,
        }
    }
}

impl Calibration {
    /// For a model without a training: the usual slope of those that have one.
    pub(super) fn untrained() -> Calibration {
        Calibration {
            slope: 0.5,
            offset: 0.0,
        }
    }
}

fn logistic(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

impl Calibration {
    /// Fits the line by Newton's method. `outcomes`: log odds and whether the message was spam. With
    /// fewer than ten messages of a class the line is left as it is.
    pub(super) fn fit(outcomes: &[(f64, bool)]) -> Calibration {
        let spam = outcomes.iter().filter(|o| o.1).count() as f64;
        let ham = outcomes.len() as f64 - spam;
        if spam < 10.0 || ham < 10.0 {
            return Calibration::default();
        }
        let (spam_target, ham_target) = ((spam + 1.0) / (spam + 2.0), 1.0 / (ham + 2.0));
        let mut line = Calibration::default();
        for _ in 0..50 {
            // Gradient and Hessian of the loss, with a weak pull to slope 1 that keeps the system
            // solvable when the classes are told apart without an error.
            let pull = 1e-3;
            let (mut g0, mut g1) = (pull * (line.slope - 1.0), pull * line.offset);
            let (mut h00, mut h01, mut h11) = (pull, 0.0, pull);
            for (odds, is_spam) in outcomes {
                let (target, weight) = if *is_spam {
                    (spam_target, 1.0 / spam)
                } else {
                    (ham_target, 1.0 / ham)
                };
                let p = logistic(line.slope * odds + line.offset);
                let error = weight * (p - target);
                let curve = weight * p * (1.0 - p);
                g0 += error * odds;
                g1 += error;
                h00 += curve * odds * odds;
                h01 += curve * odds;
                h11 += curve;
            }
            let determinant = h00 * h11 - h01 * h01;
            if determinant.abs() < 1e-12 {
                break;
            }
            let step = (
                (h11 * g0 - h01 * g1) / determinant,
                (h00 * g1 - h01 * g0) / determinant,
            );
            // Far from the solution a full step may overshoot.
            let damp = 1.0 / (1.0_f64).max(step.0.abs()).max(step.1.abs());
            line.slope = (line.slope - damp * step.0).clamp(0.05, 20.0);
            line.offset = (line.offset - damp * step.1).clamp(-20.0, 20.0);
            if step.0.abs() + step.1.abs() < 1e-9 {
                break;
            }
        }
        line
    }

    /// Log odds that mean what they say, however little was learned.
    pub(super) fn line(&self, odds: f64) -> f64 {
        self.slope * odds + self.offset
    }

    /// The probability of spam, after `ham` and `spam` messages were learned.
    pub(super) fn probability(&self, odds: f64, ham: u64, spam: u64) -> f64 {
        let lowest = 1.0 / (spam as f64 + 2.0);
        let highest = 1.0 - 1.0 / (ham as f64 + 2.0);
        logistic(self.line(odds)).clamp(lowest.min(0.5), highest.max(0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::bayes::logistic::Random;

    #[test]
    fn probabilities_fit_what_happened_also_when_ham_is_ten_times_as_frequent() {
        for ham_share in [1, 10] {
            let mut random = Random(5);
            let mut uniform = || (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
            let mut outcomes = Vec::new();
            while outcomes.len() < 20_000 {
                // True log odds at even classes are 2x - 1.
                let x = uniform() * 6.0 - 3.0;
                let spam = uniform() < logistic(2.0 * x - 1.0);
                if spam && uniform() > 1.0 / f64::from(ham_share) {
                    continue;
                }
                outcomes.push((x, spam));
            }
            let ham = outcomes.iter().filter(|o| !o.1).count() as f64;
            let spam = outcomes.len() as f64 - ham;
            let shift = if ham_share == 1 {
                (ham / spam).ln()
            } else {
                (ham / spam / 10.0).ln()
            };
            let line = Calibration::fit(&outcomes);
            assert!((line.slope - 2.0).abs() < 0.2, "{line:?}");
            assert!(
                (line.offset - (-1.0 + shift)).abs() < 0.25,
                "{line:?} {shift}"
            );
        }
    }

    #[test]
    fn classes_without_an_error_give_a_finite_line() {
        let outcomes: Vec<(f64, bool)> = (0..100)
            .map(|i| (f64::from(i % 2) * 8.0 - 4.0, i % 2 == 1))
            .collect();
        let line = Calibration::fit(&outcomes);
        assert!(
            line.slope.is_finite() && line.offset.abs() < 1.0,
            "{line:?}"
        );
        assert!(line.probability(4.0, 50, 50) > 0.9);
        assert!(line.probability(-4.0, 50, 50) < 0.1);
    }

    #[test]
    fn little_learning_is_never_sure() {
        let line = Calibration::default();
        assert!(line.probability(1e9, 8, 1000) <= 0.9);
        assert!(line.probability(-1e9, 1000, 8) >= 0.1);
        assert_eq!(line.probability(1e9, 0, 0), 0.5);
    }
}
