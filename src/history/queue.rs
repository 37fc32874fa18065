//! Entries that wait to be written: bounded in number and in bytes. Past a bound the oldest goes, because who looks for
//! what went wrong looks at what came last.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Entry;
use crate::heard::Record;

/// Entries that may wait.
const ENTRIES: usize = 20_000;
/// Their bytes in memory, about.
const BYTES: usize = 64 << 20;
/// From so many on they are written before their time is over.
pub(super) const BATCH: usize = 1000;

/// A verdict, and what filters heard from outside.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) entry: Entry,
    pub(super) heard: Option<Record>,
}

#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<(usize, Waiting)>,
    bytes: usize,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Adds an entry; gives how many had to go for it.
    pub(super) fn push(&self, entry: Waiting) -> usize {
        let bytes = weight(&entry);
        let mut waiting = self.lock();
        waiting.bytes += bytes;
        waiting.entries.push_back((bytes, entry));
        let mut gone = 0;
        while waiting.entries.len() > ENTRIES || waiting.bytes > BYTES {
            let Some((bytes, _)) = waiting.entries.pop_front() else {
                break;
            };
            waiting.bytes -= bytes;
            gone += 1;
        }
        gone
    }

    /// Takes at most a batch, the oldest first.
    pub(super) fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.lock();
        let most = waiting.entries.len().min(BATCH);
        let taken: Vec<(usize, Waiting)> = waiting.entries.drain(..most).collect();
        waiting.bytes -= taken.iter().map(|(bytes, _)| bytes).sum::<usize>();
        taken.into_iter().map(|(_, entry)| entry).collect()
    }

    /// Puts back what could not be written, in front, as far as there is room; gives how many found none.
    pub(super) fn give_back(&self, entries: Vec<Waiting>) -> usize {
        let mut waiting = self.lock();
        let mut left = entries.len();
        for entry in entries.into_iter().rev() {
            let bytes = weight(&entry);
            if waiting.entries.len() >= ENTRIES || waiting.bytes + bytes > BYTES {
                break;
            }
            waiting.bytes += bytes;
            waiting.entries.push_front((bytes, entry));
            left -= 1;
        }
        left
    }
}

/// About how much memory an entry takes.
fn weight(waiting: &Waiting) -> usize {
    let entry = &waiting.entry;
    let texts = [&entry.subject, &entry.from, &entry.message_id];
    let texts: usize = texts.into_iter().map(String::len).sum();
    let recipients: usize = entry.recipients.iter().map(|r| r.len() + 24).sum();
    let outcomes = entry
        .outcomes
        .iter()
        .chain(entry.policies.iter().flat_map(|p| &p.outcomes));
    let outcomes: usize = outcomes
        .map(|o| {
            let hits = o.hits.iter().map(|h| 200 + h.evidence.len() + h.rule.len());
            120 + o.detail.len() + hits.sum::<usize>()
        })
        .sum();
    let heard = waiting.heard.as_ref().map_or(0, Record::weight);
    size_of::<Waiting>() + heard + texts + recipients + outcomes
}

#[cfg(test)]
mod tests {
    use super::super::transaction::tests::entry;
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_is_no_room() {
        let queue = Queue::default();
        let numbered = |n: usize| Waiting {
            entry: Entry {
                message_id: n.to_string(),
                ..entry()
            },
            heard: None,
        };
        for n in 0..ENTRIES {
            assert_eq!(queue.push(numbered(n)), 0);
        }
        assert_eq!(queue.push(numbered(ENTRIES)), 1);
        let batch = queue.take();
        assert_eq!(batch.len(), BATCH);
        assert_eq!(batch[0].entry.message_id, "1");
        assert_eq!(queue.give_back(batch), 0);
        assert_eq!(queue.take()[0].entry.message_id, "1");
    }

    #[test]
    fn large_entries_are_bounded_by_their_bytes() {
        let queue = Queue::default();
        let large = Waiting {
            entry: Entry {
                recipients: vec!["r".repeat(1000); 1000],
                ..entry()
            },
            heard: None,
        };
        let gone: usize = (0..100).map(|_| queue.push(large.clone())).sum();
        assert!(gone > 20, "{gone}");
        assert_eq!(queue.len() + gone, 100);
        let batch = queue.take();
        assert_eq!(queue.0.lock().unwrap().bytes, 0);
        queue.push(large);
        assert_eq!(queue.give_back(batch), 1);
    }
}
