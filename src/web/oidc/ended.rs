//! Sign-ins that have ended, so that none is ended twice, whatever the provider would do.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::pages::TIME;

/// How many are remembered; the oldest go. Those who sign in are slowed down by address, so that nobody can make others'
/// be forgotten before their cookies are too old.
const ENDED: usize = 10_000;

/// Digests of their states.
#[derive(Debug, Default)]
pub(in crate::web) struct Ended(Mutex<HashMap<[u8; 32], Instant>>);

impl Ended {
    /// Ends a sign-in; whether it is the first time.
    pub(super) fn end(&self, state: &str, now: Instant) -> bool {
        let state = *blake3::hash(state.as_bytes()).as_bytes();
        let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() >= ENDED {
            ended.retain(|_, at| now.saturating_duration_since(*at) < TIME);
        }
        if ended.len() >= ENDED {
            let oldest = ended.iter().min_by_key(|(_, at)| **at);
            let oldest = oldest.map(|(state, _)| *state);
            oldest.and_then(|oldest| ended.remove(&oldest));
        }
        ended.insert(state, now).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_ends_once_and_memory_is_bounded() {
        let ended = Ended::default();
        let now = Instant::now();
        assert!(ended.end("a", now));
        assert!(!ended.end("a", now));
        assert!(ended.end("b", now));
        for n in 0..ENDED + 10 {
            assert!(ended.end(&n.to_string(), now + TIME / 2));
        }
        assert_eq!(ended.0.lock().unwrap().len(), ENDED);
        assert!(ended.end("later", now + TIME * 2));
        assert_eq!(ended.0.lock().unwrap().len(), 1);
    }
}
