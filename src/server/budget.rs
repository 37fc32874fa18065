//! Bytes of messages in memory: a bound for one message and a bound for all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::metrics::Gauge;

/// The bound on all message bytes in memory, shared by all sessions.
#[derive(Clone, Debug)]
pub struct Budget {
    limit: usize,
    used: Arc<AtomicUsize>,
    gauge: Gauge,
}

/// The share of one transaction; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// A budget of `limit` bytes; `gauge` follows what is in use.
    pub fn new(limit: usize, gauge: Gauge) -> Budget {
        Budget {
            limit,
            used: Arc::default(),
            gauge,
        }
    }

    /// An empty share.
    pub fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

impl Share {
    /// Takes `more` bytes; `false`, and nothing is taken, when the budget does not have them.
    pub fn grow(&mut self, more: usize) -> bool {
        let limit = self.budget.limit;
        let taken = self
            .budget
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(more).filter(|n| *n <= limit)
            })
            .is_ok();
        if taken {
            self.bytes += more;
            self.budget.gauge.add(gauge_value(more));
        }
        taken
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives everything back.
    pub fn release(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
        self.budget.gauge.sub(gauge_value(bytes));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
    }
}

fn gauge_value(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_exceed_the_budget_and_are_given_back() {
        let gauge = Gauge::new("g", "g").unwrap();
        let budget = Budget::new(100, gauge.clone());
        let mut a = budget.share();
        let mut b = budget.share();
        assert!(a.grow(60));
        assert!(!b.grow(41));
        assert!(b.grow(40));
        assert_eq!(gauge.get(), 100);
        drop(a);
        assert!(b.grow(60));
        b.release();
        assert_eq!((b.bytes(), gauge.get()), (0, 0));
    }
}
