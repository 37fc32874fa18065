//! What one filter hands to those behind it, and to whoever concludes the message: the results of `auth`, the files that
//! `attachments` found. A filter that needs it waits for [`Handed::known`]; that costs nothing where there is no such
//! filter in the chain, and never takes longer than that filter itself.

use std::sync::Arc;

use tokio::sync::watch;

/// What is handed on, once it is known. Clones are the same one.
#[derive(Debug)]
pub struct Handed<T>(watch::Sender<State<T>>);

#[derive(Debug)]
enum State<T> {
    /// Nobody works on it.
    Absent,
    /// The filter is at work.
    Expected,
    /// Here it is.
    Known(Arc<T>),
}

impl<T> Default for Handed<T> {
    fn default() -> Self {
        Handed(watch::Sender::new(State::Absent))
    }
}

impl<T> Clone for Handed<T> {
    fn clone(&self) -> Self {
        Handed(self.0.clone())
    }
}

impl<T> Handed<T> {
    /// The filter is in the chain.
    pub(super) fn expect(&self) {
        self.0.send_replace(State::Expected);
    }

    /// The filter has come to its end, with or without results.
    pub(super) fn settle(&self) {
        self.0.send_if_modified(|state| {
            let open = matches!(state, State::Expected);
            if open {
                *state = State::Absent;
            }
            open
        });
    }

    /// The results are known.
    pub(crate) fn give(&self, results: Arc<T>) {
        self.0.send_replace(State::Known(results));
    }

    /// The results, if they are known by now.
    pub fn get(&self) -> Option<Arc<T>> {
        match &*self.0.borrow() {
            State::Known(results) => Some(Arc::clone(results)),
            _ => None,
        }
    }

    /// The results; waits for the filter. `None` where it is not in the chain, has skipped the message, or was cut off by
    /// the deadline.
    pub async fn known(&self) -> Option<Arc<T>> {
        let mut state = self.0.subscribe();
        let settled = |state: &State<T>| !matches!(state, State::Expected);
        match &*state.wait_for(settled).await.ok()? {
            State::Known(results) => Some(Arc::clone(results)),
            _ => None,
        }
    }
}
