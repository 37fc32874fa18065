//! The history: what became of each message, and why.
//!
//! In: an [`Entry`] for each verdict, from the place where it is answered. Out: entries by what they are searched for
//! ([`Query`]), newest first and page by page; the entry of an id; an [`Overview`] of some time. Promises:
//! [`History::record`] never waits, and what cannot be written is dropped within a bound and counted; one task, the
//! [`Keeper`] of a [`HistoryFile`], writes what waits twice a second in one transaction, so that a crash of the process costs the last second;
//! the file is bounded by the age of its messages and by its size. A file that cannot be read is set aside and a new one
//! begun; a disk that is full or read-only never touches mail.
//!
//! It holds who wrote to whom, subjects, and pieces of messages as evidence of rules, and never a message.

mod comparison;
mod entry;
mod history_file;
mod index;
mod options;
mod outcome;
mod query;
mod queue;
mod search;
mod segment;
mod table;
mod tally;
mod terms;
#[cfg(test)]
mod tests;
mod transaction;
mod wanted;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use tokio::sync::Notify;

pub use comparison::{Comparison, HitChange, OutcomeChange, PolicyChange, Reached, Said};
pub use entry::{Entry, ListedBy, Refused, Stage};
pub use history_file::HistoryFile;
pub use options::Options;
pub use outcome::{DecidedBy, Outcome, Share, State};
pub use query::{Cursor, PAGE, Page, Query};
pub use tally::{Hour, Overview, VerdictCount, WordCount};
pub use transaction::{Transaction, Versions, digest};

use crate::heard::Record;
use crate::metrics::Metrics;
use crate::store::{DatabaseError, Keeper};
use queue::{Queue, Waiting};
use segment::Growing;
use table::Table;

/// The name of the file below the daemon's folder.
pub const FILE: &str = "history.sqlite";

/// Why the history cannot tell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// It is switched off.
    #[error("no history is kept (history.enabled is false)")]
    Disabled,
    /// Its file is not open: it cannot be read or written at this time.
    #[error("the file of the history cannot be opened; the log says why")]
    Closed,
    /// There is no file.
    #[error("there is no history in {0}")]
    Absent(String),
    /// The file could not be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// What is looked for makes no sense.
    #[error("{0}")]
    Query(String),
    /// An entry that cannot be read: of a newer mailweir, say.
    #[error("an entry of the history cannot be read: {0}")]
    Entry(serde_json::Error),
}

/// Whether, what and how much is kept.
#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    enabled: bool,
    answers: bool,
    keep_ms: i64,
    size: u64,
}

impl From<&Options> for Settings {
    fn from(options: &Options) -> Settings {
        let keep = options.keep.value.0.as_millis();
        Settings {
            enabled: options.enabled,
            answers: options.answers,
            keep_ms: i64::try_from(keep).unwrap_or(i64::MAX),
            size: options.size.value.0,
        }
    }
}

/// The history; clones are the same one.
#[derive(Clone, Debug)]
pub struct History(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: ArcSwap<Settings>,
    queue: Queue,
    /// Enough wait to be written now.
    full: Notify,
    /// The file, while it can be used.
    table: ArcSwapOption<Table>,
    /// The messages in it that wait for their segment; `None` while nobody knows them all: where another process writes it, and
    /// at the start.
    growing: Mutex<Option<Growing>>,
    metrics: Arc<Metrics>,
}

impl History {
    /// The history of the daemon, in its folder, and the task that writes it, which opens the file. Never fails: what goes
    /// wrong is logged, counted and tried again.
    pub fn open(
        folder: &Path,
        options: &Options,
        metrics: Arc<Metrics>,
    ) -> (History, Keeper<HistoryFile>) {
        let history = History::off(metrics);
        history.reconfigure(options);
        let keeper = HistoryFile::keeper(folder.join(FILE), history.clone());
        (history, keeper)
    }

    /// Takes other options: for the next message, and for the next turn of its keeper. Switched off, it writes what still
    /// waits and closes the file, which stays as it is.
    pub fn reconfigure(&self, options: &Options) {
        let settings = Settings::from(options);
        let metrics = &self.0.metrics;
        metrics.history_enabled.set(i64::from(settings.enabled));
        let limit = i64::try_from(settings.size).unwrap_or(i64::MAX);
        metrics.history_bytes_limit.set(limit);
        self.0.settings.store(Arc::new(settings));
    }

    fn settings(&self) -> Settings {
        **self.0.settings.load()
    }

    /// One that keeps nothing.
    pub fn off(metrics: Arc<Metrics>) -> History {
        History::new(Settings::default(), metrics)
    }

    /// The history in a folder, to be read beside a daemon that may write it.
    ///
    /// # Errors
    /// There is no such file, or it cannot be used.
    pub async fn read(folder: &Path, metrics: Arc<Metrics>) -> Result<History, HistoryError> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Err(HistoryError::Absent(folder.display().to_string()));
        }
        let reading = Settings {
            enabled: true,
            ..Settings::default()
        };
        let history = History::new(reading, metrics);
        let table = Table::open(&path).await?;
        history.0.table.store(Some(Arc::new(table)));
        Ok(history)
    }

    fn new(settings: Settings, metrics: Arc<Metrics>) -> History {
        History(Arc::new(Shared {
            settings: ArcSwap::from_pointee(settings),
            queue: Queue::default(),
            full: Notify::new(),
            table: ArcSwapOption::empty(),
            growing: Mutex::new(None),
            metrics,
        }))
    }

    /// Whether what filters hear from outside is kept with each message.
    pub fn keeps_answers(&self) -> bool {
        let settings = self.settings();
        settings.enabled && settings.answers
    }

    /// Whether a history is kept.
    pub fn is_enabled(&self) -> bool {
        self.settings().enabled
    }

    /// Keeps an entry, with what filters heard from outside. Never waits: it is written within a second. Where too many
    /// wait already the oldest goes, and is counted.
    pub fn record(&self, entry: Entry, heard: Option<Record>) {
        if !self.is_enabled() {
            return;
        }
        let gone = self.0.queue.push(Waiting { entry, heard });
        self.0.metrics.history_dropped.inc_by(gone as u64);
        if self.0.queue.len() >= queue::BATCH {
            self.0.full.notify_one();
        }
    }

    /// The newest messages for which the query holds, at most `limit` ([`PAGE`] at most), those before `before` where it is
    /// given.
    ///
    /// # Errors
    /// A query that makes no sense; a file that cannot be used.
    pub async fn search(
        &self,
        query: &Query,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, HistoryError> {
        let search = query.search()?;
        let table = self.table()?;
        // Looked at before the file: what is sealed in between is found twice there, and shown once.
        let waiting = match (&search.terms, &*self.growing()) {
            (Some(wanted), Some(growing)) => Some(growing.find(wanted)),
            _ => None,
        };
        table.search(&search, waiting, before, limit).await
    }

    /// The entry of that id, if there is one.
    ///
    /// # Errors
    /// A file that cannot be used; an entry that cannot be read.
    pub async fn get(&self, id: &str) -> Result<Option<Entry>, HistoryError> {
        self.table()?.get(&id.trim().to_ascii_uppercase()).await
    }

    /// What filters heard from outside when the message of that id came; `None` where it was not kept.
    ///
    /// # Errors
    /// A file that cannot be used; what cannot be read.
    pub async fn heard(&self, id: &str) -> Result<Option<Record>, HistoryError> {
        self.table()?.heard(&id.trim().to_ascii_uppercase()).await
    }

    /// What happened from one time to another, by whole hours.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn overview(&self, from: Timestamp, to: Timestamp) -> Result<Overview, HistoryError> {
        Ok(self.table()?.overview(from, to).await?)
    }

    /// Waits for what is under way in the file and closes it. Afterwards every operation fails.
    pub async fn close(&self) {
        if let Some(table) = self.0.table.swap(None) {
            table.close().await;
        }
    }

    fn table(&self) -> Result<Table, HistoryError> {
        if !self.is_enabled() {
            return Err(HistoryError::Disabled);
        }
        let table = self.0.table.load_full();
        table.map(|t| Table::clone(&t)).ok_or(HistoryError::Closed)
    }

    fn growing(&self) -> MutexGuard<'_, Option<Growing>> {
        let growing = self.0.growing.lock();
        growing.unwrap_or_else(PoisonError::into_inner)
    }

    fn show_waiting(&self) {
        let waiting = i64::try_from(self.0.queue.len()).unwrap_or(i64::MAX);
        self.0.metrics.history_waiting.set(waiting);
    }
}
