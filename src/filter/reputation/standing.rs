//! The formula. Of a subject two sums are kept, in which each message counts half as much after each half-life:
//!
//! - n, the number of its messages (`count` of the fact),
//! - b, how much of spam they were (`total`): 0 for ham, 1 for spam, in between for what is in between.
//!
//! Its standing is (2 b/n - 1) n/(n + prudence), from -1, only ham, to 1, only spam. The first factor is what the
//! messages were like, the second how much is known: with no message it is 0, with `prudence` messages a half. Of more
//! than a thousand messages the older ones count less, so that a large sender that turns bad is noticed too.

use std::time::Duration;

use super::options::SubjectPoints;
use crate::store::Fact;

/// More messages than this are no better known.
const MOST: f64 = 1000.0;
/// After so many half-lives nothing worth keeping is left.
const HALF_LIVES: f64 = 12.0;

/// How fast reputation fades, and how slowly it grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) half_life: Duration,
    pub(super) prudence: f64,
}

impl Scale {
    /// n and b, as they are now.
    fn aged(&self, known: Option<Fact>, now: i64) -> (f64, f64) {
        let Some(fact) = known else {
            return (0.0, 0.0);
        };
        // The clock may have been set back.
        let age = now.saturating_sub(fact.at).max(0) as f64;
        let left = (-age / self.half_life_millis()).exp2();
        (fact.count * left, fact.total * left)
    }

    /// From -1 to 1, and the messages that it rests on.
    pub(super) fn standing(&self, known: Option<Fact>, now: i64) -> (f64, f64) {
        let (n, b) = self.aged(known, now);
        if n <= 0.0 {
            return (0.0, 0.0);
        }
        let standing = (2.0 * b / n - 1.0) * n / (n + self.prudence);
        (standing.clamp(-1.0, 1.0), n)
    }

    /// With one more message, that was so much of spam.
    pub(super) fn learned(&self, known: Option<Fact>, now: i64, spam: f64) -> Fact {
        let (n, b) = self.aged(known, now);
        let kept = if n > MOST - 1.0 {
            (MOST - 1.0) / n
        } else {
            1.0
        };
        let lifetime = self.half_life_millis() * HALF_LIVES;
        Fact {
            since: known.map_or(now, |fact| fact.since),
            at: now,
            expires: now.saturating_add(lifetime as i64),
            count: n * kept + 1.0,
            total: b * kept + spam,
        }
    }

    fn half_life_millis(&self) -> f64 {
        self.half_life.as_secs_f64() * 1000.0
    }
}

/// What a standing is worth, to hundredths.
pub(super) fn points(standing: f64, between: SubjectPoints) -> f64 {
    let most = if standing > 0.0 {
        between.bad
    } else {
        -between.good
    };
    let points = (standing * most * 100.0).round() / 100.0;
    // No negative zero.
    points + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400_000;

    fn scale() -> Scale {
        Scale {
            half_life: Duration::from_secs(14 * 86_400),
            prudence: 10.0,
        }
    }

    fn after(messages: usize, spam: f64) -> Option<Fact> {
        (0..messages).fold(None, |known, _| Some(scale().learned(known, 0, spam)))
    }

    #[test]
    fn few_messages_tell_little_and_many_tell_most() {
        let standing = |messages, spam| scale().standing(after(messages, spam), 0).0;
        assert_eq!(standing(0, 1.0), 0.0);
        assert!((standing(1, 1.0) - 1.0 / 11.0).abs() < 1e-9);
        assert!((standing(10, 1.0) - 0.5).abs() < 1e-9);
        assert!((standing(10, 0.0) + 0.5).abs() < 1e-9);
        assert!(standing(1000, 1.0) > 0.98);
        assert!(standing(1000, 0.5).abs() < 1e-9);
    }

    #[test]
    fn it_fades_to_nothing() {
        let fact = after(20, 1.0);
        let (standing, messages) = scale().standing(fact, 14 * DAY);
        assert!((messages - 10.0).abs() < 1e-9);
        assert!((standing - 0.5).abs() < 1e-9);
        assert!(scale().standing(fact, 12 * 14 * DAY).0 < 0.001);
        // As if nothing were older than the clock says.
        assert!((scale().standing(fact, -DAY).1 - 20.0).abs() < 1e-9);
    }

    #[test]
    fn a_large_sender_that_turns_bad_is_noticed() {
        let good = after(100_000, 0.0);
        assert!(good.unwrap().count <= MOST);
        let turned = (0..1000).fold(good, |known, _| Some(scale().learned(known, 0, 1.0)));
        assert!(scale().standing(turned, 0).0 > 0.2);
    }

    #[test]
    fn points_lie_between_their_bounds() {
        let between = SubjectPoints {
            good: -0.5,
            bad: 1.5,
        };
        assert_eq!(points(1.0, between), 1.5);
        assert_eq!(points(-1.0, between), -0.5);
        assert_eq!(points(0.5, between), 0.75);
        assert!(points(-0.001, between).is_sign_positive());
    }

    proptest! {
        #[test]
        fn a_standing_is_a_number_from_minus_one_to_one(
            messages in proptest::collection::vec((0..400 * DAY, 0.0..=1.0f64), 0..50)
        ) {
            let mut known = None;
            for (at, spam) in messages {
                known = Some(scale().learned(known, at, spam));
                let (standing, n) = scale().standing(known, at);
                prop_assert!((-1.0..=1.0).contains(&standing) && n > 0.0 && n <= MOST);
            }
        }
    }
}
