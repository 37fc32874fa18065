//! The file of the facts about senders, as a [`Keeper`] keeps it.
//!
//! Each second, or as soon as a thousand facts have changed, what has changed is written in one transaction. While that
//! fails the facts live in memory alone, and changes wait within their bound. When the file was damaged and set aside the
//! next one takes up what is in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::keeper::{Gauges, KeepError, Keeper, Kept};
use super::{Facts, Kind, Table, aside};
use crate::clock;
use crate::metrics::Metrics;

/// The name of the file below the daemon's folder.
pub const FILE: &str = "facts.sqlite";

/// Between two removals of what is past its time.
const EXPIRY: Duration = Duration::from_secs(600);

/// [`Facts`] in their file.
#[derive(Debug)]
pub struct FactsFile {
    path: PathBuf,
    facts: Arc<Facts>,
    metrics: Arc<Metrics>,
    table: Option<Table>,
    /// Kinds whose facts were read from the file, or are newer than any file.
    loaded: Vec<Kind>,
    /// Changes that were left out, at the time when everything in memory was known to be in the file or to wait for it;
    /// `None` where the file is to be written anew.
    dropped: Option<u64>,
    next_expiry: Instant,
}

impl FactsFile {
    /// Opens the file in `folder`, if any kind of facts is used, and reads what is in it; whoever keeps it writes what
    /// changes. Never fails: what goes wrong is logged and tried again by [`Keeper::run`].
    pub async fn open(
        folder: &Path,
        facts: Arc<Facts>,
        metrics: Arc<Metrics>,
    ) -> Keeper<FactsFile> {
        let mut keeper = Keeper::new(FactsFile {
            path: folder.join(FILE),
            facts,
            metrics,
            table: None,
            loaded: Vec::new(),
            dropped: Some(0),
            next_expiry: Instant::now(),
        });
        keeper.turn().await;
        keeper
    }

    async fn write(&mut self, last: bool) -> Result<(), KeepError> {
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
        if !last && Instant::now() >= self.next_expiry {
            self.next_expiry = Instant::now() + EXPIRY;
            self.facts.expire(clock::milliseconds());
            table.expire(clock::milliseconds()).await?;
        }
        Ok(())
    }

    /// The file, opened, with every kind that is used read from it.
    async fn table(&mut self) -> Result<Table, KeepError> {
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
}

impl Kept for FactsFile {
    const NAME: &'static str = "facts about senders";
    const MEANWHILE: &'static str = "mail goes on with those in memory";
    const AGAIN: &'static str = "facts about senders are written again";
    const INTERVAL: Duration = Duration::from_secs(1);

    fn path(&self) -> &Path {
        &self.path
    }

    fn gauges(&self) -> Gauges<'_> {
        Gauges {
            up: &self.metrics.facts_up,
            failures: &self.metrics.facts_failures,
            set_aside: &self.metrics.facts_set_aside,
        }
    }

    fn wanted(&self) -> bool {
        self.facts.used()
    }

    fn show(&self) {
        self.facts.show();
    }

    async fn full(&self) {
        self.facts.full().await;
    }

    async fn work(&mut self, last: bool) -> Result<bool, KeepError> {
        self.write(last).await?;
        Ok(false)
    }

    /// What is in memory is to be written into the next.
    fn begin_anew(&mut self) {
        self.dropped = None;
        self.loaded = Kind::ALL.to_vec();
    }

    async fn close(&mut self) {
        if let Some(table) = self.table.take() {
            table.close().await;
        }
    }
}

#[cfg(test)]
#[path = "facts_file_tests.rs"]
mod tests;
