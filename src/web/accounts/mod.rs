//! Who may use the console and the HTTP API: users, sessions, one-time links, API tokens, and the record of what
//! they changed.
//!
//! In: names, passwords and secrets that somebody presents. Out: who that is and what they may do. One SQLite file,
//! [`FILE`] in the data folder, which the daemon and `mailweir user` use side by side. Promises:
//!
//! - Of passwords only an argon2id hash is kept, of other secrets only a digest: who reads the file can use none.
//! - There is no default user and no default password.
//! - Whatever changes a user, a session list or a token writes its line of the audit log in the same transaction.
//! - The last admin who can sign in cannot be removed, disabled or demoted by hand.
//! - A user has a password here or belongs to a provider, never both: nobody comes in as them in a way that they or an
//!   admin did not choose.
//! - What a token makes ends with it: a token that was stolen leaves no other behind when it is taken out of use.
//! - Users, tokens, sessions of a user and lines of the audit log are bounded.

mod audit;
mod error;
mod invitation;
mod name;
mod password;
mod role;
mod secret;
mod session;
mod token;
mod user;
mod vouched;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub use audit::{Actor, AuditLine};
pub use error::AccountError;
pub use invitation::Invitation;
pub use password::Password;
pub use role::Role;
pub use secret::Secret;
pub(in crate::web) use secret::same;
pub(in crate::web) use session::Lifetime;
pub use session::Session;
pub(in crate::web) use token::Bearer;
pub use token::{NewToken, Token};
pub use user::User;
pub(in crate::web) use vouched::Vouched;

use crate::clock::seconds as now;
use crate::store::{Database, Durability, Schema};

/// The file, in the data folder.
pub const FILE: &str = "console.sqlite";

const SCHEMA: Schema = Schema {
    steps: &[
        r"
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role TEXT NOT NULL,
    password TEXT,
    disabled INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    seen INTEGER
) STRICT;
CREATE TABLE sessions (
    digest BLOB PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    created INTEGER NOT NULL,
    seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user);
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    role TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    seen INTEGER
) STRICT;
CREATE INDEX tokens_user ON tokens (user);
CREATE TABLE invitations (
    digest BLOB PRIMARY KEY,
    user INTEGER UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
",
        r"
ALTER TABLE users ADD COLUMN issuer TEXT;
ALTER TABLE users ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX users_subject ON users (issuer, subject);
",
        r"
ALTER TABLE tokens ADD COLUMN maker INTEGER REFERENCES tokens (id) ON DELETE CASCADE;
CREATE INDEX tokens_maker ON tokens (maker);
",
    ],
    durability: Durability::Machine,
};

/// The accounts; clones share the file.
#[derive(Clone, Debug)]
pub struct Accounts {
    database: Database,
}

impl Accounts {
    /// Opens the file in `data_dir`, which must exist, and creates it where it is missing, readable for its owner
    /// only.
    ///
    /// # Errors
    /// A file that cannot be created or opened, or that a newer mailweir has written.
    pub async fn open(data_dir: &Path) -> Result<Accounts, AccountError> {
        let path = Accounts::path(data_dir);
        let created = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path);
        created.map_err(|error| AccountError::File {
            path: path.clone(),
            error,
        })?;
        let database = Database::open(&path, SCHEMA).await?;
        Ok(Accounts { database })
    }

    /// Where the file lies.
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join(FILE)
    }

    /// Waits for what is under way and closes the file.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vouched_tests;
