//! A file of SQLite in WAL mode. One connection writes, so that writers of this process queue fairly; others read
//! beside it. Another process (the command line) may write too; each waits for the other up to [`BUSY`].

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, Transaction};

/// Longest wait for another process that writes.
const BUSY: Duration = Duration::from_secs(10);
/// Longest wait for a connection of our own.
const ACQUIRE: Duration = Duration::from_secs(10);
const READERS: u32 = 3;

/// What a file holds and how safe it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// The statements of the schema, step by step; `PRAGMA user_version` counts the steps that were made.
    pub steps: &'static [&'static str],
    /// What a commit outlasts.
    pub durability: Durability,
}

/// What a commit outlasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A crash of the machine.
    Machine,
    /// A crash of the process; one of the machine may cost the last commits, never the file.
    Process,
}

/// Why a file could not be opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// SQLite refused.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A newer mailweir has written it.
    #[error(
        "it has version {found}, this mailweir knows versions up to {known}: use the newer mailweir again"
    )]
    Version {
        /// Version of the file.
        found: i64,
        /// Newest known version.
        known: i64,
    },
    /// The wait for our own connection took too long.
    #[error("too many operations wait for it")]
    Busy,
}

impl DatabaseError {
    /// Whether the file is none of SQLite, or damaged (SQLITE_CORRUPT, SQLITE_NOTADB).
    pub fn is_damage(&self) -> bool {
        let DatabaseError::Sql(sqlx::Error::Database(error)) = self else {
            return false;
        };
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        // The lowest byte is the error, the others say more about it.
        matches!(code.map(|code| code & 0xff), Some(11 | 26))
    }
}

/// A handle to a file; clones share it.
#[derive(Clone, Debug)]
pub struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    /// Opens a file, which must exist, if only empty, and brings its schema up to date.
    ///
    /// # Errors
    /// A file that cannot be opened, is no database, or is of a newer version.
    pub async fn open(path: &Path, schema: Schema) -> Result<Database, DatabaseError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match schema.durability {
                Durability::Machine => SqliteSynchronous::Full,
                Durability::Process => SqliteSynchronous::Normal,
            })
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let pool = |n| {
            SqlitePoolOptions::new()
                .max_connections(n)
                .acquire_timeout(ACQUIRE)
                // On a full disk SQLite takes a transaction back by itself. sqlx's own ROLLBACK then fails, and
                // it believes to be in the transaction for ever: such a connection is not used again.
                .after_release(|connection, _| {
                    Box::pin(async move {
                        // Comes behind a ROLLBACK that is still on its way.
                        connection.ping().await?;
                        Ok(!connection.is_in_transaction())
                    })
                })
        };
        let database = Database {
            writer: pool(1).connect_with(options.clone()).await?,
            readers: pool(READERS).connect_lazy_with(options),
        };
        if let Err(error) = database.migrate(schema).await {
            database.close().await;
            return Err(error);
        }
        Ok(database)
    }

    async fn migrate(&self, schema: Schema) -> Result<(), DatabaseError> {
        const VERSION: &str = "PRAGMA user_version";
        let known = schema.steps.len() as i64;
        // Whoever only looks shall not wait for the lock of writers.
        let found: i64 = sqlx::query_scalar(VERSION).fetch_one(&self.readers).await?;
        if found == known {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        // Another process may have been faster.
        let found: i64 = sqlx::query_scalar(VERSION).fetch_one(&mut *tx).await?;
        let made = usize::try_from(found).ok().filter(|_| found <= known);
        let made = made.ok_or(DatabaseError::Version { found, known })?;
        for step in schema.steps.iter().skip(made) {
            sqlx::raw_sql(*step).execute(&mut *tx).await?;
        }
        // A pragma takes no bound value; this is a number of ours.
        let version = format!("PRAGMA user_version = {known}");
        sqlx::query(sqlx::AssertSqlSafe(version))
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// A transaction that writes; it takes the lock at once, so that it cannot fail half-way for a lock.
    ///
    /// # Errors
    /// [`DatabaseError::Busy`] when our own writers are too many; another process that holds the lock.
    pub async fn begin(&self) -> Result<Transaction<'static, Sqlite>, DatabaseError> {
        match self.writer.begin_with("BEGIN IMMEDIATE").await {
            Err(sqlx::Error::PoolTimedOut) => Err(DatabaseError::Busy),
            other => Ok(other?),
        }
    }

    /// For reading.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// The one connection that writes, for what is no transaction.
    pub fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// Waits for what is under way and closes the file. Afterwards every operation fails.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
