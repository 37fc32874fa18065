//! Searching the file of the history: pages, newest first.
//!
//! Candidates are unsealed messages, those that have the terms or, where nobody knows which these are, all, and what the index finds segment by segment, the newest first; each is read and held
//! against what is looked for. So a page of what is frequent takes a look at one segment, and what is rare one at a
//! page or two of each.

use std::collections::{BTreeSet, BinaryHeap, HashMap};

use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::index::{listed, slice_number};
use super::query::{Cursor, PAGE, Page, Search};
use super::segment::{self, SLICES, Slices};
use super::table::{Table, number_at, read};
use super::wanted::Wanted;
use super::{Entry, HistoryError};
use crate::store::DatabaseError;

/// Slices that are read at one time: about a megabyte.
const AT_ONCE: usize = 256;
/// Candidates that are read at one time, at least.
const FEWEST: usize = 20;

/// Numbers from one (included) to another (not included).
#[derive(Clone, Copy, Debug)]
struct Span {
    from: i64,
    to: i64,
}

impl Span {
    fn has(self, number: i64) -> bool {
        (self.from..self.to).contains(&number)
    }
}

/// A segment, and its highest number.
type Segment = (i64, i64);

impl Table {
    /// One page of what is looked for. `waiting`: the unsealed messages that may have the terms, where they are known.
    pub(super) async fn search(
        &self,
        search: &Search,
        waiting: Option<Vec<i64>>,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, HistoryError> {
        let limit = limit.clamp(1, PAGE);
        let end = search.to.map(number_at);
        let end = [end, before.map(|b| b.0)].into_iter().flatten().min();
        let span = Span {
            from: search.from.map_or(i64::MIN, number_at),
            to: end.unwrap_or(i64::MAX),
        };
        // What is sealed meanwhile is seen once.
        let mut tx = self.database.readers().begin().await.map_err(database)?;
        let mut found = Found {
            search,
            most: limit + 1,
            entries: Vec::new(),
        };
        match (&search.id, &search.terms) {
            (Some(id), _) => found.by_id(&mut tx, id, span).await?,
            (None, None) => found.newest(&mut tx, span).await?,
            (None, Some(wanted)) => {
                let unsealed = match waiting {
                    Some(known) => known,
                    None => unsealed(&mut tx, span).await?,
                };
                found.by_terms(&mut tx, wanted, unsealed, span).await?;
            }
        }
        Ok(paged(found.entries, limit))
    }
}

/// What was found so far.
struct Found<'a> {
    search: &'a Search,
    most: usize,
    entries: Vec<(Cursor, Entry)>,
}

impl Found<'_> {
    fn is_full(&self) -> bool {
        self.entries.len() >= self.most
    }

    fn take(&mut self, rows: Vec<(i64, String)>) -> Result<(), HistoryError> {
        for (number, json) in rows {
            if self.is_full() {
                break;
            }
            let entry = read(&json)?;
            if self.search.holds(&entry) {
                self.entries.push((Cursor(number), entry));
            }
        }
        Ok(())
    }

    async fn by_id(
        &mut self,
        connection: &mut SqliteConnection,
        id: &str,
        span: Span,
    ) -> Result<(), HistoryError> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("SELECT number, entry FROM messages WHERE id = ?")
                .bind(id)
                .fetch_all(connection)
                .await
                .map_err(database)?;
        let rows = rows.into_iter().filter(|(number, _)| span.has(*number));
        self.take(rows.collect())
    }

    /// All messages.
    async fn newest(
        &mut self,
        connection: &mut SqliteConnection,
        span: Span,
    ) -> Result<(), HistoryError> {
        let rows = sqlx::query_as(
            "SELECT number, entry FROM messages WHERE number >= ? AND number < ? ORDER BY number DESC LIMIT ?",
        )
        .bind(span.from)
        .bind(span.to)
        .bind(self.most as i64)
        .fetch_all(connection)
        .await
        .map_err(database)?;
        self.take(rows)
    }

    /// Messages that have terms.
    async fn by_terms(
        &mut self,
        tx: &mut Transaction<'_, Sqlite>,
        wanted: &Wanted,
        unsealed: Vec<i64>,
        span: Span,
    ) -> Result<(), HistoryError> {
        let in_span = unsealed.into_iter().filter(|number| span.has(*number));
        let mut candidates: BinaryHeap<i64> = in_span.collect();
        let segments: Vec<Segment> = sqlx::query_as(
            "SELECT number, last FROM segments WHERE last >= ? AND first < ? ORDER BY last DESC",
        )
        .bind(span.from)
        .bind(span.to)
        .fetch_all(&mut **tx)
        .await
        .map_err(database)?;
        let slices = wanted.slices();
        let most = (AT_ONCE / slices.len().max(1)).max(1);
        let mut at_once = 1;
        let mut rest = segments.as_slice();
        loop {
            // What is older than the newest of a segment to come waits for it.
            let newest = rest.first().map(|(_, last)| *last);
            self.look_at(tx, &mut candidates, newest).await?;
            if self.is_full() || rest.is_empty() {
                return Ok(());
            }
            let (some, others) = rest.split_at(at_once.min(rest.len()));
            let having = having(tx, wanted, &slices, some).await?;
            candidates.extend(having.into_iter().filter(|number| span.has(*number)));
            rest = others;
            at_once = (4 * at_once).min(most);
        }
    }

    /// Reads candidates, the newest first, those that are newer than `newest` only.
    async fn look_at(
        &mut self,
        connection: &mut SqliteConnection,
        candidates: &mut BinaryHeap<i64>,
        newest: Option<i64>,
    ) -> Result<(), HistoryError> {
        while !self.is_full() {
            let mut numbers = Vec::new();
            let some = (self.most - self.entries.len()).max(FEWEST);
            while numbers.len() < some
                && let Some(number) = candidates.peek()
                && newest.is_none_or(|newest| *number > newest)
            {
                numbers.push(*number);
                while candidates.peek() == numbers.last() {
                    candidates.pop();
                }
            }
            if numbers.is_empty() {
                return Ok(());
            }
            // What the index has and the table has not was removed.
            let rows = sqlx::query_as(
                "SELECT number, entry FROM messages WHERE number IN (SELECT value FROM json_each(?))
                 ORDER BY number DESC",
            )
            .bind(listed(&numbers))
            .fetch_all(&mut *connection)
            .await
            .map_err(database)?;
            self.take(rows)?;
        }
        Ok(())
    }
}

/// The numbers of all unsealed messages.
async fn unsealed(connection: &mut SqliteConnection, span: Span) -> Result<Vec<i64>, HistoryError> {
    sqlx::query_scalar("SELECT number FROM unsealed WHERE number >= ? AND number < ?")
        .bind(span.from)
        .bind(span.to)
        .fetch_all(connection)
        .await
        .map_err(database)
}

/// The numbers of messages of some segments that have the terms.
async fn having(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
    slices: &BTreeSet<u8>,
    segments: &[Segment],
) -> Result<Vec<i64>, HistoryError> {
    let each = segments.iter();
    let each = each.flat_map(|(s, _)| slices.iter().map(|slice| slice_number(*s, *slice)));
    let each: Vec<i64> = each.collect();
    let terms: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT number, terms FROM slices WHERE number IN (SELECT value FROM json_each(?))",
    )
    .bind(listed(&each))
    .fetch_all(&mut *connection)
    .await
    .map_err(database)?;
    let mut of_segments: HashMap<i64, Slices<'_>> = HashMap::new();
    for (number, bytes) in &terms {
        let slice = number.rem_euclid(i64::from(SLICES)) as u8;
        let segment = number.div_euclid(i64::from(SLICES));
        of_segments.entry(segment).or_default().push(slice, bytes);
    }
    let rows = of_segments
        .into_iter()
        .map(|(segment, slices)| (segment, wanted.rows(&slices)));
    let rows: HashMap<_, _> = rows.filter(|(_, rows)| !rows.is_empty()).collect();
    let with_some: Vec<i64> = rows.keys().copied().collect();
    let messages: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT number, messages FROM segments WHERE number IN (SELECT value FROM json_each(?))",
    )
    .bind(listed(&with_some))
    .fetch_all(&mut *connection)
    .await
    .map_err(database)?;
    let mut found = Vec::new();
    for (segment, bytes) in messages {
        let numbers = segment::numbers(&bytes);
        let places = rows.get(&segment).into_iter().flat_map(|r| r.places());
        found.extend(places.filter_map(|place| numbers.get(place)));
    }
    Ok(found)
}

fn database(error: sqlx::Error) -> HistoryError {
    DatabaseError::from(error).into()
}

/// The page that begins with these.
fn paged(mut found: Vec<(Cursor, Entry)>, limit: usize) -> Page {
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|(cursor, _)| *cursor).filter(|_| more);
    Page {
        entries: found.into_iter().map(|(_, entry)| entry).collect(),
        next,
    }
}
