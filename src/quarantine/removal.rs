//! Removing messages: row marked, file removed, folder synchronised, row removed. In that order, so that a
//! crash at any point is finished at the next start and nothing that was removed comes back.

use std::sync::Arc;

use sqlx::{QueryBuilder, Sqlite};

use super::entry::checked_id;
use super::folder::Folder;
use super::index::Index;
use super::{Quarantine, QuarantineError, blocking};

/// Rows of one statement and files between two fsyncs of their folders.
pub(super) const BATCH: usize = 500;

impl Quarantine {
    /// Removes a message, by its own id or that of a retry of it.
    ///
    /// # Errors
    /// [`QuarantineError::NotFound`]; the file system or the index: then the removal is finished by the
    /// next [`Quarantine::expire`] or start.
    pub async fn delete(&self, id: &str) -> Result<(), QuarantineError> {
        checked_id(id)?;
        let id = self.index.resolve(id).await?;
        let result = match self.remove(vec![id]).await {
            Ok((_, None)) => Ok(()),
            Ok((_, Some(e))) | Err(e) => Err(e),
        };
        self.counted("delete", result)?;
        self.count("deleted", 1);
        self.stats().await?;
        Ok(())
    }

    /// Removes messages; returns how many are gone, and what went wrong with the others. One file that
    /// cannot be removed does not save the rest.
    pub(super) async fn remove(
        &self,
        ids: Vec<String>,
    ) -> Result<(usize, Option<QuarantineError>), QuarantineError> {
        let mut removed = 0;
        let mut first = None;
        for batch in ids.chunks(BATCH) {
            let mut tx = self.index.begin().await?;
            among("UPDATE messages SET state = 'deleting' WHERE id", batch)
                .build()
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            let (gone, error) = finish(&self.folder, &self.index, batch.to_vec()).await?;
            removed += gone;
            first = first.or(error);
        }
        Ok((removed, first))
    }
}

/// Removes files of rows that are marked, then the rows. Returns how many are gone, and what went wrong
/// with the others.
pub(super) async fn finish(
    folder: &Arc<Folder>,
    index: &Index,
    ids: Vec<String>,
) -> Result<(usize, Option<QuarantineError>), QuarantineError> {
    let mut gone = 0;
    let mut first = None;
    for batch in ids.chunks(BATCH) {
        let ulids = batch
            .iter()
            .map(|id| checked_id(id))
            .collect::<Result<Vec<_>, _>>()?;
        let folder = folder.clone();
        let (removed, error) = blocking(move || folder.remove(&ulids)).await?;
        first = first.or(error);
        let removed: Vec<String> = removed.iter().map(|id| id.to_string()).collect();
        if removed.is_empty() {
            continue;
        }
        let mut tx = index.begin().await?;
        among(
            "DELETE FROM messages WHERE state = 'deleting' AND id",
            &removed,
        )
        .build()
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        gone += removed.len();
    }
    Ok((gone, first))
}

fn among(statement: &'static str, ids: &[String]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(statement);
    query.push(" IN (");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id.clone());
    }
    query.push(")");
    query
}
