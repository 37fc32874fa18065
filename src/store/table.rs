//! The facts in their file: one row each, with the words of its key for people to read. What is to be forgotten stands in
//! a table of its own until the daemon, if one runs, has forgotten it too.

use std::collections::HashMap;
use std::path::Path;

use futures_util::TryStreamExt;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::changes::{Change, Place};
use super::{Database, DatabaseError, Durability, Fact, Kind, Schema};

const SCHEMA: Schema = Schema {
    steps: &[r"
CREATE TABLE facts (
    kind TEXT NOT NULL,
    key BLOB NOT NULL,
    subject TEXT NOT NULL,
    since INTEGER NOT NULL,
    at INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    count REAL NOT NULL,
    total REAL NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE forgotten (
    kind TEXT NOT NULL,
    key BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
"],
    durability: Durability::Process,
};

/// Rows of one statement: a statement costs more than a row.
const ROWS: usize = 200;
/// Keys to be forgotten that are looked at in one go.
const FORGOTTEN: u32 = 10_000;

/// A fact with its key, as people are shown it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is about.
    pub kind: Kind,
    /// The words of its key, separated by [`Key::SEPARATOR`](super::Key::SEPARATOR). From envelopes and headers: to be
    /// escaped where it is shown.
    pub subject: String,
    /// The fact.
    pub fact: Fact,
    digest: u128,
}

/// The file.
#[derive(Clone, Debug)]
pub struct Table {
    database: Database,
}

impl Table {
    /// Opens the file, which must exist, if only empty.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open(path: &Path) -> Result<Table, DatabaseError> {
        let database = Database::open(path, SCHEMA).await?;
        Ok(Table { database })
    }

    /// The newest facts of a kind, at most `limit`, the oldest of them first.
    pub(super) async fn load(
        &self,
        kind: Kind,
        now: i64,
        limit: usize,
    ) -> Result<Vec<(u128, Fact)>, DatabaseError> {
        let mut rows = sqlx::query(
            "SELECT key, since, at, expires, count, total FROM facts
             WHERE kind = ? AND expires > ? ORDER BY at DESC LIMIT ?",
        )
        .bind(kind.name())
        .bind(now)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch(self.database.readers());
        let mut facts = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let key: Vec<u8> = row.try_get(0)?;
            let fact = Fact {
                since: row.try_get(1)?,
                at: row.try_get(2)?,
                expires: row.try_get(3)?,
                count: row.try_get(4)?,
                total: row.try_get(5)?,
            };
            facts.extend(digest(&key).map(|digest| (digest, fact)));
        }
        facts.reverse();
        Ok(facts)
    }

    /// Writes changes in one transaction, and strikes out what was forgotten.
    pub(super) async fn write(
        &self,
        changes: &HashMap<Place, Change>,
        forgotten: &[Place],
    ) -> Result<(), DatabaseError> {
        let mut tx = self.database.begin().await?;
        let mut set = Vec::with_capacity(changes.len());
        let mut gone: Vec<Place> = forgotten.to_vec();
        for (place, change) in changes {
            match change {
                Change::Set(subject, fact) => set.push((place, subject, fact)),
                Change::Removed => gone.push(*place),
            }
        }
        for rows in set.chunks(ROWS) {
            let mut insert = QueryBuilder::<Sqlite>::new(
                "INSERT INTO facts (kind, key, subject, since, at, expires, count, total) ",
            );
            insert.push_values(rows, |mut row, ((kind, digest), subject, fact)| {
                row.push_bind(kind.name())
                    .push_bind(digest.to_be_bytes().to_vec())
                    .push_bind((*subject).clone())
                    .push_bind(fact.since)
                    .push_bind(fact.at)
                    .push_bind(fact.expires)
                    .push_bind(fact.count)
                    .push_bind(fact.total);
            });
            insert.push(
                " ON CONFLICT (kind, key) DO UPDATE SET
                      subject = coalesce(nullif(excluded.subject, ''), facts.subject),
                      since = excluded.since, at = excluded.at, expires = excluded.expires,
                      count = excluded.count, total = excluded.total",
            );
            // Full statements are all alike, and kept prepared.
            let insert = insert.build().persistent(rows.len() == ROWS);
            insert.execute(&mut *tx).await?;
        }
        for (table, places) in [("facts", gone.as_slice()), ("forgotten", forgotten)] {
            for mut delete in deletes(table, places) {
                delete.build().persistent(false).execute(&mut *tx).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// What somebody wants to be forgotten.
    pub(super) async fn forgotten(&self) -> Result<Vec<Place>, DatabaseError> {
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT kind, key FROM forgotten LIMIT ?")
                .bind(FORGOTTEN)
                .fetch_all(self.database.readers())
                .await?;
        let place = |(kind, key): (String, Vec<u8>)| Some((Kind::named(&kind)?, digest(&key)?));
        Ok(rows.into_iter().filter_map(place).collect())
    }

    /// Removes what is past its time.
    pub(super) async fn expire(&self, now: i64) -> Result<(), DatabaseError> {
        let mut tx = self.database.begin().await?;
        sqlx::query("DELETE FROM facts WHERE expires <= ?")
            .bind(now)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// The facts that are `wanted` and not past their time, by kind and then by their words.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn find(
        &self,
        now: i64,
        mut wanted: impl FnMut(&Row) -> bool,
    ) -> Result<Vec<Row>, DatabaseError> {
        let mut rows = sqlx::query(
            "SELECT kind, key, subject, since, at, expires, count, total FROM facts
             WHERE expires > ?",
        )
        .bind(now)
        .fetch(self.database.readers());
        let mut found = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let (kind, key): (String, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            let (Some(kind), Some(digest)) = (Kind::named(&kind), digest(&key)) else {
                continue;
            };
            let row = Row {
                kind,
                digest,
                subject: row.try_get(2)?,
                fact: Fact {
                    since: row.try_get(3)?,
                    at: row.try_get(4)?,
                    expires: row.try_get(5)?,
                    count: row.try_get(6)?,
                    total: row.try_get(7)?,
                },
            };
            if wanted(&row) {
                found.push(row);
            }
        }
        found.sort_by(|a, b| (a.kind, &a.subject).cmp(&(b.kind, &b.subject)));
        Ok(found)
    }

    /// Removes facts, and has a running daemon forget them within a second.
    ///
    /// # Errors
    /// A file that cannot be written; nothing is forgotten then.
    pub async fn forget(&self, rows: &[Row]) -> Result<(), DatabaseError> {
        let places: Vec<Place> = rows.iter().map(|row| (row.kind, row.digest)).collect();
        let mut tx = self.database.begin().await?;
        for some in places.chunks(ROWS) {
            let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO forgotten (kind, key) ");
            insert.push_values(some, |mut row, (kind, digest)| {
                row.push_bind(kind.name())
                    .push_bind(digest.to_be_bytes().to_vec());
            });
            insert.push(" ON CONFLICT (kind, key) DO NOTHING");
            insert.build().persistent(false).execute(&mut *tx).await?;
        }
        for mut delete in deletes("facts", &places) {
            delete.build().persistent(false).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The connection that writes.
    #[cfg(test)]
    pub(super) fn writer(&self) -> &sqlx::sqlite::SqlitePool {
        self.database.writer()
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// Statements that remove these places from a table of ours.
fn deletes<'a>(
    table: &'static str,
    places: &'a [Place],
) -> impl Iterator<Item = QueryBuilder<Sqlite>> + 'a {
    places.chunks(ROWS).map(move |some| {
        let mut delete = QueryBuilder::<Sqlite>::new("DELETE FROM ");
        delete.push(table);
        delete.push(" WHERE (kind, key) IN (");
        delete.push_values(some, |mut row, (kind, digest)| {
            row.push_bind(kind.name())
                .push_bind(digest.to_be_bytes().to_vec());
        });
        delete.push(")");
        delete
    })
}

fn digest(key: &[u8]) -> Option<u128> {
    key.try_into().ok().map(u128::from_be_bytes)
}
