//! Triplets: which deliveries were put off, which came back, and from where deliveries come back as a rule.
//!
//! In: origin (a network, or a domain that SPF has proven), sender, recipient, the time. Out: whether the delivery
//! passes. A triplet is entered at its first attempt; a second one between `delay` and `window` later passes, and from
//! then on every one. An origin from which enough deliveries have come back passes as a whole, and so does an answer to
//! a recipient who has written to the sender, as far as the filter `reputation` knows. Those that wait and those that
//! have passed are kept apart: a flood of first attempts must not push out who is known.

use std::sync::Arc;
use std::time::Duration;

use crate::store::{Fact, Facts, Key, Kind};

/// An origin that passes is touched once in this time, to spare the disk. Milliseconds.
const TOUCH: i64 = 3_600_000;

/// How long is waited for whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) delay: Duration,
    pub(super) window: Duration,
    pub(super) lifetime: Duration,
    pub(super) successes: u32,
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Result {
    /// It is the first: come again after this time.
    Deferred(Duration),
    /// It came again too early: come after this time.
    Early(Duration),
    /// It came again, so long after the first.
    Passed(Duration),
    /// It has passed before.
    Known,
    /// Deliveries from this origin come back as a rule.
    White,
    /// The recipient has written to the sender.
    Correspondent,
}

impl Result {
    /// The words used in metrics.
    pub(super) const NAMES: [&'static str; 6] = [
        "deferred",
        "early",
        "passed",
        "known",
        "white",
        "correspondent",
    ];

    pub(super) fn name(self) -> &'static str {
        let [deferred, early, passed, known, white, correspondent] = Result::NAMES;
        match self {
            Result::Deferred(_) => deferred,
            Result::Early(_) => early,
            Result::Passed(_) => passed,
            Result::Known => known,
            Result::White => white,
            Result::Correspondent => correspondent,
        }
    }
}

#[derive(Debug)]
pub(super) struct Triplets {
    facts: Arc<Facts>,
    patience: Patience,
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

impl Triplets {
    pub(super) fn new(facts: Arc<Facts>, patience: Patience) -> Triplets {
        Triplets { facts, patience }
    }

    /// One attempt at the time `now`, milliseconds since 1970.
    pub(super) fn attempt(&self, now: i64, origin: &str, sender: &str, to: &str) -> Result {
        if self.is_white(now, origin) {
            return Result::White;
        }
        let written_to = Key::new(&[to, sender]);
        let correspondent = self.facts.get(Kind::Correspondent, &written_to, now);
        if correspondent.is_some() {
            return Result::Correspondent;
        }
        let key = Key::new(&[origin, sender, to]);
        let passed = |since: i64, count: f64| Fact {
            since,
            at: now,
            expires: now.saturating_add(millis(self.patience.lifetime)),
            count,
            total: 0.0,
        };
        let known = self.facts.update(Kind::GreylistPassed, &key, now, |known| {
            known.map(|known| passed(known.since, known.count + 1.0))
        });
        if known.is_some() {
            return Result::Known;
        }
        let result = self.wait(now, &key);
        if let Result::Passed(waited) = result {
            let since = now.saturating_sub(millis(waited));
            let first = |_| Some(passed(since, 1.0));
            self.facts.update(Kind::GreylistPassed, &key, now, first);
            self.facts.remove(Kind::GreylistWaiting, &key);
            self.succeeded(now, origin);
        }
        result
    }

    /// An attempt of a triplet that has not passed yet.
    fn wait(&self, now: i64, key: &Key) -> Result {
        let (delay, window) = (millis(self.patience.delay), millis(self.patience.window));
        let mut result = Result::Deferred(self.patience.delay);
        self.facts.update(Kind::GreylistWaiting, key, now, |known| {
            let Some(known) = known else {
                return Some(Fact {
                    since: now,
                    at: now,
                    expires: now.saturating_add(window),
                    count: 1.0,
                    total: 0.0,
                });
            };
            // The clock may have been set back.
            let since = known.since.min(now);
            let waited = now - since;
            result = match waited < delay {
                true => Result::Early(duration(delay - waited)),
                false => Result::Passed(duration(waited)),
            };
            Some(Fact {
                since,
                at: now,
                count: known.count + 1.0,
                ..known
            })
        });
        result
    }

    fn is_white(&self, now: i64, origin: &str) -> bool {
        if self.patience.successes == 0 {
            return false;
        }
        let key = Key::new(&[origin]);
        let Some(fact) = self.facts.get(Kind::GreylistOrigin, &key, now) else {
            return false;
        };
        let white = fact.count >= f64::from(self.patience.successes);
        if white && now - fact.at > TOUCH {
            self.touch(now, &key, 0.0);
        }
        white
    }

    fn succeeded(&self, now: i64, origin: &str) {
        if self.patience.successes > 0 {
            self.touch(now, &Key::new(&[origin]), 1.0);
        }
    }

    fn touch(&self, now: i64, origin: &Key, successes: f64) {
        let lifetime = millis(self.patience.lifetime);
        self.facts
            .update(Kind::GreylistOrigin, origin, now, |known| {
                Some(Fact {
                    since: known.map_or(now, |known| known.since),
                    at: now,
                    expires: now.saturating_add(lifetime),
                    count: known.map_or(0.0, |known| known.count) + successes,
                    total: 0.0,
                })
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;

    fn triplets(successes: u32) -> Triplets {
        let facts = Facts::new(Arc::new(Metrics::new().unwrap()));
        facts.allow(Kind::GreylistWaiting, 1000);
        facts.allow(Kind::GreylistPassed, 1000);
        facts.allow(Kind::Correspondent, 1000);
        facts.allow(Kind::GreylistOrigin, 1000);
        let patience = Patience {
            delay: Duration::from_secs(300),
            window: Duration::from_secs(2 * 86_400),
            lifetime: Duration::from_secs(36 * 86_400),
            successes,
        };
        Triplets::new(Arc::new(facts), patience)
    }

    #[test]
    fn who_comes_again_in_time_passes_and_is_known_from_then_on() {
        let triplets = triplets(0);
        let attempt = |now| triplets.attempt(now, "192.0.2.0/24", "a@b.example", "c@d.example");
        let minutes = |n: u64| Duration::from_secs(60 * n);
        assert_eq!(attempt(0), Result::Deferred(minutes(5)));
        assert_eq!(attempt(2 * MINUTE), Result::Early(minutes(3)));
        // An early one does not prolong the wait.
        assert_eq!(
            attempt(5 * MINUTE - 1),
            Result::Early(Duration::from_millis(1))
        );
        assert_eq!(attempt(5 * MINUTE), Result::Passed(minutes(5)));
        assert_eq!(attempt(5 * MINUTE), Result::Known);
        assert_eq!(attempt(36 * DAY), Result::Known);
        assert_eq!(attempt(72 * DAY - 1), Result::Known);
        assert_eq!(attempt(150 * DAY), Result::Deferred(minutes(5)));
        // Who comes after the window comes for the first time.
        assert_eq!(attempt(152 * DAY), Result::Deferred(minutes(5)));
        // Each part of the triplet counts.
        for (origin, sender, to) in [
            ("198.51.100.0/24", "a@b.example", "c@d.example"),
            ("192.0.2.0/24", "x@b.example", "c@d.example"),
            ("192.0.2.0/24", "a@b.example", "x@d.example"),
        ] {
            let other = triplets.attempt(152 * DAY + 10 * MINUTE, origin, sender, to);
            assert_eq!(other, Result::Deferred(minutes(5)));
        }
    }

    #[test]
    fn an_origin_whose_deliveries_come_back_passes_as_a_whole() {
        let triplets = triplets(3);
        for (number, to) in ["a", "b", "c"].iter().enumerate() {
            let at = number as i64 * 10 * MINUTE;
            let first = triplets.attempt(at, "net", "s", to);
            assert!(matches!(first, Result::Deferred(_)), "{to}: {first:?}");
            let again = triplets.attempt(at + 6 * MINUTE, "net", "s", to);
            assert!(matches!(again, Result::Passed(_)), "{to}: {again:?}");
            // The same delivery once more is no further success.
            triplets.attempt(at + 7 * MINUTE, "net", "s", to);
        }
        assert_eq!(triplets.attempt(DAY, "net", "t", "d"), Result::White);
        // Each message keeps it so.
        assert_eq!(triplets.attempt(36 * DAY, "net", "t", "d"), Result::White);
        assert_eq!(triplets.attempt(71 * DAY, "net", "t", "d"), Result::White);
        let later = triplets.attempt(110 * DAY, "net", "t", "d");
        assert!(matches!(later, Result::Deferred(_)), "{later:?}");
    }

    #[test]
    fn who_was_written_to_need_not_wait() {
        let triplets = triplets(0);
        let fact = Fact {
            expires: DAY,
            ..Fact::default()
        };
        let pair = Key::new(&["bob@example.net", "ann@example.org"]);
        let facts = &triplets.facts;
        facts.update(Kind::Correspondent, &pair, 0, |_| Some(fact));
        let attempt = |sender, to| triplets.attempt(0, "net", sender, to);
        assert_eq!(
            attempt("ann@example.org", "bob@example.net"),
            Result::Correspondent
        );
        let other = attempt("ann@example.org", "eve@example.net");
        assert!(matches!(other, Result::Deferred(_)), "{other:?}");
    }

    #[test]
    fn a_flood_of_first_attempts_does_not_push_out_who_is_known() {
        let triplets = triplets(0);
        triplets.attempt(0, "net", "s", "t");
        triplets.attempt(10 * MINUTE, "net", "s", "t");
        for number in 0..5000 {
            triplets.attempt(11 * MINUTE, "net", &number.to_string(), "t");
        }
        assert!(triplets.facts.len(Kind::GreylistWaiting) <= 1000);
        assert_eq!(
            triplets.attempt(12 * MINUTE, "net", "s", "t"),
            Result::Known
        );
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer_than_the_delay() {
        let triplets = triplets(0);
        triplets.attempt(DAY, "net", "s", "t");
        let early = triplets.attempt(DAY / 2, "net", "s", "t");
        assert_eq!(early, Result::Early(Duration::from_secs(300)));
        let passed = triplets.attempt(DAY / 2 + 5 * MINUTE, "net", "s", "t");
        assert_eq!(passed, Result::Passed(Duration::from_secs(300)));
    }
}
