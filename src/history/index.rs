//! The index of terms in the file: segments, and the messages that wait for theirs.
//!
//! A message is unsealed until it stands in a segment. So a message costs the index nothing when it is written but a
//! number, whatever the traffic, and its part of the work of making a segment once; nothing is ever merged. Segments may overlap in
//! time, because a clock may be set back.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::segment::{Growing, MESSAGES, SLICES};
use super::table::{Table, read};
use super::terms;
use crate::store::DatabaseError;

/// What the file has of the index. Before, it was a table of FTS5: messages of such a file are unsealed.
pub(super) const SCHEMA: &str = "
DROP TABLE terms;
CREATE TABLE unsealed (number INTEGER PRIMARY KEY NOT NULL) STRICT;
CREATE TABLE segments (
    number INTEGER PRIMARY KEY NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    messages BLOB NOT NULL
) STRICT;
CREATE TABLE slices (number INTEGER PRIMARY KEY NOT NULL, terms BLOB NOT NULL) STRICT;
INSERT INTO unsealed SELECT number FROM messages;
";

/// The number of a slice of a segment.
pub(super) fn slice_number(segment: i64, slice: u8) -> i64 {
    segment
        .saturating_mul(i64::from(SLICES))
        .saturating_add(i64::from(slice))
}

/// Numbers, for `IN (SELECT value FROM json_each(?))`.
pub(super) fn listed(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(","))
}

impl Table {
    /// How many messages are unsealed.
    pub(super) async fn unsealed(&self) -> Result<u64, DatabaseError> {
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM unsealed")
            .fetch_one(self.database.readers())
            .await?;
        Ok(rows.unsigned_abs())
    }

    /// The oldest unsealed messages, as many as make a segment; gives whether there are no others.
    pub(super) async fn regrow(&self) -> Result<(Growing, bool), DatabaseError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT number, entry FROM unsealed JOIN messages USING (number) ORDER BY number LIMIT ?",
        )
        .bind(MESSAGES as i64)
        .fetch_all(self.database.readers())
        .await?;
        let grow = move || {
            let mut growing = Growing::default();
            for (number, json) in &rows {
                if growing.is_full() {
                    return (growing, false);
                }
                // What cannot be read is found by its id and its time only.
                let terms = read(json).map(|entry| terms::of_entry(&entry));
                growing.add(*number, &terms.unwrap_or_default());
            }
            let has_all = rows.len() < MESSAGES;
            (growing, has_all)
        };
        let grown = tokio::task::spawn_blocking(grow).await;
        Ok(grown.map_err(|_| sqlx::Error::WorkerCrashed)?)
    }

    /// Makes a segment. Other unsealed messages with numbers between its lowest and its highest there must not be.
    pub(super) async fn seal(&self, growing: &mut Growing) -> Result<(), DatabaseError> {
        let Some((first, last)) = growing.ends() else {
            return Ok(());
        };
        let mut tx = self.database.begin().await?;
        let segment: i64 = sqlx::query_scalar(
            "INSERT INTO segments (first, last, messages) VALUES (?, ?, ?) RETURNING number",
        )
        .bind(first)
        .bind(last)
        .bind(growing.numbers())
        .fetch_one(&mut *tx)
        .await?;
        let mut insert: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT INTO slices (number, terms) ");
        let slices = growing.slices();
        if !slices.is_empty() {
            insert.push_values(slices, |mut row, (slice, terms)| {
                row.push_bind(slice_number(segment, slice)).push_bind(terms);
            });
            insert.build().execute(&mut *tx).await?;
        }
        forget(&mut tx, first, last).await?;
        Ok(tx.commit().await?)
    }
}

/// Notes that messages with numbers between these are unsealed.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    first: i64,
    last: i64,
) -> Result<(), DatabaseError> {
    sqlx::query("INSERT INTO unsealed SELECT number FROM messages WHERE number BETWEEN ? AND ?")
        .bind(first)
        .bind(last)
        .execute(connection)
        .await?;
    Ok(())
}

/// Messages with numbers between these are unsealed no longer.
async fn forget(
    connection: &mut SqliteConnection,
    first: i64,
    last: i64,
) -> Result<(), DatabaseError> {
    sqlx::query("DELETE FROM unsealed WHERE number BETWEEN ? AND ?")
        .bind(first)
        .bind(last)
        .execute(connection)
        .await?;
    Ok(())
}

/// All messages with numbers up to `last` are removed, the lowest of which was `first`: so are the segments that have no others.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    first: i64,
    last: i64,
) -> Result<(), DatabaseError> {
    forget(&mut *connection, first, last).await?;
    let gone: Vec<i64> =
        sqlx::query_scalar("DELETE FROM segments WHERE last <= ? RETURNING number")
            .bind(last)
            .fetch_all(&mut *connection)
            .await?;
    for segment in gone {
        sqlx::query("DELETE FROM slices WHERE number BETWEEN ? AND ?")
            .bind(slice_number(segment, 0))
            .bind(slice_number(segment, SLICES - 1))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) async fn segments(table: &Table) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM segments");
    count.fetch_one(table.database.readers()).await.unwrap()
}
