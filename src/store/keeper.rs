//! The task that keeps the facts on disk.
//!
//! Each second, or as soon as a thousand facts have changed, it writes what has changed in one transaction. What
//! fails is counted, said once, and tried again; meanwhile the facts live in memory alone, and changes wait within
//! their bound. A file that is damaged is renamed to `facts.sqlite.damaged`, and a new one takes up what is in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::aside::{self, FileFailure};
use super::{DatabaseError, Facts, Kind, Table};
use crate::clock;
use crate::metrics::Metrics;

/// The name of the file below the daemon's folder.
pub const FILE: &str = "facts.sqlite";

/// Between two batches.
const INTERVAL: Duration = Duration::from_secs(1);
/// From a failure to the next attempt.
const RETRY: Duration = Duration::from_secs(5);
/// Between two removals of what is past its time.
const EXPIRY: Duration = Duration::from_secs(600);
/// For the last batch, when the daemon ends, and for the file to be closed.
const LAST: Duration = Duration::from_secs(10);

/// Keeps [`Facts`] in a file.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    facts: Arc<Facts>,
    metrics: Arc<Metrics>,
    table: Option<Table>,
    /// Kinds whose facts were read from the file, or are newer than any file.
    loaded: Vec<Kind>,
    /// Changes that were left out, at the time when everything in memory was known to be in the file or to wait for it;
    /// `None` where the file is to be written anew.
    dropped: Option<u64>,
    /// Whether the last thing tried went wrong, and was said.
    failing: bool,
    next_try: Instant,
    next_expiry: Instant,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    File(#[from] FileFailure),
}

impl Keeper {
    /// Opens the file in `folder`, if any kind of facts is used, and reads what is in it. Never fails: what goes wrong is
    /// logged and tried again by [`Keeper::run`].
    pub async fn open(folder: &Path, facts: Arc<Facts>, metrics: Arc<Metrics>) -> Keeper {
        let mut keeper = Keeper {
            path: folder.join(FILE),
            facts,
            metrics,
            table: None,
            loaded: Vec::new(),
            dropped: Some(0),
            failing: false,
            next_try: Instant::now(),
            next_expiry: Instant::now(),
        };
        keeper.turn().await;
        keeper
    }

    /// Writes until `stop` is cancelled, and then once more.
    pub async fn run(mut self, stop: CancellationToken) {
        let facts = Arc::clone(&self.facts);
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
                () = facts.full(), if !self.failing => {}
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
        if tokio::time::timeout(LAST, self.turn()).await.is_err() {
            tracing::error!("the last facts could not be written in time");
        }
        self.close().await;
    }

    /// Lets go of the file. Whatever is under way in it is given some time and then left to itself.
    async fn close(&mut self) {
        if let Some(table) = self.table.take()
            && tokio::time::timeout(LAST, table.close()).await.is_err()
        {
            tracing::warn!(file = ?self.path, "the file of facts about senders does not let itself be closed");
        }
    }

    /// Does what is due, and says what went wrong the first time that it does.
    async fn turn(&mut self) {
        self.facts.show();
        if !self.facts.used() || Instant::now() < self.next_try {
            return;
        }
        let mut done = self.write().await;
        if let Err(Failure::Database(error)) = &done
            && error.is_damage()
        {
            done = match self.set_aside(&error.to_string()).await {
                Ok(()) => self.write().await,
                Err(failure) => Err(failure),
            };
        }
        self.metrics.facts_up.set(i64::from(done.is_ok()));
        match done {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!(file = ?self.path, "facts about senders are written again");
            }
            Ok(()) => {}
            Err(failure) => {
                self.metrics.facts_failures.inc();
                self.next_try = Instant::now() + RETRY;
                self.close().await;
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(
                        file = ?self.path, error = %failure,
                        "facts about senders cannot be written; mail goes on with those in memory"
                    );
                }
            }
        }
        self.facts.show();
    }

    async fn write(&mut self) -> Result<(), Failure> {
        let table = self.table().await?;
        let forgotten = table.forgotten().await?;
        for place in &forgotten {
            self.facts.forget(*place);
        }
        let dropped = self.metrics.facts_dropped.get();
        if self.dropped != Some(dropped) {
            for part in self.facts.all().filter(|part| !part.is_empty()) {
                table.write(&part, &[]).await?;
                self.metrics.facts_written.inc_by(part.len() as u64);
            }
            self.dropped = Some(dropped);
        }
        let changes = self.facts.take_changes();
        if !changes.is_empty() || !forgotten.is_empty() {
            let started = Instant::now();
            if let Err(error) = table.write(&changes, &forgotten).await {
                self.facts.give_back(changes);
                return Err(error.into());
            }
            let metrics = &self.metrics;
            metrics.facts_written.inc_by(changes.len() as u64);
            metrics
                .facts_seconds
                .observe(started.elapsed().as_secs_f64());
        }
        if Instant::now() >= self.next_expiry {
            self.next_expiry = Instant::now() + EXPIRY;
            self.facts.expire(clock::milliseconds());
            table.expire(clock::milliseconds()).await?;
        }
        Ok(())
    }

    /// The file, opened, with every kind that is used read from it.
    async fn table(&mut self) -> Result<Table, Failure> {
        let table = match &self.table {
            Some(table) => table.clone(),
            None => {
                aside::create(&self.path)?;
                let table = Table::open(&self.path).await?;
                self.table.insert(table).clone()
            }
        };
        for kind in Kind::ALL {
            let limit = self.facts.limit(kind);
            if limit == 0 || self.loaded.contains(&kind) {
                continue;
            }
            for (digest, fact) in table.load(kind, clock::milliseconds(), limit).await? {
                self.facts.enter((kind, digest), fact);
            }
            self.loaded.push(kind);
        }
        Ok(table)
    }

    /// Puts a damaged file out of the way. What is in memory is to be written into the next.
    async fn set_aside(&mut self, why: &str) -> Result<(), Failure> {
        self.close().await;
        let aside = aside::set_aside(&self.path)?;
        self.metrics.facts_set_aside.inc();
        tracing::error!(
            file = ?self.path, aside = ?aside, why,
            "the file of facts about senders is damaged and was set aside; a new one is begun"
        );
        self.dropped = None;
        self.loaded = Kind::ALL.to_vec();
        Ok(())
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
