//! The index: what is held, in a [`Database`] whose commits survive a crash of the machine. Another process (the
//! command line) may write too.

use std::path::Path;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePool};
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::QuarantineError;
use super::entry::{Entry, bare};
use super::searched::{Searched, domain_of, folded, recipient_key};
use crate::store::{Database, Durability, Schema};

/// The same message from the same sender to the same recipients within this time is a retry.
const RETRY_WINDOW_MS: i64 = 86_400_000;
/// Ids of retries that can be looked up, for each message; later ones are only counted.
const SIGHTINGS: i64 = 50;

const SCHEMA: Schema = Schema {
    steps: &[
        include_str!("schema/1.sql"),
        include_str!("schema/2.sql"),
        include_str!("schema/3.sql"),
    ],
    durability: Durability::Machine,
};

/// What became of an insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    /// A new message.
    New,
    /// This id was there already, with the same message.
    Known,
    /// A retry of the message with this id.
    Retry(String),
    /// This id was there already, with another message.
    Conflict,
}

/// A handle to the index; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Index {
    database: Database,
}

impl Index {
    /// Opens the index file, which must exist, if only empty, and brings its schema up to date.
    pub(super) async fn open(path: &Path) -> Result<Index, QuarantineError> {
        let database = Database::open(path, SCHEMA).await?;
        let index = Index { database };
        index.start_clock().await?;
        index.learn_old_entries().await?;
        Ok(index)
    }

    /// An index that is new has never removed anything.
    async fn start_clock(&self) -> Result<(), QuarantineError> {
        let started: Option<i64> = sqlx::query_scalar("SELECT last_expiry FROM clock")
            .fetch_optional(self.readers())
            .await?;
        // Whoever only looks shall not wait for the lock of writers.
        if started.is_some() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        sqlx::query("INSERT OR IGNORE INTO clock (only, last_expiry) VALUES (1, ?)")
            .bind(jiff::Timestamp::now().as_millisecond())
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Fills the columns that an older version did not have.
    async fn learn_old_entries(&self) -> Result<(), QuarantineError> {
        loop {
            let rows: Vec<(String, String)> = sqlx::query_as(
                "SELECT id, entry FROM messages JOIN entries ON message = id WHERE known = 0 LIMIT 500",
            )
            .fetch_all(self.readers())
            .await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut tx = self.begin().await?;
            for (id, entry) in &rows {
                learn_old_entry(&mut tx, id, entry).await?;
            }
            tx.commit().await?;
        }
    }

    /// A whole message with exactly these bytes in the folder, if there is one.
    pub(super) async fn twin(
        &self,
        content: &[u8],
        size: usize,
    ) -> Result<Option<String>, QuarantineError> {
        Ok(sqlx::query_scalar(
            "SELECT id FROM messages
             WHERE content = ? AND size = ? AND elsewhere = 0 AND state NOT IN ('lost', 'deleting') LIMIT 1",
        )
        .bind(content)
        .bind(i64::try_from(size).unwrap_or(i64::MAX))
        .fetch_optional(self.readers())
        .await?)
    }

    /// A transaction that writes; it takes the lock at once, so that it cannot fail half-way for a lock.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, QuarantineError> {
        Ok(self.database.begin().await?)
    }

    /// For reading.
    pub(super) fn readers(&self) -> &SqlitePool {
        self.database.readers()
    }

    pub(super) async fn close(&self) {
        self.database.close().await;
    }

    /// Counts a retry of a message that is held, if this is one, and returns the id of the message.
    pub(super) async fn retry(
        &self,
        entry: &Entry,
        likeness: &[u8],
    ) -> Result<Option<String>, QuarantineError> {
        // Most messages are no retries: look before taking the write lock.
        let seen: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM messages WHERE likeness = ? LIMIT 1")
                .bind(likeness)
                .fetch_optional(self.readers())
                .await?;
        if seen.is_none() {
            return Ok(None);
        }
        let mut tx = self.begin().await?;
        let original = count_retry(&mut tx, entry, likeness).await?;
        tx.commit().await?;
        Ok(original)
    }

    /// Forgets that an id was a retry: the message it led to is lost.
    pub(super) async fn forget_sighting(&self, id: &str) -> Result<(), QuarantineError> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM sightings WHERE id = ?")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Enters a message, whose file is durable already.
    pub(super) async fn insert(
        &self,
        entry: &Entry,
        likeness: &[u8],
        content: &[u8],
    ) -> Result<Inserted, QuarantineError> {
        let mut tx = self.begin().await?;
        let done = insert(&mut tx, entry, likeness, content).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// The likeness of the message that is entered under that very id.
    pub(super) async fn likeness(&self, id: &str) -> Result<Option<Vec<u8>>, QuarantineError> {
        Ok(
            sqlx::query_scalar("SELECT likeness FROM messages WHERE id = ?")
                .bind(id)
                .fetch_optional(self.readers())
                .await?,
        )
    }

    /// The id under which a message is kept: its own, or that of the message it was a retry of.
    pub(super) async fn resolve(&self, id: &str) -> Result<String, QuarantineError> {
        let found: Option<String> = sqlx::query_scalar(
            "SELECT coalesce((SELECT id FROM messages WHERE id = ?1),
                             (SELECT message FROM sightings WHERE id = ?1))",
        )
        .bind(id)
        .fetch_one(self.readers())
        .await?;
        found.ok_or_else(|| QuarantineError::NotFound(id.to_owned()))
    }
}

/// Binds what messages are searched by: client, domain, policies, reason, verdict, score, virus.
fn bound<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    found: Searched,
) -> Query<'q, Sqlite, SqliteArguments> {
    query
        .bind(found.client)
        .bind(found.domain)
        .bind(found.policies)
        .bind(found.reason)
        .bind(found.verdict)
        .bind(found.score)
        .bind(found.virus)
}

async fn learn_old_entry(
    tx: &mut SqliteConnection,
    id: &str,
    entry: &str,
) -> Result<(), QuarantineError> {
    // A row that cannot be read stays unsearchable, and says so when it is shown.
    let found = serde_json::from_str(entry).map(|entry: Entry| Searched::of(&entry));
    let known = sqlx::query(
        "UPDATE messages SET known = 1, client = ?, domain = ?, policies = ?, reason = ?, verdict = ?,
             score = ?, virus = ? WHERE id = ?",
    );
    bound(known, found.unwrap_or_default())
        .bind(id)
        .execute(&mut *tx)
        .await?;
    let recipients: Vec<String> =
        sqlx::query_scalar("SELECT recipient FROM recipients WHERE message = ?")
            .bind(id)
            .fetch_all(&mut *tx)
            .await?;
    for recipient in recipients {
        sqlx::query("UPDATE recipients SET domain = ? WHERE message = ? AND recipient = ?")
            .bind(domain_of(&recipient))
            .bind(id)
            .bind(&recipient)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

async fn count_retry(
    tx: &mut SqliteConnection,
    entry: &Entry,
    likeness: &[u8],
) -> Result<Option<String>, QuarantineError> {
    let at = entry.received.as_millisecond();
    let original: Option<String> = sqlx::query_scalar(
        "UPDATE messages SET seen = seen + 1, last_seen = max(last_seen, ?1)
         WHERE id = (SELECT id FROM messages
                     WHERE likeness = ?2 AND id <> ?3 AND state = 'held'
                       AND received BETWEEN ?1 - ?4 AND ?1 + ?4
                     ORDER BY received LIMIT 1)
         RETURNING id",
    )
    .bind(at)
    .bind(likeness)
    .bind(&entry.id)
    .bind(RETRY_WINDOW_MS)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(original) = &original {
        sqlx::query(
            "INSERT OR IGNORE INTO sightings (id, message)
             SELECT ?1, ?2 WHERE (SELECT count(*) FROM sightings WHERE message = ?2) < ?3",
        )
        .bind(&entry.id)
        .bind(original)
        .bind(SIGHTINGS)
        .execute(&mut *tx)
        .await?;
    }
    Ok(original)
}

async fn insert(
    tx: &mut SqliteConnection,
    entry: &Entry,
    likeness: &[u8],
    content: &[u8],
) -> Result<Inserted, QuarantineError> {
    let known: Option<Vec<u8>> = sqlx::query_scalar("SELECT likeness FROM messages WHERE id = ?")
        .bind(&entry.id)
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(known) = known {
        let same = known == likeness;
        return Ok(if same {
            Inserted::Known
        } else {
            Inserted::Conflict
        });
    }
    if let Some(original) = count_retry(tx, entry, likeness).await? {
        return Ok(Inserted::Retry(original));
    }
    let message = sqlx::query(
        "INSERT INTO messages
             (id, received, last_seen, seen, state, size, likeness, content, sender, subject,
              known, client, domain, policies, reason, verdict, score, virus)
         VALUES (?1, ?2, ?2, 1, 'held', ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )
    .bind(&entry.id)
    .bind(entry.received.as_millisecond())
    .bind(i64::try_from(entry.size).unwrap_or(i64::MAX))
    .bind(likeness)
    .bind(content)
    .bind(folded(&String::from_utf8_lossy(bare(&entry.sender))))
    .bind(folded(&entry.subject));
    bound(message, Searched::of(entry))
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO entries (message, entry) VALUES (?, ?)")
        .bind(&entry.id)
        .bind(serde_json::to_string(entry).unwrap_or_default())
        .execute(&mut *tx)
        .await?;
    for recipient in &entry.recipients {
        let key = recipient_key(recipient);
        sqlx::query(
            "INSERT OR IGNORE INTO recipients (message, recipient, domain) VALUES (?, ?, ?)",
        )
        .bind(&entry.id)
        .bind(&key)
        .bind(domain_of(&key))
        .execute(&mut *tx)
        .await?;
    }
    for rule in &entry.rules {
        sqlx::query("INSERT OR IGNORE INTO hits (message, rule) VALUES (?, ?)")
            .bind(&entry.id)
            .bind(rule)
            .execute(&mut *tx)
            .await?;
    }
    Ok(Inserted::New)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Envelope;
    use crate::verdict::Verdict;

    fn entry(subject: &str) -> Entry {
        let id = ulid::Ulid::new().to_string();
        let now = jiff::Timestamp::now();
        let verdict = Verdict::released();
        Entry::new(&id, now, &Envelope::default(), subject, &verdict, 0)
    }

    #[tokio::test]
    async fn after_a_full_disk_the_index_takes_messages_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.sqlite");
        std::fs::File::create(&path).unwrap();
        let index = Index::open(&path).await.unwrap();
        // To SQLite a file that may not grow is a full disk.
        let mut writer = index.database.writer().acquire().await.unwrap();
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
            .fetch_one(&mut *writer)
            .await
            .unwrap();
        let full = format!("PRAGMA max_page_count = {pages}");
        sqlx::query(sqlx::AssertSqlSafe(full))
            .execute(&mut *writer)
            .await
            .unwrap();
        drop(writer);
        let mut refused = None;
        for number in 0..2000_u32 {
            let entry = entry("fills the disk");
            if let Err(e) = index.insert(&entry, &number.to_be_bytes(), b"").await {
                refused = Some((entry.id, e.to_string()));
                break;
            }
        }
        let (lost, why) = refused.expect("the disk is full at some time");
        assert!(why.contains("full"), "{why}");
        assert_eq!(index.likeness(&lost).await.unwrap(), None);

        let next = entry("next");
        assert_eq!(
            index.insert(&next, b"next", b"").await.unwrap(),
            Inserted::New
        );
        let kept = index.likeness(&next.id).await.unwrap();
        assert_eq!(kept.as_deref(), Some(&b"next"[..]));
        index.close().await;
    }
}
