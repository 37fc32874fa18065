//! Messages as the index knows them: [`Record`], where their bytes lie: [`Location`], and what has become of each
//! recipient's copy: [`Delivery`].

use std::fmt;

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::entry::checked_id;
use super::{Entry, Quarantine, QuarantineError};

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It is held back.
    Held,
    /// It was handed over for some of its recipients and is held back for the others.
    Partly,
    /// A release was begun and its end is not known.
    Releasing,
    /// It was handed over to the mail server; the copy stays until the retention ends.
    Released,
    /// Its removal was begun.
    Deleting,
    /// Its file is missing.
    Lost,
}

impl State {
    /// The word used in the index, on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::Held => "held",
            State::Partly => "partly",
            State::Releasing => "releasing",
            State::Released => "released",
            State::Deleting => "deleting",
            State::Lost => "lost",
        }
    }

    /// Every state.
    pub const ALL: [State; 6] = [
        State::Held,
        State::Partly,
        State::Releasing,
        State::Released,
        State::Deleting,
        State::Lost,
    ];

    /// The state of that name.
    pub fn parse(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|s| s.name() == name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the bytes of a message lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Location {
    /// In the folder, to stay there.
    Folder,
    /// In the folder, until they are moved to the object store; while they are, in both.
    Waiting,
    /// In the object store.
    Objects,
}

impl Location {
    /// Of bytes that are, or are not, in the object store, where messages are, or are not, moved into one.
    pub(super) fn of(elsewhere: bool, fills: bool) -> Location {
        match (elsewhere, fills) {
            (true, _) => Location::Objects,
            (false, true) => Location::Waiting,
            (false, false) => Location::Folder,
        }
    }

    /// The word used in commands, pages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Location::Folder => "folder",
            Location::Waiting => "waiting",
            Location::Objects => "objects",
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A message in the quarantine, without its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What was known when it was stored. From outside: escape whatever is shown of it.
    pub entry: Entry,
    /// What has become of it.
    pub state: State,
    /// How often it was received.
    pub seen: u64,
    /// When it was received last.
    pub last_seen: Timestamp,
    /// When it was released last.
    pub released: Option<Timestamp>,
    /// Where its bytes lie, as far as the index knows; `None` where they are lost.
    pub location: Option<Location>,
}

/// What has become of the copy of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The address in lower case, without brackets. From outside.
    pub recipient: String,
    /// Held, releasing or released.
    pub state: State,
    /// When it was released last.
    pub released: Option<Timestamp>,
    /// Somebody who was given a copy and is no recipient of the message.
    pub other: bool,
}

impl Quarantine {
    /// What has become of a message, recipient by recipient; its own first.
    ///
    /// # Errors
    /// As [`Quarantine::get`].
    pub async fn deliveries(&self, id: &str) -> Result<Vec<Delivery>, QuarantineError> {
        checked_id(id)?;
        let id = self.index.resolve(id).await?;
        let rows: Vec<(String, String, Option<i64>, bool)> = sqlx::query_as(
            "SELECT recipient, state, released, other FROM recipients WHERE message = ?
             ORDER BY other, recipient",
        )
        .bind(&id)
        .fetch_all(self.index.readers())
        .await?;
        let delivery = |(recipient, state, released, other): (String, String, _, _)| Delivery {
            recipient,
            state: State::parse(&state).unwrap_or(State::Held),
            released: Option::map(released, instant),
            other,
        };
        Ok(rows.into_iter().map(delivery).collect())
    }

    /// One message, by its own id or by that of a retry of it.
    ///
    /// # Errors
    /// [`QuarantineError::NotFound`], [`QuarantineError::Id`], or the index.
    pub async fn get(&self, id: &str) -> Result<Record, QuarantineError> {
        checked_id(id)?;
        let id = self.index.resolve(id).await?;
        let row = sqlx::query(
            "SELECT id, entry, state, seen, last_seen, released, elsewhere
             FROM messages JOIN entries ON message = id WHERE id = ?",
        )
        .bind(&id)
        .fetch_optional(self.index.readers())
        .await?
        .ok_or(QuarantineError::NotFound(id))?;
        self.record(&row)
    }

    /// Reads a row with the columns `id, entry, state, seen, last_seen, released, elsewhere`.
    pub(super) fn record(&self, row: &SqliteRow) -> Result<Record, QuarantineError> {
        let damaged = |why| QuarantineError::Damaged {
            id: row.try_get("id").unwrap_or_default(),
            why,
        };
        let entry: String = row.try_get("entry")?;
        let state: String = row.try_get("state")?;
        let state = State::parse(&state).ok_or_else(|| damaged("unknown state in the index"))?;
        let location = Location::of(row.try_get("elsewhere")?, self.options().objects.fills());
        Ok(Record {
            entry: serde_json::from_str(&entry)
                .map_err(|_| damaged("unreadable row of the index"))?,
            state,
            seen: row.try_get::<i64, _>("seen")?.unsigned_abs(),
            last_seen: instant(row.try_get("last_seen")?),
            released: row.try_get::<Option<i64>, _>("released")?.map(instant),
            location: (state != State::Lost).then_some(location),
        })
    }
}

/// Milliseconds of the index as a point in time.
pub(super) fn instant(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}
