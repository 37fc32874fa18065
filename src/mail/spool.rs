//! The raw bytes of a message while they arrive, shared with the checks that work on them.
//!
//! One writer (the session) appends; any number of readers follow at their own pace and may start
//! over from the first byte, which is what a failover to another ClamAV server needs. Nothing is
//! queued a second time: readers copy out of the one buffer, so the memory of a message is bounded by
//! its size. When the message is complete the buffer becomes a shared, immutable [`Bytes`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

/// The message so far.
#[derive(Debug, Default)]
pub struct Spool {
    state: Mutex<State>,
    grown: Notify,
}

#[derive(Debug)]
enum State {
    Growing(BytesMut),
    Complete(Bytes),
    Aborted,
}

impl Default for State {
    fn default() -> Self {
        State::Growing(BytesMut::new())
    }
}

impl Spool {
    /// An empty spool.
    pub fn new() -> Self {
        Spool::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends bytes; without effect once the spool is complete or aborted.
    pub fn push(&self, bytes: &[u8]) {
        if let State::Growing(buffer) = &mut *self.lock() {
            buffer.extend_from_slice(bytes);
        }
        self.grown.notify_waiters();
    }

    /// Bytes held so far.
    pub fn len(&self) -> usize {
        match &*self.lock() {
            State::Growing(b) => b.len(),
            State::Complete(b) => b.len(),
            State::Aborted => 0,
        }
    }

    /// A copy of the first bytes that have arrived, at most `max`; never waits.
    pub fn beginning(&self, max: usize) -> Bytes {
        match &*self.lock() {
            State::Growing(b) => Bytes::copy_from_slice(b.get(..max).unwrap_or(b)),
            State::Complete(b) => b.slice(..b.len().min(max)),
            State::Aborted => Bytes::new(),
        }
    }

    /// Whether nothing has arrived.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Marks the message as complete and returns all of it. Readers come to their end.
    pub fn complete(&self) -> Bytes {
        let mut state = self.lock();
        let bytes = match std::mem::replace(&mut *state, State::Aborted) {
            State::Growing(b) => b.freeze(),
            State::Complete(b) => b,
            State::Aborted => return Bytes::new(),
        };
        *state = State::Complete(bytes.clone());
        drop(state);
        self.grown.notify_waiters();
        bytes
    }

    /// Drops the bytes; readers get [`Aborted`]. For ABORT, a lost connection, a limit.
    pub fn abort(&self) {
        *self.lock() = State::Aborted;
        self.grown.notify_waiters();
    }

    /// At most `max` bytes from `offset` on; waits until there are some.
    /// `Ok(None)` at the end of a complete message, `Err(Aborted)` when it will never complete.
    pub async fn read(&self, offset: usize, max: usize) -> Result<Option<Bytes>, Aborted> {
        loop {
            let grown = self.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            match &*self.lock() {
                State::Growing(b) => {
                    if let Some(rest) = b.get(offset..).filter(|r| !r.is_empty()) {
                        let rest = rest.get(..max).unwrap_or(rest);
                        return Ok(Some(Bytes::copy_from_slice(rest)));
                    }
                }
                State::Complete(b) => {
                    if offset >= b.len() {
                        return Ok(None);
                    }
                    return Ok(Some(
                        b.slice(offset..b.len().min(offset.saturating_add(max))),
                    ));
                }
                State::Aborted => return Err(Aborted),
            }
            grown.await;
        }
    }
}

/// The message was given up before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transaction was aborted")]
pub struct Aborted;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    async fn all(spool: &Spool, max: usize) -> Result<Vec<u8>, Aborted> {
        let mut bytes = Vec::new();
        while let Some(chunk) = spool.read(bytes.len(), max).await? {
            assert!(!chunk.is_empty() && chunk.len() <= max);
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn readers_follow_the_writer_and_may_start_over() {
        let spool = Arc::new(Spool::new());
        let reader = tokio::spawn({
            let spool = spool.clone();
            async move { all(&spool, 3).await }
        });
        for chunk in [&b"one "[..], b"", b"two ", b"three"] {
            spool.push(chunk);
            tokio::task::yield_now().await;
        }
        assert_eq!(spool.len(), 13);
        assert_eq!(spool.complete(), &b"one two three"[..]);
        assert_eq!(reader.await.unwrap(), Ok(b"one two three".to_vec()));
        assert_eq!(all(&spool, usize::MAX).await, Ok(b"one two three".to_vec()));
    }

    #[tokio::test]
    async fn an_abort_ends_waiting_readers() {
        let spool = Arc::new(Spool::new());
        spool.push(b"part");
        let reader = tokio::spawn({
            let spool = spool.clone();
            async move { all(&spool, 100).await }
        });
        tokio::task::yield_now().await;
        spool.abort();
        assert_eq!(reader.await.unwrap(), Err(Aborted));
        assert!(spool.is_empty() && spool.complete().is_empty());
    }

    #[test]
    fn the_beginning_is_there_before_the_end() {
        let spool = Spool::new();
        spool.push(b"one two");
        assert_eq!(spool.beginning(3), &b"one"[..]);
        assert_eq!(spool.beginning(30), &b"one two"[..]);
        spool.complete();
        assert_eq!(spool.beginning(3), &b"one"[..]);
        spool.abort();
        assert!(spool.beginning(3).is_empty());
    }

    #[tokio::test]
    async fn nothing_is_added_after_the_end() {
        let spool = Spool::new();
        spool.push(b"a");
        spool.complete();
        spool.push(b"b");
        assert_eq!(spool.complete(), &b"a"[..]);
        assert_eq!(spool.read(1, 10).await, Ok(None));
    }
}
