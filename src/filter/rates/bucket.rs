//! A leaky bucket: what is poured in runs out evenly, `burst` in the time `per`.
//!
//! The level is the `total` of a fact, as it was at the time `at`; `count` is the number of times that something was
//! poured in. Pure arithmetic.

use std::time::Duration;

use super::limit::Limit;
use crate::store::Fact;

/// The level now.
pub(super) fn level(limit: &Limit, known: Option<Fact>, now: i64) -> f64 {
    let Some(fact) = known else {
        return 0.0;
    };
    // The clock may have been set back.
    let passed = now.saturating_sub(fact.at).max(0) as f64;
    (fact.total - passed * rate(limit)).max(0.0)
}

/// How long to wait until `amount` more fits; `None` where it does.
pub(super) fn excess(limit: &Limit, level: f64, amount: f64) -> Option<Duration> {
    // What has run out is known to the millisecond only.
    let over = level + amount - f64::from(limit.burst);
    (over > 1e-6).then(|| Duration::from_millis((over / rate(limit)).ceil() as u64))
}

/// After `amount` more. A bucket runs over at twice its size, so that who is only given points comes down again.
pub(super) fn poured(limit: &Limit, known: Option<Fact>, now: i64, amount: f64) -> Fact {
    let most = 2.0 * f64::from(limit.burst);
    let total = (level(limit, known, now) + amount).min(most.max(amount));
    let empty = (total / rate(limit)).ceil() as i64;
    Fact {
        since: known.map_or(now, |fact| fact.since),
        at: now,
        expires: now.saturating_add(empty),
        count: known.map_or(0.0, |fact| fact.count) + 1.0,
        total,
    }
}

/// In a millisecond.
fn rate(limit: &Limit) -> f64 {
    f64::from(limit.burst) / (limit.per.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::super::options::{By, Count, RateAction};
    use super::*;

    fn limit() -> Limit {
        Limit {
            by: By::ClientNetwork,
            name: "test".to_owned(),
            count: Count::Messages,
            burst: 10,
            per: Duration::from_secs(100),
            action: RateAction::Defer,
        }
    }

    #[test]
    fn it_takes_a_burst_and_runs_out_evenly() {
        let limit = limit();
        let mut fact = None;
        for _ in 0..10 {
            assert_eq!(excess(&limit, level(&limit, fact, 0), 1.0), None);
            fact = Some(poured(&limit, fact, 0, 1.0));
        }
        assert_eq!(
            excess(&limit, level(&limit, fact, 0), 1.0),
            Some(Duration::from_secs(10))
        );
        assert_eq!(
            excess(&limit, level(&limit, fact, 9_999), 1.0),
            Some(Duration::from_millis(1))
        );
        assert_eq!(excess(&limit, level(&limit, fact, 10_000), 1.0), None);
        assert!((level(&limit, fact, 50_000) - 5.0).abs() < 1e-9);
        // Empty, it is as if it had never been.
        assert_eq!(fact.unwrap().expires, 100_000);
        assert!(level(&limit, fact, 100_000).abs() < 1e-9);
        // A clock that was set back empties nothing and fills nothing.
        assert!((level(&limit, fact, -50_000) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn who_goes_on_all_the_same_is_held_to_it_for_a_bounded_time() {
        let limit = limit();
        let mut fact = None;
        for _ in 0..1000 {
            fact = Some(poured(&limit, fact, 0, 1.0));
        }
        assert!((level(&limit, fact, 0) - 20.0).abs() < 1e-9);
        assert_eq!(excess(&limit, level(&limit, fact, 110_000), 1.0), None);
    }
}
