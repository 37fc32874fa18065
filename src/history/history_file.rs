//! The file of the history, as a [`Keeper`] keeps it.
//!
//! Twice a second, or as soon as a thousand verdicts wait, they are written in one transaction; as soon as they make a segment
//! they are put into the index; what is too old or too much is removed in small steps. While that fails verdicts wait within their bound, and no message waits for any of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::History;
use super::queue::BATCH;
use super::segment::{Growing, MESSAGES};
use super::table::{Prepared, Table};
use super::tally::Tallies;
use crate::clock;
use crate::store::{Gauges, KeepError, Keeper, Kept, aside};

/// Between two looks at how old and how much there is.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// Between two looks at the tallies.
const TRIM: Duration = Duration::from_secs(600);
/// Messages that are removed in one transaction.
const STEP: usize = 200;
/// For removals between two batches, and for segments of messages that waited for them in the file.
const MEANWHILE: Duration = Duration::from_millis(200);

/// A [`History`] in its file.
#[derive(Debug)]
pub struct HistoryFile {
    path: PathBuf,
    history: History,
    rows: u64,
    next_housekeeping: Instant,
    next_trim: Instant,
}

impl HistoryFile {
    /// Who keeps the history in the file at `path`.
    pub(super) fn keeper(path: PathBuf, history: History) -> Keeper<HistoryFile> {
        Keeper::new(HistoryFile {
            path,
            history,
            rows: 0,
            next_housekeeping: Instant::now(),
            next_trim: Instant::now(),
        })
    }

    async fn write(&mut self, table: &Table) -> Result<(), KeepError> {
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
        let written = match table.write(prepared, &tallies).await {
            Ok(written) => written,
            Err(error) => {
                let lost = shared.queue.give_back(entries);
                metrics.history_dropped.inc_by(lost as u64);
                return Err(error.into());
            }
        };
        if let Some(growing) = &mut *self.history.growing() {
            for (number, terms) in &written {
                growing.add(*number, terms);
            }
        }
        self.rows += written.len() as u64;
        metrics.history_written.inc_by(written.len() as u64);
        metrics
            .history_seconds
            .observe(started.elapsed().as_secs_f64());
        self.show_rows();
        Ok(())
    }

    /// Makes the segments that are due, for a while; gives whether there are more. A file that was written by others, or before the
    /// daemon was started, may have many unsealed messages.
    async fn seal(&mut self, table: &Table) -> Result<bool, KeepError> {
        let until = Instant::now() + MEANWHILE;
        loop {
            let known = match &*self.history.growing() {
                Some(growing) if !growing.is_full() => return Ok(false),
                // Searches go on with theirs until this one is in the file.
                known => known.clone(),
            };
            let (mut growing, has_all) = match known {
                Some(growing) => (growing, true),
                None => table.regrow().await?,
            };
            if growing.is_full() {
                table.seal(&mut growing).await?;
                growing = Growing::default();
            }
            if has_all {
                *self.history.growing() = Some(growing);
                return Ok(false);
            }
            if Instant::now() >= until {
                return Ok(true);
            }
        }
    }

    /// Removes what is too old or too much, for a while; what is left waits for the next turn.
    async fn keep_house(&mut self, table: &Table) -> Result<(), KeepError> {
        let until = Instant::now() + MEANWHILE;
        let settings = self.history.settings();
        let now = clock::milliseconds();
        let oldest = now.saturating_sub(settings.keep_ms);
        let mut more = true;
        while more && Instant::now() < until {
            let removed = table.remove(Some(oldest), STEP).await?;
            self.removed(removed);
            more = removed > 0;
        }
        if !more {
            // Segments go when all of their messages have, so it is reckoned by what a message takes on the average.
            let bytes = table.bytes().await?;
            let over = bytes.saturating_sub(settings.size);
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

    fn show_rows(&self) {
        let rows = i64::try_from(self.rows).unwrap_or(i64::MAX);
        self.history.0.metrics.history_rows.set(rows);
    }

    /// The file, opened.
    async fn table(&mut self) -> Result<Table, KeepError> {
        if let Some(table) = self.history.0.table.load_full() {
            return Ok(Table::clone(&table));
        }
        aside::create(&self.path)?;
        let table = Table::open(&self.path).await?;
        self.rows = table.rows().await?;
        let unsealed = table.unsealed().await?;
        if unsealed > 2 * MESSAGES as u64 {
            tracing::info!(
                unsealed,
                "messages of the history are put into its index; until they are, searches take longer"
            );
        }
        self.history.0.table.store(Some(table.clone().into()));
        Ok(table)
    }
}

impl Kept for HistoryFile {
    const NAME: &'static str = "the history";
    const MEANWHILE: &'static str = "mail goes on, and verdicts wait as far as there is room";
    const AGAIN: &'static str = "the history is written again";
    const INTERVAL: Duration = Duration::from_millis(500);

    fn path(&self) -> &Path {
        &self.path
    }

    fn gauges(&self) -> Gauges<'_> {
        let metrics = &self.history.0.metrics;
        Gauges {
            up: &metrics.history_up,
            failures: &metrics.history_failures,
            set_aside: &metrics.history_set_aside,
        }
    }

    fn wanted(&self) -> bool {
        self.history.is_enabled() || self.history.0.queue.len() > 0
    }

    fn show(&self) {
        self.history.show_waiting();
    }

    async fn full(&self) {
        self.history.0.full.notified().await;
    }

    async fn work(&mut self, last: bool) -> Result<bool, KeepError> {
        let table = self.table().await?;
        self.write(&table).await?;
        let unsealed = !last && self.seal(&table).await?;
        if !last && Instant::now() >= self.next_housekeeping {
            self.keep_house(&table).await?;
        }
        let fewest = if last { 1 } else { BATCH };
        Ok(unsealed || self.history.0.queue.len() >= fewest)
    }

    fn begin_anew(&mut self) {}

    async fn close(&mut self) {
        *self.history.growing() = None;
        self.history.close().await;
    }
}
