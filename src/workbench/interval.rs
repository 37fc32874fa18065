//! How far a share that was counted may be from the one that was meant.

/// 97.5 % of a normal distribution lie below it.
const Z: f64 = 1.959_963_984_540_054;

/// A part of a whole, with its 95 % interval (Wilson 1927), which is meaningful also at 0 and at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// How many.
    pub part: usize,
    /// Of how many.
    pub whole: usize,
}

impl Share {
    /// The share, 0 to 1; 0 of nothing.
    pub fn value(&self) -> f64 {
        self.part as f64 / self.whole.max(1) as f64
    }

    /// Lower and upper end of the 95 % interval; 0 and 1 when nothing was counted.
    pub fn interval(&self) -> (f64, f64) {
        let n = self.whole as f64;
        if self.whole == 0 {
            return (0.0, 1.0);
        }
        let p = self.value();
        let middle = p + Z * Z / (2.0 * n);
        let width = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        (
            ((middle - width) / scale).max(0.0),
            ((middle + width) / scale).min(1.0),
        )
    }
}

/// Logistic average of two shares (Cormack and Lynam 2005), 0 to 1: the mean of their log odds, each count
/// smoothed by a half so that none is infinite.
pub fn logistic_average(one: Share, other: Share) -> f64 {
    let odds = |s: Share| {
        let wrong = s.part as f64 + 0.5;
        let right = s.whole as f64 - s.part as f64 + 0.5;
        (wrong / right).ln()
    };
    1.0 / (1.0 + (-(odds(one) + odds(other)) / 2.0).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_literature() {
        // Newcombe 1998, table I, method 3.
        for (part, whole, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (l, h) = Share { part, whole }.interval();
            assert!(
                (l - low).abs() < 5e-5 && (h - high).abs() < 5e-5,
                "{part}/{whole}: {l} {h}"
            );
        }
        assert_eq!(Share { part: 0, whole: 0 }.interval(), (0.0, 1.0));
    }

    #[test]
    fn the_logistic_average_of_equal_shares_is_that_share() {
        let share = Share {
            part: 10,
            whole: 1000,
        };
        assert!((logistic_average(share, share) - 0.0105).abs() < 1e-4);
        let none = Share {
            part: 0,
            whole: 1000,
        };
        assert!(logistic_average(none, share) > 0.0);
    }
}
