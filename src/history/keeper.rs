//! The task that writes the history.
//!
//! Twice a second, or as soon as a thousand verdicts wait, it writes them in one transaction, and removes in small steps what
//! is too old or too much. What fails is counted, said once, and tried again; meanwhile verdicts wait within their bound,
//! and no message waits for any of it. A file that is damaged is renamed to `history.sqlite.damaged`, and a new one begun.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::table::{Prepared, Table};
use super::tally::Tallies;
use super::{History, Settings};
use crate::store::DatabaseError;
use crate::store::aside::{self, FileFailure};

/// Between two batches.
const INTERVAL: Duration = Duration::from_millis(500);
/// From a failure to the next attempt.
const RETRY: Duration = Duration::from_secs(5);
/// Between two looks at how old and how much there is.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// Between two looks at the tallies.
const TRIM: Duration = Duration::from_secs(600);
/// Messages that are removed in one transaction.
const STEP: usize = 200;
/// For removals between two batches.
const REMOVING: Duration = Duration::from_millis(200);
/// For the last batch, when the daemon ends, and for the file to be closed.
const LAST: Duration = Duration::from_secs(10);

/// Writes a [`History`].
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    history: History,
    settings: Settings,
    rows: u64,
    /// Whether the last thing tried went wrong, and was said.
    failing: bool,
    next_try: Instant,
    next_housekeeping: Instant,
    next_trim: Instant,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    File(#[from] FileFailure),
}

impl Keeper {
    pub(super) fn new(path: PathBuf, history: History, settings: Settings) -> Keeper {
        let metrics = &history.0.metrics;
        metrics.history_enabled.set(i64::from(settings.enabled));
        let limit = i64::try_from(settings.size).unwrap_or(i64::MAX);
        metrics.history_bytes_limit.set(limit);
        Keeper {
            path,
            history,
            settings,
            rows: 0,
            failing: false,
            next_try: Instant::now(),
            next_housekeeping: Instant::now(),
            next_trim: Instant::now(),
        }
    }

    /// Writes until `stop` is cancelled, and then what still waits.
    pub async fn run(mut self, stop: CancellationToken) {
        if !self.settings.enabled {
            return;
        }
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let history = self.history.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
                () = history.0.full.notified(), if !self.failing => {}
            }
            // A disk that hangs must not keep the daemon from its end.
            let late = async {
                stop.cancelled().await;
                tokio::time::sleep(LAST).await;
            };
            tokio::select! {
                biased;
                () = self.turn() => {}
                () = late => break,
            }
        }
        self.next_try = Instant::now();
        let left = async {
            while self.history.0.queue.len() > 0 {
                self.next_housekeeping = Instant::now() + LAST;
                self.turn().await;
                if self.failing {
                    return;
                }
            }
        };
        if tokio::time::timeout(LAST, left).await.is_err() {
            tracing::error!("the last verdicts could not be written to the history in time");
        }
        self.close().await;
    }

    /// Lets go of the file. Whatever is under way in it is given some time and then left to itself.
    async fn close(&mut self) {
        if let Some(table) = self.history.0.table.swap(None)
            && tokio::time::timeout(LAST, table.close()).await.is_err()
        {
            tracing::warn!(file = ?self.path, "the file of the history does not let itself be closed");
        }
    }

    /// Does what is due, and says what went wrong the first time that it does.
    pub(super) async fn turn(&mut self) {
        self.history.show_waiting();
        if Instant::now() < self.next_try {
            return;
        }
        let mut done = self.work().await;
        if let Err(Failure::Database(error)) = &done
            && error.is_damage()
        {
            done = match self.set_aside(&error.to_string()).await {
                Ok(()) => self.work().await,
                Err(failure) => Err(failure),
            };
        }
        let metrics = &self.history.0.metrics;
        metrics.history_up.set(i64::from(done.is_ok()));
        match done {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!(file = ?self.path, "the history is written again");
            }
            Ok(()) => {}
            Err(failure) => {
                metrics.history_failures.inc();
                self.next_try = Instant::now() + RETRY;
                self.close().await;
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(
                        file = ?self.path, error = %failure,
                        "the history cannot be written; mail goes on, and verdicts wait as far as there is room"
                    );
                }
            }
        }
        self.history.show_waiting();
    }

    pub(super) async fn work(&mut self) -> Result<(), Failure> {
        let table = self.table().await?;
        self.write(&table).await?;
        if Instant::now() >= self.next_housekeeping {
            self.keep_house(&table).await?;
        }
        Ok(())
    }

    async fn write(&mut self, table: &Table) -> Result<(), Failure> {
        let shared = self.history.0.clone();
        let metrics = &shared.metrics;
        let entries = shared.queue.take();
        if entries.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let mut tallies = Tallies::default();
        let mut prepared = Vec::with_capacity(entries.len());
        for waiting in &entries {
            let entry = &waiting.entry;
            match Prepared::new(waiting) {
                Ok(row) => {
                    tallies.add(entry);
                    prepared.push(row);
                }
                Err(error) => {
                    metrics.history_dropped.inc();
                    tracing::error!(id = entry.id, %error, "a verdict cannot be kept in the history");
                }
            }
        }
        if let Err(error) = table.write(&prepared, &tallies).await {
            let lost = shared.queue.give_back(entries);
            metrics.history_dropped.inc_by(lost as u64);
            return Err(error.into());
        }
        self.rows += prepared.len() as u64;
        metrics.history_written.inc_by(prepared.len() as u64);
        metrics
            .history_seconds
            .observe(started.elapsed().as_secs_f64());
        self.show_rows();
        Ok(())
    }

    /// Removes what is too old or too much, for a while; what is left waits for the next turn.
    async fn keep_house(&mut self, table: &Table) -> Result<(), Failure> {
        let until = Instant::now() + REMOVING;
        let now = Timestamp::now().as_millisecond();
        let oldest = now.saturating_sub(self.settings.keep_ms);
        let rows = self.rows;
        let mut more = true;
        while more && Instant::now() < until {
            let removed = table.remove(Some(oldest), STEP).await?;
            self.removed(removed);
            more = removed > 0;
        }
        if !more {
            // What is removed leaves the index late, so it is reckoned by what a message takes on the average.
            let bytes = table.bytes().await?;
            let over = bytes.saturating_sub(self.settings.size);
            let mut left = (over * self.rows).div_ceil(bytes.max(1));
            while left > 0 && Instant::now() < until {
                let removed = table.remove(None, STEP.min(left as usize)).await?;
                self.removed(removed);
                left = if removed == 0 {
                    0
                } else {
                    left.saturating_sub(removed)
                };
            }
            more = left > 0;
        }
        let removed_any = self.rows != rows;
        while removed_any && Instant::now() < until && table.merge().await? {}
        if !more {
            self.next_housekeeping = Instant::now() + HOUSEKEEPING;
        }
        if Instant::now() >= self.next_trim {
            table.trim(oldest, now).await?;
            self.next_trim = Instant::now() + TRIM;
        }
        let bytes = i64::try_from(table.bytes().await?).unwrap_or(i64::MAX);
        self.history.0.metrics.history_bytes.set(bytes);
        self.show_rows();
        Ok(())
    }

    fn removed(&mut self, messages: u64) {
        self.rows = self.rows.saturating_sub(messages);
        self.history.0.metrics.history_removed.inc_by(messages);
    }

    #[cfg(test)]
    pub(super) fn next_housekeeping_now(&mut self) {
        (self.next_housekeeping, self.next_trim) = (Instant::now(), Instant::now());
    }

    #[cfg(test)]
    pub(super) fn next_try_now(&mut self) {
        self.next_try = Instant::now();
    }

    fn show_rows(&self) {
        let rows = i64::try_from(self.rows).unwrap_or(i64::MAX);
        self.history.0.metrics.history_rows.set(rows);
    }

    /// The file, opened.
    async fn table(&mut self) -> Result<Table, Failure> {
        if let Some(table) = self.history.0.table.load_full() {
            return Ok(Table::clone(&table));
        }
        aside::create(&self.path)?;
        let table = Table::open(&self.path).await?;
        self.rows = table.rows().await?;
        self.history.0.table.store(Some(table.clone().into()));
        Ok(table)
    }

    /// Puts a damaged file out of the way.
    async fn set_aside(&mut self, why: &str) -> Result<(), Failure> {
        self.close().await;
        let aside = aside::set_aside(&self.path)?;
        self.history.0.metrics.history_set_aside.inc();
        tracing::error!(
            file = ?self.path, aside = ?aside, why,
            "the file of the history is damaged and was set aside; a new one is begun"
        );
        Ok(())
    }
}
