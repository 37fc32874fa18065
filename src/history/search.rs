//! Searching the file of the history: pages, newest first, by the index of terms.

use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::query::{Cursor, PAGE, Page, Search};
use super::table::{Table, number_at, read};
use super::{Entry, HistoryError};
use crate::store::DatabaseError;

/// Messages that are looked at one by one for what words of their subjects begin with.
const NEWEST: usize = 4 * PAGE;

impl Table {
    /// One page of what is looked for.
    pub(super) async fn search(
        &self,
        search: &Search,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, HistoryError> {
        let limit = limit.clamp(1, PAGE);
        if search.beginnings.is_empty() {
            return self.page(search, before, limit).await;
        }
        // For a beginning the index gathers all messages with such words before it gives the first. Where they are many,
        // a page of them is found sooner by looking at the newest messages.
        match self.page_of_newest(search, before, limit).await? {
            Some(page) => Ok(page),
            None => self.page(&search.by_index(), before, limit).await,
        }
    }

    /// A page, by looking at the subjects of messages for which all else holds; `None` where too few of the newest fit.
    async fn page_of_newest(
        &self,
        search: &Search,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Option<Page>, HistoryError> {
        let mut found: Vec<(Cursor, Entry)> = Vec::new();
        let mut next = before;
        for _ in 0..NEWEST / PAGE {
            let page = self.matching(search, next, PAGE).await?;
            let last = page.len() < PAGE;
            next = page.last().map(|(cursor, _)| *cursor);
            found.extend(page.into_iter().filter(|(_, entry)| search.fits(entry)));
            if last || found.len() > limit {
                return Ok(Some(paged(found, limit)));
            }
        }
        Ok(None)
    }

    async fn page(
        &self,
        search: &Search,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, HistoryError> {
        Ok(paged(
            self.matching(search, before, limit + 1).await?,
            limit,
        ))
    }

    /// Messages for which all holds but the beginnings of words, the newest first.
    async fn matching(
        &self,
        search: &Search,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<(Cursor, Entry)>, HistoryError> {
        let mut statement: QueryBuilder<Sqlite> = QueryBuilder::new("");
        statement.push("SELECT m.number, m.entry FROM ");
        // The order of the tables is ours to say: the index first, but for one message.
        let number = match (&search.terms, &search.id) {
            (Some(_), None) => {
                statement.push("terms CROSS JOIN messages AS m ON m.number = terms.rowid");
                "terms.rowid"
            }
            (Some(_), Some(_)) => {
                statement.push("messages AS m CROSS JOIN terms ON terms.rowid = m.number");
                "m.number"
            }
            (None, _) => {
                statement.push("messages AS m");
                "m.number"
            }
        };
        statement.push(" WHERE TRUE");
        if let Some(terms) = &search.terms {
            statement.push(" AND terms MATCH ");
            statement.push_bind(terms);
        }
        let end = search.to.map(number_at);
        let end = [end, before.map(|b| b.0)].into_iter().flatten().min();
        let bounds = [("<", end), (">=", search.from.map(number_at))];
        for (than, bound) in bounds {
            if let Some(bound) = bound {
                statement.push(format!(" AND {number} {than} "));
                statement.push_bind(bound);
            }
        }
        if let Some((first, last)) = &search.clients {
            statement.push(" AND m.client >= ");
            statement.push_bind(first);
            statement.push(" AND m.client <= ");
            statement.push_bind(last);
        }
        if let Some(id) = &search.id {
            statement.push(" AND m.id = ");
            statement.push_bind(id);
        }
        statement.push(format!(" ORDER BY {number} DESC LIMIT "));
        statement.push_bind(limit as i64);
        let rows = statement
            .build()
            .fetch_all(self.database.readers())
            .await
            .map_err(DatabaseError::from)?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let number = row.try_get(0).map_err(DatabaseError::from)?;
            let json: &str = row.try_get(1).map_err(DatabaseError::from)?;
            found.push((Cursor(number), read(json)?));
        }
        Ok(found)
    }
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
