//! The task that keeps folder and store as the options want them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::quarantine::{Quarantine, QuarantineError};

/// Between two rounds when nothing arrives.
const INTERVAL: Duration = Duration::from_secs(600);
/// After the first failure; each further one doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait after failures.
const LONGEST: Duration = Duration::from_secs(300);
/// From the start to the first sweep, and between sweeps.
const SWEEPS: [Duration; 2] = [Duration::from_secs(1800), Duration::from_secs(6 * 3600)];
/// Objects must be so old before they are swept.
const SWEPT_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// Messages that are remembered as not to be moved.
const SET_ASIDE: usize = 10_000;

/// What one round remembers for the next.
#[derive(Debug, Default)]
pub(super) struct Round {
    aside: HashSet<String>,
}

impl Round {
    pub(super) fn is_set_aside(&self, id: &str) -> bool {
        self.aside.contains(id)
    }

    /// They are not tried again by this daemon.
    pub(super) fn set_aside(&mut self, ids: Vec<String>) {
        if self.aside.len() > SET_ASIDE {
            self.aside.clear();
        }
        self.aside.extend(ids);
    }
}

impl Quarantine {
    /// Moves bytes to the store, or back where that is wanted, and removes objects that nobody uses, until `stop`.
    /// Failures are logged, counted, and tried again after a second, two, four, up to five minutes.
    pub(in crate::quarantine) async fn keep_objects(&self, stop: CancellationToken) {
        let mut round = Round::default();
        let (mut wait, mut swept, mut pause) = (FIRST, Instant::now(), SWEEPS[0]);
        while !stop.is_cancelled() {
            let mut done = self.objects_round(&mut round, &stop).await;
            if done.is_ok() && self.options().objects.url.is_some() && swept.elapsed() > pause {
                let sweep = self.sweep_objects(Timestamp::now() - SWEPT_AFTER);
                done = tokio::select! {
                    () = stop.cancelled() => return,
                    done = sweep => done.map(|_| ()),
                };
                (swept, pause) = (Instant::now(), SWEEPS[1]);
            }
            match self.counted("objects", done) {
                Ok(()) => {
                    wait = FIRST;
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = self.objects.arrived.notified() => {}
                        () = self.objects.changed.notified() => {}
                        () = tokio::time::sleep(INTERVAL) => {}
                    }
                }
                Err(error) => {
                    tracing::error!(%error, again_in = ?wait, "quarantine: the object store");
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = self.objects.changed.notified() => wait = FIRST,
                        () = tokio::time::sleep(wait) => wait = LONGEST.min(wait * 2),
                    }
                }
            }
        }
    }

    async fn objects_round(
        &self,
        round: &mut Round,
        stop: &CancellationToken,
    ) -> Result<(), QuarantineError> {
        let options = self.options();
        if options.objects.url.is_none() {
            let away = self.messages_away().await?;
            if away == 0 {
                return Ok(());
            }
            tracing::error!(
                messages = away,
                "messages are in an object store that is not configured"
            );
        }
        let _turn = self.objects.work.lock().await;
        let bucket = self.bucket().await?;
        let done = match options.objects.drain {
            false => self.fill(&bucket, round, stop).await,
            true => self.drain(&bucket, round, stop).await,
        };
        let removed = tokio::select! {
            () = stop.cancelled() => Ok(()),
            removed = self.remove_left(&bucket) => removed,
        };
        self.stats().await?;
        done.and(removed)
    }
}
