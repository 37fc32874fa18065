//! Counts by the hour, so that an overview need not look at each message: verdicts, rules, domains of senders.

use std::collections::HashMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};

use super::Entry;
use super::entry::instant;
use crate::filter::Action;
use crate::mail::Direction;
use crate::store::DatabaseError;

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;
/// Words of one kind that are kept of an hour that is over, those of most messages.
const KEPT: i64 = 200;
/// Words of one kind in an overview.
const SHOWN: i64 = 50;
/// Counts of one statement: a statement costs more than a row.
const ROWS: usize = 250;
/// Longest word, bytes.
const WORD_BYTES: usize = 120;

const VERDICT: &str = "verdict";
const RULE: &str = "rule";
const SENDER: &str = "sender";

/// How many messages, how many of them did not pass, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    messages: i64,
    stopped: i64,
    bytes: i64,
}

/// Counts of one batch.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies(HashMap<(&'static str, i64, String), Count>);

impl Tallies {
    /// Counts a message.
    pub(super) fn add(&mut self, entry: &Entry) {
        let hour = entry.at.as_millisecond().div_euclid(HOUR);
        let count = Count {
            messages: 1,
            stopped: i64::from(entry.is_stopped()),
            bytes: i64::try_from(entry.size).unwrap_or(i64::MAX),
        };
        let verdict = format!("{} {}", entry.direction.name(), entry.verdict.name());
        self.count((VERDICT, hour, verdict), count);
        let mut rules: Vec<&str> = entry.hits().map(|(_, hit)| &*hit.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        for rule in rules {
            self.count((RULE, hour, cut(rule)), count);
        }
        if entry.direction == Direction::Inbound {
            let domain = entry.sender.as_deref().and_then(|s| s.rsplit_once('@'));
            let domain =
                domain.map_or_else(|| "<>".to_owned(), |(_, domain)| domain.to_lowercase());
            self.count((SENDER, hour, cut(&domain)), count);
        }
    }

    fn count(&mut self, key: (&'static str, i64, String), more: Count) {
        let count = self.0.entry(key).or_default();
        count.messages += more.messages;
        count.stopped += more.stopped;
        count.bytes = count.bytes.saturating_add(more.bytes);
    }

    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), DatabaseError> {
        let all: Vec<_> = self.0.iter().collect();
        for rows in all.chunks(ROWS) {
            let full = rows.len() == ROWS;
            let statement = match full {
                true => statement().clone(),
                false => written_for(rows.len()),
            };
            let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(full);
            for ((what, hour, word), count) in rows {
                query = query
                    .bind(what)
                    .bind(hour)
                    .bind(word)
                    .bind(count.messages)
                    .bind(count.stopped)
                    .bind(count.bytes);
            }
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// The statement that adds [`ROWS`] counts, which is kept prepared.
fn statement() -> &'static String {
    static FULL: OnceLock<String> = OnceLock::new();
    FULL.get_or_init(|| written_for(ROWS))
}

fn written_for(rows: usize) -> String {
    let places = vec!["(?, ?, ?, ?, ?, ?)"; rows].join(", ");
    format!(
        "INSERT INTO tallies (what, hour, word, messages, stopped, bytes) VALUES {places}
         ON CONFLICT (what, hour, word) DO UPDATE SET messages = tallies.messages + excluded.messages,
         stopped = tallies.stopped + excluded.stopped, bytes = tallies.bytes + excluded.bytes"
    )
}

fn cut(word: &str) -> String {
    let end = word.floor_char_boundary(WORD_BYTES);
    word.get(..end).unwrap_or_default().to_owned()
}

/// What happened in some time. It is counted by whole hours: that of `from` counts, that of `to` does not, unless it has
/// begun.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overview {
    /// The beginning of the first hour.
    #[serde(with = "instant")]
    pub from: Timestamp,
    /// The end of the last.
    #[serde(with = "instant")]
    pub to: Timestamp,
    /// Verdicts by hour, oldest first; hours without any are left out.
    pub hours: Vec<Hour>,
    /// Verdicts in all.
    pub verdicts: Vec<VerdictCount>,
    /// The rules of most messages, the first 50.
    pub rules: Vec<WordCount>,
    /// The domains of most senders of inbound mail, the first 50; `<>` for the null sender. From envelopes: to be escaped
    /// where they are shown. Of hours that are over only the 200 of most messages are known.
    pub senders: Vec<WordCount>,
}

/// One hour.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hour {
    /// Its beginning.
    #[serde(with = "instant")]
    pub at: Timestamp,
    /// Its verdicts.
    pub verdicts: Vec<VerdictCount>,
}

/// How many messages had a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictCount {
    /// Which way they went.
    pub direction: Direction,
    /// The verdict.
    pub verdict: Action,
    /// How many.
    pub messages: u64,
    /// Their sizes, bytes.
    pub bytes: u64,
}

/// How many messages had something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WordCount {
    /// What they had.
    pub word: String,
    /// How many.
    pub messages: u64,
    /// How many of them did not pass.
    pub stopped: u64,
}

/// Reads an overview.
pub(super) async fn overview(
    pool: &SqlitePool,
    from: Timestamp,
    to: Timestamp,
) -> Result<Overview, DatabaseError> {
    let first = from.as_millisecond().div_euclid(HOUR);
    let last = (to.as_millisecond() - 1).div_euclid(HOUR).max(first);
    let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(
        "SELECT hour, word, messages, bytes FROM tallies
         WHERE what = ? AND hour BETWEEN ? AND ? ORDER BY hour, word",
    )
    .bind(VERDICT)
    .bind(first)
    .bind(last)
    .fetch_all(pool)
    .await?;
    let mut hours: Vec<Hour> = Vec::new();
    let mut all: Vec<VerdictCount> = Vec::new();
    for (hour, word, messages, bytes) in rows {
        let Some((direction, verdict)) = verdict(&word) else {
            continue;
        };
        let count = VerdictCount {
            direction,
            verdict,
            messages: messages.unsigned_abs(),
            bytes: bytes.unsigned_abs(),
        };
        let same = |c: &&mut VerdictCount| c.direction == direction && c.verdict == verdict;
        match all.iter_mut().find(same) {
            Some(known) => {
                known.messages += count.messages;
                known.bytes += count.bytes;
            }
            None => all.push(count.clone()),
        }
        let at = start_of(hour);
        match hours.last_mut().filter(|h| h.at == at) {
            Some(known) => known.verdicts.push(count),
            None => hours.push(Hour {
                at,
                verdicts: vec![count],
            }),
        }
    }
    all.sort_by_key(|c| (c.direction != Direction::Inbound, c.verdict));
    Ok(Overview {
        from: start_of(first),
        to: start_of(last + 1),
        hours,
        verdicts: all,
        rules: most(pool, RULE, first, last).await?,
        senders: most(pool, SENDER, first, last).await?,
    })
}

async fn most(
    pool: &SqlitePool,
    what: &str,
    first: i64,
    last: i64,
) -> Result<Vec<WordCount>, DatabaseError> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT word, sum(messages) AS messages, sum(stopped) FROM tallies
         WHERE what = ? AND hour BETWEEN ? AND ? GROUP BY word ORDER BY messages DESC, word LIMIT ?",
    )
    .bind(what)
    .bind(first)
    .bind(last)
    .bind(SHOWN)
    .fetch_all(pool)
    .await?;
    let count = |(word, messages, stopped): (String, i64, i64)| WordCount {
        word,
        messages: messages.unsigned_abs(),
        stopped: stopped.unsigned_abs(),
    };
    Ok(rows.into_iter().map(count).collect())
}

fn verdict(word: &str) -> Option<(Direction, Action)> {
    let (direction, verdict) = word.split_once(' ')?;
    let direction = Direction::ALL.into_iter().find(|d| d.name() == direction)?;
    let verdict = Action::ALL.into_iter().find(|a| a.name() == verdict)?;
    Some((direction, verdict))
}

fn start_of(hour: i64) -> Timestamp {
    Timestamp::from_millisecond(hour.saturating_mul(HOUR)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Removes tallies of hours before `oldest`, and of the last days the domains of few messages. Times are milliseconds.
pub(super) async fn trim(
    connection: &mut SqliteConnection,
    oldest: i64,
    now: i64,
) -> Result<(), DatabaseError> {
    sqlx::query("DELETE FROM tallies WHERE what IN (?, ?, ?) AND hour < ?")
        .bind(VERDICT)
        .bind(RULE)
        .bind(SENDER)
        .bind(oldest.div_euclid(HOUR))
        .execute(&mut *connection)
        .await?;
    let current = now.div_euclid(HOUR);
    let crowded: Vec<i64> = sqlx::query_scalar(
        "SELECT hour FROM tallies WHERE what = ? AND hour BETWEEN ? AND ? GROUP BY hour HAVING count(*) > ?",
    )
    .bind(SENDER)
    .bind(current - 48)
    .bind(current - 1)
    .bind(KEPT)
    .fetch_all(&mut *connection)
    .await?;
    for hour in crowded {
        sqlx::query(
            "DELETE FROM tallies WHERE what = ? AND hour = ? AND word NOT IN (
                 SELECT word FROM tallies WHERE what = ? AND hour = ? ORDER BY messages DESC, word LIMIT ?)",
        )
        .bind(SENDER)
        .bind(hour)
        .bind(SENDER)
        .bind(hour)
        .bind(KEPT)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
