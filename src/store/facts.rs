//! The facts in memory: what filters ask and change on the way of a message.
//!
//! Promises: never waits for the disk; for each kind at most as many as it is allowed, the one touched longest ago
//! going first; a fact past its time is not given. Each kind is divided into parts with locks of their own, which are
//! held for some hundred nanoseconds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::changes::{BATCH, Change, Changes, Place};
use super::recency::Recency;
use super::{Fact, Key, Kind};
use crate::metrics::Metrics;

/// Parts of a kind.
const PARTS: usize = 16;

/// All facts of a daemon.
#[derive(Debug)]
pub struct Facts {
    shelves: Vec<Shelf>,
    changes: Mutex<Changes>,
    /// Told when a batch is full.
    full: Notify,
    metrics: Arc<Metrics>,
}

/// The facts of one kind.
#[derive(Debug)]
struct Shelf {
    kind: Kind,
    parts: [Mutex<Recency>; PARTS],
    /// 0: nobody uses this kind.
    limit: AtomicUsize,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic may have left behind is a fact too few or too many.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Facts {
    /// None, and no kind is used yet.
    pub fn new(metrics: Arc<Metrics>) -> Facts {
        let shelf = |kind| Shelf {
            kind,
            parts: Default::default(),
            limit: AtomicUsize::new(0),
        };
        Facts {
            shelves: Kind::ALL.map(shelf).into_iter().collect(),
            changes: Mutex::default(),
            full: Notify::new(),
            metrics,
        }
    }

    /// Allows so many facts of a kind, at least [`Facts::FEWEST`]. Where there are more, they go when others come.
    pub fn allow(&self, kind: Kind, entries: usize) {
        let entries = entries.max(Facts::FEWEST);
        if let Some(shelf) = self.shelf(kind) {
            shelf.limit.store(entries, Ordering::Relaxed);
        }
        let limit = i64::try_from(entries).unwrap_or(i64::MAX);
        let gauge = &self.metrics.facts_limit;
        gauge.with_label_values(&[kind.name()]).set(limit);
        let evicted = &self.metrics.facts_evicted;
        evicted.with_label_values(&[kind.name()]);
    }

    /// The smallest number of facts that a kind can be allowed.
    pub const FEWEST: usize = 100;

    /// Whether a filter uses facts of any kind.
    pub(super) fn used(&self) -> bool {
        self.shelves.iter().any(|shelf| shelf.limit() > 0)
    }

    /// How many facts of a kind are allowed; 0 where nobody uses it.
    pub(super) fn limit(&self, kind: Kind) -> usize {
        self.shelf(kind).map_or(0, Shelf::limit)
    }

    /// How many facts of a kind there are.
    pub fn len(&self, kind: Kind) -> usize {
        let parts = self.shelf(kind).into_iter().flat_map(|shelf| &shelf.parts);
        parts.map(|part| locked(part).len()).sum()
    }

    /// A fact, unless it is past its time.
    pub fn get(&self, kind: Kind, key: &Key, now: i64) -> Option<Fact> {
        let shelf = self.shelf(kind)?;
        let fact = locked(shelf.part(key.digest())?).get(key.digest());
        fact.filter(|fact| fact.expires > now)
    }

    /// Makes of a fact, or of `None` where there is none, what `change` says; nobody comes between. `None` from it
    /// leaves all as it is. Gives what it gave.
    pub fn update(
        &self,
        kind: Kind,
        key: &Key,
        now: i64,
        change: impl FnOnce(Option<Fact>) -> Option<Fact>,
    ) -> Option<Fact> {
        let shelf = self.shelf(kind)?;
        let mut part = locked(shelf.part(key.digest())?);
        let known = part.get(key.digest()).filter(|fact| fact.expires > now);
        let changed = change(known)?;
        part.put(key.digest(), changed);
        let mut changes = locked(&self.changes);
        let set = Change::Set(key.subject().to_owned(), changed);
        let mut taken = changes.add((kind, key.digest()), set);
        while part.len() > shelf.limit_of_part() {
            let Some(oldest) = part.pop_oldest() else {
                break;
            };
            taken &= changes.add((kind, oldest), Change::Removed);
            let evicted = &self.metrics.facts_evicted;
            evicted.with_label_values(&[kind.name()]).inc();
        }
        if !taken {
            self.metrics.facts_dropped.inc();
        }
        if changes.len() >= BATCH {
            self.full.notify_one();
        }
        Some(changed)
    }

    /// Waits until there is a batch to be written.
    pub(super) async fn full(&self) {
        self.full.notified().await;
    }

    /// Enters facts that were read, the oldest first, where nothing newer is known.
    pub(super) fn enter(&self, (kind, digest): Place, fact: Fact) {
        let Some(shelf) = self.shelf(kind) else {
            return;
        };
        let Some(part) = shelf.part(digest) else {
            return;
        };
        let mut part = locked(part);
        if part.get(digest).is_none() {
            part.put(digest, fact);
            // Nothing is said of those that go: the file gives the newest ones, as many as there is room for.
            while part.len() > shelf.limit_of_part() {
                part.pop_oldest();
            }
        }
    }

    /// Forgets a fact, here and in what is to be written.
    pub(super) fn forget(&self, (kind, digest): Place) {
        let part = self.shelf(kind).and_then(|shelf| shelf.part(digest));
        let mut part = part.map(locked);
        if let Some(part) = &mut part {
            part.remove(digest);
        }
        locked(&self.changes).cancel((kind, digest));
    }

    /// What has changed since it was asked last.
    pub(super) fn take_changes(&self) -> HashMap<Place, Change> {
        locked(&self.changes).take()
    }

    /// What could not be written waits again.
    pub(super) fn give_back(&self, changes: HashMap<Place, Change>) {
        let lost = locked(&self.changes).give_back(changes);
        self.metrics.facts_dropped.inc_by(lost as u64);
    }

    /// Every fact as a change, in pieces, for a file that lacks some.
    pub(super) fn all(&self) -> impl Iterator<Item = HashMap<Place, Change>> {
        let part = |kind| {
            move |part: &Mutex<Recency>| {
                let set = |fact| Change::Set(String::new(), fact);
                let part = locked(part);
                part.iter()
                    .map(|(digest, fact)| ((kind, digest), set(fact)))
                    .collect()
            }
        };
        let shelves = self.shelves.iter();
        shelves.flat_map(move |shelf| shelf.parts.iter().map(part(shelf.kind)))
    }

    /// Takes a fact out.
    pub fn remove(&self, kind: Kind, key: &Key) {
        let part = self.shelf(kind).and_then(|shelf| shelf.part(key.digest()));
        if let Some(mut part) = part.map(locked)
            && part.remove(key.digest())
            && !locked(&self.changes).add((kind, key.digest()), Change::Removed)
        {
            self.metrics.facts_dropped.inc();
        }
    }

    /// Lets go what is past its time.
    pub(super) fn expire(&self, now: i64) {
        for part in self.shelves.iter().flat_map(|shelf| &shelf.parts) {
            locked(part).expire(now);
        }
    }

    /// Shows in the metrics how many there are.
    pub(super) fn show(&self) {
        let gauge = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for shelf in self.shelves.iter().filter(|shelf| shelf.limit() > 0) {
            let entries = &self.metrics.facts_entries;
            entries
                .with_label_values(&[shelf.kind.name()])
                .set(gauge(self.len(shelf.kind)));
        }
        let waiting = locked(&self.changes).len();
        self.metrics.facts_waiting.set(gauge(waiting));
    }

    fn shelf(&self, kind: Kind) -> Option<&Shelf> {
        self.shelves.get(kind as usize)
    }
}

impl Shelf {
    fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    fn limit_of_part(&self) -> usize {
        (self.limit() / PARTS).max(1)
    }

    fn part(&self, digest: u128) -> Option<&Mutex<Recency>> {
        // The digest is even in all of its bits.
        self.parts.get(digest as usize % PARTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(entries: usize) -> Facts {
        let facts = Facts::new(Arc::new(Metrics::new().unwrap()));
        facts.allow(Kind::Rate, entries);
        facts
    }

    fn key(number: usize) -> Key {
        Key::new(&[&number.to_string()])
    }

    fn touch(facts: &Facts, number: usize, expires: i64) {
        facts.update(Kind::Rate, &key(number), 0, |known| {
            let mut fact = known.unwrap_or_default();
            fact.count += 1.0;
            fact.expires = expires;
            Some(fact)
        });
    }

    #[test]
    fn more_facts_than_are_allowed_push_out_those_touched_longest_ago() {
        let facts = facts(320);
        for number in 0..5000 {
            touch(&facts, 0, 10);
            touch(&facts, number, 10);
        }
        assert!(facts.len(Kind::Rate) <= 320);
        assert!(facts.len(Kind::Rate) > 300);
        let there = |number| facts.get(Kind::Rate, &key(number), 0).is_some();
        assert!(there(0) && there(4999) && !there(1));
        let evicted = facts.metrics.facts_evicted.with_label_values(&["rate"]);
        assert_eq!(evicted.get() as usize, 5000 - facts.len(Kind::Rate));
        // Those that have gone are to go from the file too.
        let changes = facts.take_changes();
        let gone = changes.values().filter(|c| **c == Change::Removed);
        assert_eq!(gone.count() as u64, evicted.get());
        // A smaller bound takes hold as others come.
        facts.allow(Kind::Rate, 100);
        for number in 0..100 {
            touch(&facts, number, 10);
        }
        assert!(facts.len(Kind::Rate) <= 100);
    }

    #[test]
    fn a_fact_past_its_time_is_as_if_it_had_never_been() {
        let facts = facts(100);
        touch(&facts, 1, 10);
        assert!(facts.get(Kind::Rate, &key(1), 9).is_some());
        assert!(facts.get(Kind::Rate, &key(1), 10).is_none());
        let seen = facts.update(Kind::Rate, &key(1), 10, |known| {
            assert_eq!(known, None);
            None
        });
        assert_eq!(seen, None);
        assert_eq!(facts.len(Kind::Rate), 1);
        facts.expire(10);
        assert_eq!(facts.len(Kind::Rate), 0);
    }

    #[test]
    fn what_was_read_does_not_replace_what_is_newer() {
        let facts = facts(100);
        touch(&facts, 1, 10);
        facts.enter((Kind::Rate, key(1).digest()), Fact::default());
        assert_eq!(facts.get(Kind::Rate, &key(1), 0).unwrap().count, 1.0);
        facts.forget((Kind::Rate, key(1).digest()));
        assert!(facts.get(Kind::Rate, &key(1), 0).is_none());
        assert!(facts.take_changes().is_empty());
    }
}
