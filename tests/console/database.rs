//! Statements in a database of SQLite.

use std::path::Path;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

/// Runs these statements; a file that is not there is made.
pub(super) fn run(file: &Path, statements: &str) {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut database = SqliteConnection::connect_with(&options).await.unwrap();
        let statements = sqlx::AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements)
            .execute(&mut database)
            .await
            .unwrap();
        database.close().await.unwrap();
    });
}
