//! Where the results of the filter `auth` are found by the filters behind it, and by whoever concludes the
//! message. A filter that needs them waits for [`Authentication::known`]; it costs nothing where there is no such
//! filter in the chain, and never longer than that filter itself.

use std::sync::Arc;

use tokio::sync::watch;

use super::auth::Authenticated;

/// The results, once they are known. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Authentication(watch::Sender<State>);

#[derive(Clone, Debug, Default)]
enum State {
    /// Nobody works on it.
    #[default]
    Absent,
    /// The filter is at work.
    Expected,
    /// The results.
    Known(Arc<Authenticated>),
}

impl Authentication {
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
    pub(crate) fn give(&self, results: Arc<Authenticated>) {
        self.0.send_replace(State::Known(results));
    }

    /// The results, if they are known by now.
    pub fn get(&self) -> Option<Arc<Authenticated>> {
        match &*self.0.borrow() {
            State::Known(results) => Some(Arc::clone(results)),
            _ => None,
        }
    }

    /// The results; waits for the filter. `None` where it is not in the chain, has skipped the message, or was cut off by
    /// the deadline.
    pub async fn known(&self) -> Option<Arc<Authenticated>> {
        let mut state = self.0.subscribe();
        let settled = |state: &State| !matches!(state, State::Expected);
        match &*state.wait_for(settled).await.ok()? {
            State::Known(results) => Some(Arc::clone(results)),
            _ => None,
        }
    }
}
