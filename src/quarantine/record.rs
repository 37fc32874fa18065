//! Messages as the index knows them: [`Record`], and the search for them by [`Filter`].

use std::fmt;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::entry::checked_id;
use super::index::folded;
use super::{Entry, Quarantine, QuarantineError};

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It is held back.
    Held,
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
            State::Releasing => "releasing",
            State::Released => "released",
            State::Deleting => "deleting",
            State::Lost => "lost",
        }
    }

    fn parse(name: &str) -> Option<State> {
        [
            State::Held,
            State::Releasing,
            State::Released,
            State::Deleting,
            State::Lost,
        ]
        .into_iter()
        .find(|s| s.name() == name)
    }
}

impl fmt::Display for State {
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
}

/// Which messages to list; what is `None` does not restrict. Texts are looked for as parts of a field,
/// without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Received at or after.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
    /// Part of the sender's address.
    pub sender: Option<String>,
    /// Part of one recipient's address.
    pub recipient: Option<String>,
    /// Part of the subject.
    pub subject: Option<String>,
    /// Id of a rule that hit, whole.
    pub rule: Option<String>,
    /// What has become of it.
    pub state: Option<State>,
    /// At most so many; `None` for all.
    pub limit: Option<u32>,
    /// After leaving out so many.
    pub offset: u32,
}

impl Quarantine {
    /// Messages, the newest first.
    ///
    /// # Errors
    /// The index.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Record>, QuarantineError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT id, entry, state, seen, last_seen, released FROM messages WHERE 1 = 1",
        );
        if let Some(since) = filter.since {
            query
                .push(" AND received >= ")
                .push_bind(since.as_millisecond());
        }
        if let Some(until) = filter.until {
            query
                .push(" AND received < ")
                .push_bind(until.as_millisecond());
        }
        // instr() has no wildcards, so nothing of what is looked for needs escaping.
        if let Some(sender) = &filter.sender {
            query
                .push(" AND instr(sender, ")
                .push_bind(folded(sender))
                .push(") > 0");
        }
        if let Some(subject) = &filter.subject {
            query
                .push(" AND instr(subject, ")
                .push_bind(folded(subject))
                .push(") > 0");
        }
        if let Some(recipient) = &filter.recipient {
            query
                .push(" AND id IN (SELECT message FROM recipients WHERE instr(recipient, ")
                .push_bind(folded(recipient))
                .push(") > 0)");
        }
        if let Some(rule) = &filter.rule {
            query
                .push(" AND id IN (SELECT message FROM hits WHERE rule = ")
                .push_bind(rule.clone())
                .push(")");
        }
        if let Some(state) = filter.state {
            query.push(" AND state = ").push_bind(state.name());
        }
        query
            .push(" ORDER BY received DESC, id DESC LIMIT ")
            .push_bind(filter.limit.map_or(-1, i64::from))
            .push(" OFFSET ")
            .push_bind(i64::from(filter.offset));
        let rows = query.build().fetch_all(self.index.readers()).await?;
        rows.iter().map(record).collect()
    }

    /// One message, by its own id or by that of a retry of it.
    ///
    /// # Errors
    /// [`QuarantineError::NotFound`], [`QuarantineError::Id`], or the index.
    pub async fn get(&self, id: &str) -> Result<Record, QuarantineError> {
        checked_id(id)?;
        let id = self.index.resolve(id).await?;
        let row = sqlx::query(
            "SELECT id, entry, state, seen, last_seen, released FROM messages WHERE id = ?",
        )
        .bind(&id)
        .fetch_optional(self.index.readers())
        .await?
        .ok_or(QuarantineError::NotFound(id))?;
        record(&row)
    }
}

fn record(row: &SqliteRow) -> Result<Record, QuarantineError> {
    let instant = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
    let damaged = |why| QuarantineError::Damaged {
        id: row.try_get("id").unwrap_or_default(),
        why,
    };
    let entry: String = row.try_get("entry")?;
    let state: String = row.try_get("state")?;
    Ok(Record {
        entry: serde_json::from_str(&entry).map_err(|_| damaged("unreadable row of the index"))?,
        state: State::parse(&state).ok_or_else(|| damaged("unknown state in the index"))?,
        seen: row.try_get::<i64, _>("seen")?.unsigned_abs(),
        last_seen: instant(row.try_get("last_seen")?),
        released: row.try_get::<Option<i64>, _>("released")?.map(instant),
    })
}
