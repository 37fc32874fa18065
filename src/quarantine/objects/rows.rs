//! What the index says of objects.

use super::bucket::Content;
use crate::quarantine::index::Index;
use crate::quarantine::{Quarantine, QuarantineError};

/// Rows of one look.
pub(super) const BATCH: i64 = 64;

impl Index {
    /// Messages with their digests, as far as they are known, whose bytes are, or are not, in the store: those behind an
    /// id, in order.
    pub(super) async fn placed(
        &self,
        elsewhere: bool,
        after: &str,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, QuarantineError> {
        let rows = match elsewhere {
            false => sqlx::query_as(
                "SELECT id, content FROM messages WHERE elsewhere = 0 AND id > ?
                   AND state NOT IN ('lost', 'deleting') ORDER BY id LIMIT ?",
            ),
            true => sqlx::query_as(
                "SELECT id, content FROM messages WHERE elsewhere = 1 AND id > ?
                   AND state NOT IN ('lost', 'deleting') ORDER BY id LIMIT ?",
            ),
        };
        Ok(rows
            .bind(after)
            .bind(BATCH)
            .fetch_all(self.readers())
            .await?)
    }

    /// Whether a message has its bytes in that object.
    pub(super) async fn uses(&self, content: &[u8]) -> Result<bool, QuarantineError> {
        let used: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM messages WHERE elsewhere = 1 AND content = ? LIMIT 1",
        )
        .bind(content)
        .fetch_optional(self.readers())
        .await?;
        Ok(used.is_some())
    }

    /// Notes that a message has its bytes in that object. When it is being removed the object is noted as left, and the
    /// answer is no.
    pub(in crate::quarantine) async fn set_away(
        &self,
        id: &str,
        content: &Content,
    ) -> Result<bool, QuarantineError> {
        let mut tx = self.begin().await?;
        let set = sqlx::query(
            "UPDATE messages SET elsewhere = 1, content = ? WHERE id = ? AND state <> 'deleting'",
        )
        .bind(content.as_slice())
        .bind(id)
        .execute(&mut *tx)
        .await?;
        let set = set.rows_affected() > 0;
        if !set {
            sqlx::query("INSERT OR IGNORE INTO left_objects (content) VALUES (?)")
                .bind(content.as_slice())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(set)
    }

    /// Notes that a message has its bytes in the folder, and the object as left.
    pub(in crate::quarantine) async fn set_here(&self, id: &str) -> Result<(), QuarantineError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT OR IGNORE INTO left_objects (content)
             SELECT content FROM messages WHERE id = ? AND elsewhere = 1",
        )
        .bind(id)
        .execute(&mut *tx)
        .await?;
        sqlx::query("UPDATE messages SET elsewhere = 0 WHERE id = ?")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Objects that a message has left.
    pub(super) async fn left(&self) -> Result<Vec<Vec<u8>>, QuarantineError> {
        Ok(
            sqlx::query_scalar("SELECT content FROM left_objects LIMIT ?")
                .bind(BATCH)
                .fetch_all(self.readers())
                .await?,
        )
    }

    /// Takes an object from those that were left: it is in use, or gone.
    pub(super) async fn settle(&self, content: &[u8]) -> Result<(), QuarantineError> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM left_objects WHERE content = ?")
            .bind(content)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}

impl Quarantine {
    /// How many messages have their bytes in the object store.
    ///
    /// # Errors
    /// The index.
    pub async fn messages_away(&self) -> Result<u64, QuarantineError> {
        let away: i64 = sqlx::query_scalar("SELECT count(*) FROM messages WHERE elsewhere = 1")
            .fetch_one(self.index.readers())
            .await?;
        Ok(away.unsigned_abs())
    }
}
