//! The circuit breaker of one server or list: after failures in a row it is left alone for a while, then
//! one probe finds out whether it is back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::Gauge;

/// Bounds of a breaker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Failures in a row that open it.
    pub(super) failures: u32,
    /// How long it stays open before a probe.
    pub(super) retry_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing,
}

/// A breaker: closed (in use), open (left alone), or half open while its one probe is under way.
#[derive(Debug)]
pub(super) struct Breaker {
    patience: Patience,
    state: watch::Sender<State>,
    /// 1 while it is closed.
    up: Gauge,
}

impl Breaker {
    /// A closed breaker. The gauge is left as it is until something changes or [`Breaker::show`] is called: it may be that of
    /// the same server in the configuration that is in force, and goes on when this one is refused.
    pub(super) fn new(patience: Patience, up: Gauge) -> Breaker {
        Breaker {
            patience,
            state: watch::Sender::new(State::Closed { failures: 0 }),
            up,
        }
    }

    /// Shows in the gauge what it is now.
    pub(super) fn show(&self) {
        self.change(|state| state);
    }

    /// Whether the server is in use.
    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.state.borrow(), State::Closed { .. })
    }

    /// Whether a probe is under way.
    pub(super) fn is_probing(&self) -> bool {
        *self.state.borrow() == State::Probing
    }

    /// The server has answered.
    pub(super) fn succeeded(&self) {
        self.change(|_| State::Closed { failures: 0 });
    }

    /// The server has failed. Gives whether that took it out of use.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let was_closed = self.is_closed();
        let until = now + self.patience.retry_after;
        self.change(|state| match state {
            State::Closed { failures } if failures + 1 < self.patience.failures => State::Closed {
                failures: failures + 1,
            },
            State::Closed { .. } | State::Probing => State::Open { until },
            // A stream that began before: it tells nothing new.
            State::Open { .. } => state,
        });
        was_closed && !self.is_closed()
    }

    /// It has shown that it must not be used, whatever it did before. Gives whether that took it out of use.
    pub(super) fn tripped(&self, now: Instant) -> bool {
        let was_closed = self.is_closed();
        let until = now + self.patience.retry_after;
        self.change(|_| State::Open { until });
        was_closed
    }

    /// The right to make the one probe, when it is time for it.
    pub(super) fn begin_probe(self: &Arc<Self>, now: Instant) -> Option<Probe> {
        let began = self.state.send_if_modified(|state| match *state {
            State::Open { until } if until <= now => {
                *state = State::Probing;
                true
            }
            _ => false,
        });
        began.then(|| Probe {
            breaker: Arc::clone(self),
        })
    }

    /// Waits for the end of the probe that is under way.
    pub(super) async fn probed(&self) {
        // The sender lives as long as this breaker.
        let _ = self
            .state
            .subscribe()
            .wait_for(|state| *state != State::Probing)
            .await;
    }

    fn change(&self, to: impl FnOnce(State) -> State) {
        self.state.send_modify(|state| {
            *state = to(*state);
            self.up
                .set(i64::from(matches!(state, State::Closed { .. })));
        });
    }
}

/// A probe under way. Dropped without a word, the next one may be made at once.
pub(super) struct Probe {
    breaker: Arc<Breaker>,
}

impl Probe {
    /// The server is back; one more failure takes it out of use again.
    pub(super) fn succeeded(self) {
        let failures = self.breaker.patience.failures.saturating_sub(1);
        self.breaker.change(|_| State::Closed { failures });
    }

    /// It is not.
    pub(super) fn failed(self, now: Instant) {
        self.breaker.failed(now);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.breaker.change(|state| match state {
            State::Probing => State::Open {
                until: Instant::now(),
            },
            other => other,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(failures: u32) -> Arc<Breaker> {
        let up = Gauge::new("up", "for the test").unwrap();
        let retry_after = Duration::from_secs(10);
        let patience = Patience {
            failures,
            retry_after,
        };
        let breaker = Arc::new(Breaker::new(patience, up));
        breaker.show();
        breaker
    }

    #[test]
    fn what_is_not_in_force_does_not_touch_the_gauge_of_what_is() {
        let (old, now) = (breaker(1), Instant::now());
        old.failed(now);
        let new = Breaker::new(old.patience, old.up.clone());
        assert_eq!(old.up.get(), 0);
        new.show();
        assert_eq!(old.up.get(), 1);
    }

    const TENTH: Duration = Duration::from_secs(10);

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_begins_anew() {
        let (b, now) = (breaker(3), Instant::now());
        for _ in 0..2 {
            assert!(!b.failed(now));
            assert!(!b.failed(now));
            b.succeeded();
        }
        assert!(!b.failed(now) && !b.failed(now));
        assert!(b.is_closed() && b.up.get() == 1);
        assert!(b.failed(now));
        assert!(!b.is_closed() && b.up.get() == 0);
    }

    #[test]
    fn one_probe_is_made_when_it_is_time() {
        let (b, now) = (breaker(1), Instant::now());
        b.failed(now);
        assert!(
            b.begin_probe(now + TENTH - Duration::from_millis(1))
                .is_none()
        );
        let probe = b.begin_probe(now + TENTH).unwrap();
        assert!(b.begin_probe(now + TENTH).is_none() && b.is_probing());
        probe.failed(now + TENTH);
        assert!(!b.is_probing() && b.begin_probe(now + TENTH).is_none());
        b.begin_probe(now + TENTH + TENTH).unwrap().succeeded();
        assert!(b.is_closed() && b.up.get() == 1);
    }

    #[test]
    fn what_must_not_be_used_is_out_at_once() {
        let (b, now) = (breaker(3), Instant::now());
        assert!(b.tripped(now) && !b.is_closed() && b.up.get() == 0);
        assert!(!b.tripped(now + TENTH), "it was out already");
        assert!(b.begin_probe(now + TENTH).is_none(), "it rests anew");
        b.begin_probe(now + TENTH + TENTH).unwrap().succeeded();
        assert!(b.is_closed());
    }

    #[test]
    fn after_a_probe_one_failure_is_enough() {
        let (b, now) = (breaker(3), Instant::now());
        for _ in 0..3 {
            b.failed(now);
        }
        b.begin_probe(now + TENTH).unwrap().succeeded();
        assert!(b.failed(now));
    }

    #[test]
    fn a_probe_that_is_dropped_lets_the_next_be_made() {
        let (b, now) = (breaker(1), Instant::now());
        b.failed(now);
        drop(b.begin_probe(now + TENTH).unwrap());
        assert!(!b.is_probing());
        assert!(b.begin_probe(now + TENTH).is_some());
    }

    #[test]
    fn a_late_failure_does_not_prolong_the_rest() {
        let (b, now) = (breaker(1), Instant::now());
        b.failed(now);
        assert!(!b.failed(now + TENTH - Duration::from_secs(1)));
        assert!(b.begin_probe(now + TENTH).is_some());
    }
}
