//! What can go wrong with the quarantine, by whose fault.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::store::DatabaseError;

/// Why an operation on the quarantine failed. Texts may hold what an SMTP server said; that part is
/// escaped already.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuarantineError {
    /// The file system refused: disk full, no permission, damaged medium.
    #[error("cannot {what} {path}: {error}", path = path.display())]
    File {
        /// What was tried, a verb.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The index refused.
    #[error("quarantine index: {0}")]
    Index(#[from] sqlx::Error),
    /// The index was written by a newer mailweir.
    #[error(
        "quarantine index has version {found}, this mailweir knows versions up to {known}: use the newer mailweir again"
    )]
    Version {
        /// Version of the file.
        found: i64,
        /// Newest known version.
        known: i64,
    },
    /// The folder is not safe to use.
    #[error("quarantine folder {path} is not safe: {why}", path = path.display())]
    Unsafe {
        /// The folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Another process has the quarantine open for storing.
    #[error(
        "quarantine folder {path} is in use by another mailweir daemon", path = path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// There is no quarantine in that folder.
    #[error(
        "there is no quarantine in {path}: the daemon creates it when it starts", path = path.display()
    )]
    Absent {
        /// The folder.
        path: PathBuf,
    },
    /// The options do not make sense.
    #[error("quarantine options: {0}")]
    Options(String),
    /// Not an id of a message.
    #[error("not a message id: {0:?}")]
    Id(String),
    /// This handle was not opened for storing.
    #[error("the quarantine is open for reading and releasing only")]
    ReadOnly,
    /// Another message is stored under that id.
    #[error("another message is stored under id {0}")]
    Conflict(String),
    /// Nothing is stored under that id.
    #[error("no message {0} in the quarantine")]
    NotFound(String),
    /// The index knows the message, but its file is gone.
    #[error("message {0} is lost: its file is missing")]
    Lost(String),
    /// The file of a message is not what was written.
    #[error("the file of message {id} is damaged: {why}")]
    Damaged {
        /// The message.
        id: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The message was released before.
    #[error("message {id} was released at {when}; release it again only on purpose")]
    Released {
        /// The message.
        id: String,
        /// When.
        when: Timestamp,
    },
    /// An address that cannot be sent in SMTP.
    #[error("cannot be sent to or from {address:?}: {why}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The message was not handed over; nothing was delivered.
    #[error("not released: {0}")]
    NotSent(String),
    /// The connection broke after the message was sent and before the answer: it may have been taken.
    #[error(
        "the answer of the mail server did not come, so it may or may not have taken the message: {0}"
    )]
    Unsure(String),
    /// The message is on its way out by another release.
    #[error("message {0} is being released at this moment")]
    InProgress(String),
    /// More messages match than may be worked on at one time.
    #[error("{found} messages match, and no more than {most} are worked on at one time")]
    TooMany {
        /// How many match.
        found: u64,
        /// How many were allowed.
        most: u32,
    },
    /// Text that is no cursor, or one of another order.
    #[error("this page cannot be continued: the cursor is not of this search")]
    Cursor,
    /// Something that must be configured first.
    #[error("{0}")]
    Unconfigured(&'static str),
    /// The bytes of a message are in the object store, and cannot be had now. What a server said is escaped already.
    #[error("the object store cannot be used now: {0}")]
    Objects(String),
    /// So many bytes wait for the object store that no more are taken.
    #[error("more bytes than quarantine.objects.waiting allows wait for the object store")]
    Full,
    /// A task of our own broke.
    #[error("quarantine task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// Too many operations at once; the wait for a turn took too long.
    #[error("the quarantine is too busy")]
    Busy,
}

impl From<DatabaseError> for QuarantineError {
    fn from(error: DatabaseError) -> QuarantineError {
        match error {
            DatabaseError::Sql(error) => QuarantineError::Index(error),
            DatabaseError::Version { found, known } => QuarantineError::Version { found, known },
            DatabaseError::Busy => QuarantineError::Busy,
        }
    }
}

impl QuarantineError {
    /// For `map_err` on file operations.
    pub(super) fn file<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> QuarantineError + 'a {
        move |error| QuarantineError::File {
            what,
            path: path.to_path_buf(),
            error,
        }
    }
}

/// An error with its causes, so many characters of it. What a server said is in there, and is not to be trusted with a terminal.
pub(super) fn words(error: &dyn std::error::Error, most: usize) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    let short: String = text.chars().take(most).collect();
    short.escape_debug().to_string()
}
