//! The task that keeps something in a file of SQLite, batch by batch.
//!
//! In: a [`Kept`], which knows its file and what is due. Out: its turns, at its interval or as soon as a batch waits, and
//! the last ones when the daemon ends. Promises: what fails is counted, said once, and tried again after [`RETRY`];
//! a damaged file is set aside and the turn taken again with a new one; a disk that hangs keeps the daemon from its end for
//! [`LAST`] at most, and for as long again while the file is closed.

use std::path::Path;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::DatabaseError;
use super::aside::{self, FileFailure};

/// From a failure to the next attempt.
const RETRY: Duration = Duration::from_secs(5);
/// For the last batches, when the daemon ends, and for the file to be closed.
const LAST: Duration = Duration::from_secs(10);

/// What went wrong in a turn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The file could not be opened as a database, read or written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The file could not be made or put aside.
    #[error(transparent)]
    File(#[from] FileFailure),
}

/// The metrics that tell how a file is kept.
#[derive(Debug)]
pub struct Gauges<'a> {
    /// Whether it is written (1), or there is nothing to write or no way to (0).
    pub up: &'a IntGauge,
    /// Times that it could not be opened, read or written.
    pub failures: &'a IntCounter,
    /// Times that it was damaged and set aside.
    pub set_aside: &'a IntCounter,
}

/// Something that is kept in a file by a [`Keeper`].
pub trait Kept: Send {
    /// What it is, in the log: `the history`.
    const NAME: &'static str;
    /// What goes on while it cannot be written, in the log.
    const MEANWHILE: &'static str;
    /// That it is written again, in the log.
    const AGAIN: &'static str;
    /// Between two turns.
    const INTERVAL: Duration;

    /// Its file, `NAME.sqlite`.
    fn path(&self) -> &Path;

    /// Its metrics.
    fn gauges(&self) -> Gauges<'_>;

    /// Whether there is anything to be kept. Where there is not, the file is closed, and none is made.
    fn wanted(&self) -> bool;

    /// Shows in the metrics how much waits.
    fn show(&self);

    /// Waits until so much waits that it is to be written before its time.
    fn full(&self) -> impl Future<Output = ()> + Send;

    /// Does what is due; opens the file where it is not open. `last`: the daemon ends, and only what would be lost is due.
    /// Gives whether another turn is due at once.
    ///
    /// # Errors
    /// What cannot be written, which then waits for another turn.
    fn work(&mut self, last: bool) -> impl Future<Output = Result<bool, KeepError>> + Send;

    /// The file was set aside: the next one is new.
    fn begin_anew(&mut self);

    /// Closes the file, if it is open, as soon as nothing is under way in it.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// Keeps a [`Kept`] in its file.
#[derive(Debug)]
pub struct Keeper<K> {
    pub(crate) kept: K,
    /// Whether the last thing tried went wrong, and was said.
    failing: bool,
    pub(crate) next_try: Instant,
}

impl<K: Kept> Keeper<K> {
    pub(crate) fn new(kept: K) -> Keeper<K> {
        Keeper {
            kept,
            failing: false,
            next_try: Instant::now(),
        }
    }

    /// Takes turns until `stop` is cancelled, and then the last ones.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(K::INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut more = false;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = std::future::ready(()), if more => {}
                _ = ticks.tick() => {}
                () = self.kept.full(), if !self.failing => {}
            }
            // A disk that hangs must not keep the daemon from its end.
            let late = async {
                stop.cancelled().await;
                tokio::time::sleep(LAST).await;
            };
            tokio::select! {
                biased;
                waits = self.take_turn(false) => more = waits,
                () = late => break,
            }
        }
        self.next_try = Instant::now();
        let left = async { while self.take_turn(true).await {} };
        if tokio::time::timeout(LAST, left).await.is_err() {
            tracing::error!("{}: the last of it could not be written in time", K::NAME);
        }
        self.close().await;
    }

    /// Does what is due, and says what went wrong the first time that it does.
    pub(crate) async fn turn(&mut self) {
        self.take_turn(false).await;
    }

    /// The same; gives whether another turn is due at once.
    async fn take_turn(&mut self, last: bool) -> bool {
        self.kept.show();
        if !self.kept.wanted() {
            self.kept.gauges().up.set(0);
            self.close().await;
            return false;
        }
        if Instant::now() < self.next_try {
            return false;
        }
        let mut done = self.kept.work(last).await;
        if let Err(KeepError::Database(error)) = &done
            && error.is_damage()
        {
            done = match self.set_aside(&error.to_string()).await {
                Ok(()) => self.kept.work(last).await,
                Err(error) => Err(error),
            };
        }
        self.kept.gauges().up.set(i64::from(done.is_ok()));
        let more = match done {
            Ok(more) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!(file = ?self.kept.path(), "{}", K::AGAIN);
                }
                more
            }
            Err(error) => {
                self.failed(&error).await;
                false
            }
        };
        self.kept.show();
        more
    }

    async fn failed(&mut self, error: &KeepError) {
        self.kept.gauges().failures.inc();
        self.next_try = Instant::now() + RETRY;
        self.close().await;
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(
                file = ?self.kept.path(), %error,
                "{} cannot be written; {}", K::NAME, K::MEANWHILE
            );
        }
    }

    /// Puts a damaged file out of the way.
    pub(crate) async fn set_aside(&mut self, why: &str) -> Result<(), KeepError> {
        self.close().await;
        let aside = aside::set_aside(self.kept.path())?;
        self.kept.gauges().set_aside.inc();
        tracing::error!(
            file = ?self.kept.path(), aside = ?aside, why,
            "the file of {} is damaged and was set aside; a new one is begun", K::NAME
        );
        self.kept.begin_anew();
        Ok(())
    }

    /// Lets go of the file. Whatever is under way in it is given some time and then left to itself.
    async fn close(&mut self) {
        let path = self.kept.path().to_path_buf();
        if tokio::time::timeout(LAST, self.kept.close()).await.is_err() {
            tracing::warn!(file = ?path, "the file of {} does not let itself be closed", K::NAME);
        }
    }
}
