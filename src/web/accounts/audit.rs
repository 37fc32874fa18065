//! The record of what was changed, by whom and from where. Lines beyond [`LINES`] go, the oldest first.

use sqlx::{Row as _, Sqlite, Transaction};

use super::{AccountError, Accounts, now};

/// Lines that are kept.
const LINES: i64 = 100_000;
/// Longest subject and detail, characters.
const LONGEST: usize = 2_000;

/// Who changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// A user's name, with the label of the token that was used, if one was; or the command line.
    pub name: String,
    /// Where they are: an address, or empty.
    pub address: String,
}

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number; later lines have greater ones.
    pub id: i64,
    /// When, seconds since 1970.
    pub at: i64,
    /// Who.
    pub actor: Actor,
    /// What, in two words joined by a dot: `user.add`, `list.edit`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// More of it.
    pub detail: String,
}

impl Accounts {
    /// Records something that was changed elsewhere: a list, a model, a held message. What is longer than 2,000
    /// characters is cut.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub async fn record(
        &self,
        by: &Actor,
        action: &str,
        subject: &str,
        detail: &str,
    ) -> Result<(), AccountError> {
        let mut tx = self.database.begin().await?;
        record(&mut tx, by, action, subject, detail).await?;
        Ok(tx.commit().await?)
    }

    /// Lines of the record before line `before`, the newest first, at most `limit`; with `text`, those that have it
    /// in one of their words.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn audit(
        &self,
        before: Option<i64>,
        text: &str,
        limit: u32,
    ) -> Result<Vec<AuditLine>, AccountError> {
        let rows = sqlx::query(
            "SELECT id, at, actor, address, action, subject, detail FROM audit
             WHERE id < ?1 AND (?2 = '' OR instr(lower(actor || ' ' || address || ' ' || action || ' '
                 || subject || ' ' || detail), lower(?2)) > 0)
             ORDER BY id DESC LIMIT ?3",
        )
        .bind(before.unwrap_or(i64::MAX))
        .bind(text)
        .bind(limit)
        .fetch_all(self.database.readers())
        .await?;
        let line = |row: sqlx::sqlite::SqliteRow| {
            Ok(AuditLine {
                id: row.try_get(0)?,
                at: row.try_get(1)?,
                actor: Actor {
                    name: row.try_get(2)?,
                    address: row.try_get(3)?,
                },
                action: row.try_get(4)?,
                subject: row.try_get(5)?,
                detail: row.try_get(6)?,
            })
        };
        rows.into_iter().map(line).collect()
    }
}

/// Writes a line with the change that it is about.
pub(super) async fn record(
    tx: &mut Transaction<'static, Sqlite>,
    by: &Actor,
    action: &str,
    subject: &str,
    detail: &str,
) -> Result<(), AccountError> {
    let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
    let done = sqlx::query(
        "INSERT INTO audit (at, actor, address, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(now())
    .bind(&by.name)
    .bind(&by.address)
    .bind(action)
    .bind(cut(subject))
    .bind(cut(detail))
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM audit WHERE id <= ?")
        .bind(done.last_insert_rowid() - LINES)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
