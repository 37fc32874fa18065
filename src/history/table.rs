//! The history in its file. One row a message: what is needed to order it, and the entry as JSON. The index of its terms and
//! tallies by the hour stand beside it.
//!
//! The number of a row is the time of its verdict in sixteenths of a millisecond, made unique: so time, order and place are
//! one, and need no index of their own.

use std::net::IpAddr;
use std::path::Path;
use std::sync::OnceLock;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::queue::Waiting;
use super::tally::{self, Overview, Tallies};
use super::terms::{self, Term};
use super::{Entry, HistoryError, index};
use crate::heard::Record;
use crate::store::{Database, DatabaseError, Durability, Schema};

const SCHEMA: Schema = Schema {
    steps: &[
        r#"
CREATE TABLE messages (
    number INTEGER PRIMARY KEY NOT NULL,
    id TEXT NOT NULL UNIQUE,
    client BLOB,
    entry TEXT NOT NULL,
    heard BLOB
) STRICT;
CREATE VIRTUAL TABLE terms USING fts5 (
    words, content = '', contentless_delete = 1, detail = none,
    tokenize = "ascii tokenchars '!#$%&()*+,-./:;<=>?@[\]^_`{|}~'"
);
CREATE TABLE tallies (
    what TEXT NOT NULL,
    hour INTEGER NOT NULL,
    word TEXT NOT NULL,
    messages INTEGER NOT NULL,
    stopped INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (what, hour, word)
) STRICT, WITHOUT ROWID;
"#,
        index::SCHEMA,
    ],
    durability: Durability::Process,
};

/// Rows of one statement: a statement costs more than a row.
const ROWS: usize = 250;
/// Places of the number of a row within a millisecond.
const WITHIN_MS: i64 = 16;
/// Numbers from the wanted one on among which those of a clock that was set back are looked for: some 17 minutes.
const AHEAD: i64 = 1 << 24;

/// An entry, ready to be written.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) at: i64,
    pub(super) id: String,
    pub(super) client: Option<Vec<u8>>,
    pub(super) entry: String,
    pub(super) heard: Option<Vec<u8>>,
    pub(super) terms: Vec<Term>,
}

impl Prepared {
    pub(super) fn new(waiting: &Waiting) -> Result<Prepared, HistoryError> {
        let Waiting { entry, heard } = waiting;
        let heard = heard.as_ref().map(serde_json::to_vec).transpose();
        Ok(Prepared {
            at: entry.at.as_millisecond(),
            id: entry.id.clone(),
            client: entry.client.map(address),
            entry: serde_json::to_string(entry).map_err(HistoryError::Entry)?,
            heard: heard.map_err(HistoryError::Entry)?,
            terms: terms::of_entry(entry),
        })
    }
}

/// An address as 16 bytes, an IPv4 address in IPv6 form, so that they can be compared.
pub(super) fn address(address: IpAddr) -> Vec<u8> {
    let v6 = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    v6.octets().to_vec()
}

/// The file.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) database: Database,
}

impl Table {
    /// Opens the file, which must exist, if only empty.
    pub(super) async fn open(path: &Path) -> Result<Table, DatabaseError> {
        let database = Database::open(path, SCHEMA).await?;
        Ok(Table { database })
    }

    pub(super) async fn close(&self) {
        self.database.close().await;
    }

    /// Writes messages with their tallies, in one transaction; gives their numbers and terms.
    pub(super) async fn write(
        &self,
        entries: Vec<Prepared>,
        tallies: &Tallies,
    ) -> Result<Vec<(i64, Vec<Term>)>, DatabaseError> {
        let mut tx = self.database.begin().await?;
        let mut written = Vec::with_capacity(entries.len());
        let mut next = 0;
        let mut left = entries.into_iter();
        loop {
            let rows: Vec<Prepared> = left.by_ref().take(ROWS).collect();
            let Some(first) = rows.first() else { break };
            next = free(&mut tx, number_at(first.at).max(next), &rows).await?;
            let numbers = numbered(&rows, next);
            let (first, last) = (next, numbers.last().copied().unwrap_or(next));
            written.extend(insert(&mut tx, rows, numbers).await?);
            index::note(&mut tx, first, last).await?;
            next = last + 1;
        }
        tallies.write(&mut tx).await?;
        tx.commit().await?;
        Ok(written)
    }

    /// The entry of that id.
    pub(super) async fn get(&self, id: &str) -> Result<Option<Entry>, HistoryError> {
        let found: Option<String> = sqlx::query_scalar("SELECT entry FROM messages WHERE id = ?")
            .bind(id)
            .fetch_optional(self.database.readers())
            .await
            .map_err(DatabaseError::from)?;
        found.map(|json| read(&json)).transpose()
    }

    /// What filters heard when the message of that id came.
    pub(super) async fn heard(&self, id: &str) -> Result<Option<Record>, HistoryError> {
        let found: Option<Option<Vec<u8>>> =
            sqlx::query_scalar("SELECT heard FROM messages WHERE id = ?")
                .bind(id)
                .fetch_optional(self.database.readers())
                .await
                .map_err(DatabaseError::from)?;
        let read = |json: Vec<u8>| serde_json::from_slice(&json).map_err(HistoryError::Entry);
        found.flatten().map(read).transpose()
    }

    /// What happened in that time, by the hour.
    pub(super) async fn overview(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Overview, DatabaseError> {
        tally::overview(self.database.readers(), from, to).await
    }

    /// Bytes in use.
    pub(super) async fn bytes(&self) -> Result<u64, DatabaseError> {
        let pragma = async |what: &'static str| -> Result<u64, DatabaseError> {
            let pool = self.database.readers();
            let number: i64 = sqlx::query_scalar(what).fetch_one(pool).await?;
            Ok(number.unsigned_abs())
        };
        let pages = pragma("PRAGMA page_count").await?;
        let free = pragma("PRAGMA freelist_count").await?;
        Ok(pages.saturating_sub(free) * pragma("PRAGMA page_size").await?)
    }

    /// Messages in it. Looks at each.
    pub(super) async fn rows(&self) -> Result<u64, DatabaseError> {
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM messages")
            .fetch_one(self.database.readers())
            .await?;
        Ok(rows.unsigned_abs())
    }

    /// Removes at most `most` messages, the oldest first; with `before` (milliseconds) only those of verdicts reached
    /// before. Gives how many went.
    pub(super) async fn remove(
        &self,
        before: Option<i64>,
        most: usize,
    ) -> Result<u64, DatabaseError> {
        let end = before.map_or(i64::MAX, number_at);
        let oldest: Vec<i64> = sqlx::query_scalar(
            "SELECT number FROM messages WHERE number < ? ORDER BY number LIMIT ?",
        )
        .bind(end)
        .bind(most as i64)
        .fetch_all(self.database.readers())
        .await?;
        let (Some(first), Some(last)) = (oldest.first(), oldest.last()) else {
            return Ok(0);
        };
        let mut tx = self.database.begin().await?;
        let gone = sqlx::query("DELETE FROM messages WHERE number BETWEEN ? AND ?")
            .bind(first)
            .bind(last)
            .execute(&mut *tx)
            .await?;
        index::remove(&mut tx, *first, *last).await?;
        tx.commit().await?;
        Ok(gone.rows_affected())
    }

    /// Removes tallies of hours before `oldest` (milliseconds), and of hours that are over those of words that hardly
    /// matter.
    pub(super) async fn trim(&self, oldest: i64, now: i64) -> Result<(), DatabaseError> {
        let mut tx = self.database.begin().await?;
        tally::trim(&mut tx, oldest, now).await?;
        Ok(tx.commit().await?)
    }
}

pub(super) fn read(json: &str) -> Result<Entry, HistoryError> {
    serde_json::from_str(json).map_err(HistoryError::Entry)
}

/// The first number of a millisecond.
pub(super) fn number_at(ms: i64) -> i64 {
    ms.saturating_mul(WITHIN_MS)
}

/// The numbers of rows, from `first` on, each higher than the one before.
fn numbered(rows: &[Prepared], first: i64) -> Vec<i64> {
    let mut next = first;
    rows.iter()
        .map(|row| {
            let number = number_at(row.at).max(next);
            next = number + 1;
            number
        })
        .collect()
}

/// The first number, `first` or higher, from which on the numbers that `rows` would get are free. They are but for a
/// clock that was set back.
async fn free(
    connection: &mut SqliteConnection,
    first: i64,
    rows: &[Prepared],
) -> Result<i64, DatabaseError> {
    let mut first = first;
    loop {
        let last = numbered(rows, first).last().copied().unwrap_or(first);
        let taken: Option<i64> =
            sqlx::query_scalar("SELECT max(number) FROM messages WHERE number BETWEEN ? AND ?")
                .bind(first)
                .bind(last.max(first.saturating_add(AHEAD)))
                .fetch_one(&mut *connection)
                .await?;
        match taken {
            Some(taken) => first = taken + 1,
            None => return Ok(first),
        }
    }
}

/// The statement that writes [`ROWS`] rows, which is kept prepared.
fn statement() -> &'static String {
    static FULL: OnceLock<String> = OnceLock::new();
    FULL.get_or_init(|| written_for(ROWS))
}

fn written_for(rows: usize) -> String {
    let places = vec!["(?, ?, ?, ?, ?)"; rows].join(", ");
    format!(
        "INSERT INTO messages (number, id, client, entry, heard) VALUES {places} ON CONFLICT (id) DO NOTHING"
    )
}

async fn insert(
    connection: &mut SqliteConnection,
    rows: Vec<Prepared>,
    numbers: Vec<i64>,
) -> Result<Vec<(i64, Vec<Term>)>, DatabaseError> {
    let full = rows.len() == ROWS;
    let statement = match full {
        true => statement().clone(),
        false => written_for(rows.len()),
    };
    let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(full);
    let mut written = Vec::with_capacity(rows.len());
    for (row, number) in rows.into_iter().zip(numbers) {
        query = query
            .bind(number)
            .bind(row.id)
            .bind(row.client)
            .bind(row.entry)
            .bind(row.heard);
        written.push((number, row.terms));
    }
    query.execute(&mut *connection).await?;
    Ok(written)
}

/// A file as it was before the index had segments.
#[cfg(test)]
pub(super) async fn former(path: &Path) -> Database {
    let schema = Schema {
        steps: SCHEMA.steps.get(..1).unwrap(),
        ..SCHEMA
    };
    Database::open(path, schema).await.unwrap()
}
