//! What can go wrong with accounts, by whose fault.

use std::io;
use std::path::PathBuf;

use crate::store::DatabaseError;

/// Why an operation on accounts failed. The texts may be shown to users.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The file cannot be created.
    #[error("cannot open {path}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// SQLite refused.
    #[error("the file of users: {0}")]
    Database(#[from] DatabaseError),
    /// The system gives no random bytes.
    #[error("the system gives no random numbers")]
    Random,
    /// Too many passwords are being worked on.
    #[error("too many sign-ins at one time: try again")]
    Busy,
    /// The name does not serve.
    #[error("{0}")]
    Name(String),
    /// The password does not serve.
    #[error("{0}")]
    Password(String),
    /// Another user has this name.
    #[error("there is a user of this name already")]
    Taken,
    /// There is none, or not any more.
    #[error("there is no such {0}")]
    Absent(&'static str),
    /// Nobody could administer afterwards.
    #[error("this is the last admin who can sign in")]
    LastAdmin,
    /// A bound is reached.
    #[error("there are {most} {what} already: remove some first")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: i64,
    },
    /// An admin keeps the user out.
    #[error("an admin of this console keeps you out")]
    KeptOut,
    /// A provider vouches for somebody whose name is that of another user.
    #[error("another user has your name here: ask an admin")]
    Foreign,
    /// A provider vouches for somebody whom nobody has added.
    #[error("you are no user of this console: ask an admin to add you")]
    Unknown,
    /// A one-time link that was used, replaced or has expired.
    #[error("this link was used already, or has expired")]
    Spent,
}

impl AccountError {
    /// Whether another word in the form would mend it, so that it is said beside the form.
    pub fn is_of_form(&self) -> bool {
        matches!(
            self,
            AccountError::Name(_) | AccountError::Password(_) | AccountError::Taken
        )
    }
}

impl From<sqlx::Error> for AccountError {
    fn from(error: sqlx::Error) -> AccountError {
        AccountError::Database(error.into())
    }
}
