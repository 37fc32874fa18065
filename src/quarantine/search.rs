//! Search: which messages ([`Filter`]), in which order ([`Order`]), page by page ([`Cursor`]).
//!
//! A page goes on behind the last row of the one before, by the value that it was sorted by and the id: what
//! is stored, released or deleted meanwhile moves no other row to another page. Texts are compared by
//! `instr()`, which has no wildcards, so nothing that is looked for needs escaping.

use ipnet::IpNet;
use jiff::Timestamp;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::order::{Cursor, Key, Order, Sort};
use super::record::{Record, State};
use super::searched::{folded, ordered};
use super::{Quarantine, QuarantineError};
use crate::filter::Action;

/// Words of a subject that are looked for; more are left out.
const WORDS: usize = 16;
/// Most messages of one page.
pub const PAGE: u32 = 1_000;

/// Which messages; what is `None` does not restrict. Texts are looked for as parts of a field, without regard
/// to case.
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
    /// The domain of the sender or of one recipient, or one above it: `example.org` finds `mail.example.org`.
    pub domain: Option<String>,
    /// Words or parts of words, all of which stand in the subject; at most 16.
    pub subject: Option<String>,
    /// The network that the client's address is in.
    pub client: Option<IpNet>,
    /// Id of a rule that hit, whole.
    pub rule: Option<String>,
    /// Part of what decided: `score`, `hit FILTER RULE`, `failure FILTER REASON`, `nothing`.
    pub reason: Option<String>,
    /// What was decided.
    pub verdict: Option<Action>,
    /// The name of a policy that had a say, whole.
    pub policy: Option<String>,
    /// What has become of it.
    pub state: Option<State>,
    /// Bytes, at least.
    pub larger: Option<u64>,
    /// Bytes, at most.
    pub smaller: Option<u64>,
    /// At most so many; `None` for all.
    pub limit: Option<u32>,
    /// After leaving out so many.
    pub offset: u32,
}

impl Filter {
    /// Whether anything restricts; limit and offset do not count.
    pub fn restricts(&self) -> bool {
        let unrestricted = Filter {
            limit: self.limit,
            offset: self.offset,
            ..Filter::default()
        };
        *self != unrestricted
    }
}

/// Some of the messages that were found.
#[derive(Clone, Debug)]
pub struct Page {
    /// The messages, in order.
    pub records: Vec<Record>,
    /// Where the next page begins; `None` behind the last.
    pub next: Option<Cursor>,
}

impl Quarantine {
    /// Messages, the newest first, by the limit and offset of the filter. For people who look; a page that is
    /// to go on use [`Quarantine::search`].
    ///
    /// # Errors
    /// The index.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Record>, QuarantineError> {
        let mut query = rows(Sort::Received, filter);
        query
            .push(" ORDER BY received DESC, id DESC LIMIT ")
            .push_bind(filter.limit.map_or(-1, i64::from))
            .push(" OFFSET ")
            .push_bind(i64::from(filter.offset))
            .push(") JOIN entries ON message = id ORDER BY key DESC, id DESC");
        let rows = query.build().fetch_all(self.index.readers()).await?;
        rows.iter().map(|row| self.record(row)).collect()
    }

    /// A page of the messages that match, at most `limit` ([`PAGE`] at most), from where `after` ends. Limit
    /// and offset of the filter are not looked at.
    ///
    /// # Errors
    /// [`QuarantineError::Cursor`] for one that belongs to another order; the index.
    pub async fn search(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page, QuarantineError> {
        if after.is_some_and(|cursor| cursor.order != order) {
            return Err(QuarantineError::Cursor);
        }
        let limit = limit.clamp(1, PAGE);
        let expression = order.by.expression();
        let mut query = rows(order.by, filter);
        let (than, direction) = match order.descending {
            true => (" < (", "DESC"),
            false => (" > (", "ASC"),
        };
        if let Some(cursor) = after {
            query
                .push(" AND (")
                .push(expression)
                .push(", id)")
                .push(than);
            match &cursor.key {
                Key::Number(number) => query.push_bind(*number),
                Key::Text(text) => query.push_bind(text.clone()),
            };
            query.push(", ").push_bind(cursor.id.clone()).push(")");
        }
        query
            .push(" ORDER BY ")
            .push(expression)
            .push(format_args!(" {direction}, id {direction} LIMIT "))
            .push_bind(i64::from(limit) + 1)
            .push(format_args!(
                ") JOIN entries ON message = id ORDER BY key {direction}, id {direction}"
            ));
        let rows = query.build().fetch_all(self.index.readers()).await?;
        let wanted = limit as usize;
        let last = rows.get(wanted.saturating_sub(1));
        let next = match last.filter(|_| rows.len() > wanted) {
            None => None,
            Some(row) => Some(Cursor {
                order,
                key: match order.by.is_text() {
                    true => Key::Text(row.try_get("key")?),
                    false => Key::Number(row.try_get("key")?),
                },
                id: row.try_get("id")?,
            }),
        };
        let records = rows.iter().take(wanted).map(|row| self.record(row));
        Ok(Page {
            records: records.collect::<Result<_, _>>()?,
            next,
        })
    }

    /// How many messages match.
    ///
    /// # Errors
    /// The index.
    pub async fn matching(&self, filter: &Filter) -> Result<u64, QuarantineError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT count(*) FROM messages WHERE 1 = 1");
        restrict(&mut query, filter);
        let found: i64 = query
            .build_query_scalar()
            .fetch_one(self.index.readers())
            .await?;
        Ok(found.unsigned_abs())
    }

    /// The ids of all messages that match, the newest first, if there are no more than `most`: what is done to
    /// them is done to those that somebody has counted before.
    ///
    /// # Errors
    /// [`QuarantineError::TooMany`]; the index.
    pub async fn choose(&self, filter: &Filter, most: u32) -> Result<Vec<String>, QuarantineError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT id FROM messages WHERE 1 = 1");
        restrict(&mut query, filter);
        query
            .push(" ORDER BY received DESC, id DESC LIMIT ")
            .push_bind(i64::from(most) + 1);
        let ids: Vec<String> = query
            .build_query_scalar()
            .fetch_all(self.index.readers())
            .await?;
        if ids.len() > most as usize {
            let found = self.matching(filter).await?;
            return Err(QuarantineError::TooMany { found, most });
        }
        Ok(ids)
    }
}

/// The beginning of a query for whole rows. What is long is fetched for the rows of a page only, so those are
/// chosen in a query inside, which the caller ends.
fn rows(by: Sort, filter: &Filter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT id, entry, state, seen, last_seen, released, elsewhere, key
         FROM (SELECT id, state, seen, last_seen, released, elsewhere, ",
    );
    query.push(by.expression());
    query.push(" AS key FROM messages WHERE 1 = 1");
    restrict(&mut query, filter);
    query
}

fn restrict(query: &mut QueryBuilder<Sqlite>, filter: &Filter) {
    let at = |t: Timestamp| t.as_millisecond();
    let bytes = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let conditions = [
        (" AND received >= ", filter.since.map(at)),
        (" AND received < ", filter.until.map(at)),
        (" AND size >= ", filter.larger.map(bytes)),
        (" AND size <= ", filter.smaller.map(bytes)),
    ];
    for (condition, value) in conditions {
        if let Some(value) = value {
            query.push(condition).push_bind(value);
        }
    }
    let mut part = |column: &str, text: &str| {
        query.push(format_args!(" AND instr({column}, "));
        query.push_bind(folded(text)).push(") > 0");
    };
    if let Some(sender) = &filter.sender {
        part("sender", sender);
    }
    for word in filter
        .subject
        .iter()
        .flat_map(|s| s.split_whitespace())
        .take(WORDS)
    {
        part("subject", word);
    }
    if let Some(reason) = &filter.reason {
        part("reason", reason);
    }
    if let Some(policy) = &filter.policy {
        part("policies", &format!(" {} ", policy.trim()));
    }
    let exact = [
        (" AND state = ", filter.state.map(State::name)),
        (" AND verdict = ", filter.verdict.map(Action::name)),
    ];
    for (condition, value) in exact {
        if let Some(value) = value {
            query.push(condition).push_bind(value);
        }
    }
    if let Some(network) = &filter.client {
        let (first, last) = (ordered(network.network()), ordered(network.broadcast()));
        query.push(" AND client BETWEEN ").push_bind(first.to_vec());
        query.push(" AND ").push_bind(last.to_vec());
    }
    if let Some(recipient) = &filter.recipient {
        query
            .push(" AND id IN (SELECT message FROM recipients WHERE instr(recipient, ")
            .push_bind(folded(recipient))
            .push(") > 0)");
    }
    if let Some(domain) = &filter.domain {
        let domain = folded(domain);
        query.push(" AND (");
        within(query, &domain);
        query.push(" OR id IN (SELECT message FROM recipients WHERE ");
        within(query, &domain);
        query.push("))");
    }
    if let Some(rule) = &filter.rule {
        query
            .push(" AND id IN (SELECT message FROM hits WHERE rule = ")
            .push_bind(rule.clone())
            .push(")");
    }
}

/// That the column `domain` is that domain or one below it.
fn within(query: &mut QueryBuilder<Sqlite>, domain: &str) {
    let below = format!(".{domain}");
    let length = i64::try_from(below.chars().count()).unwrap_or(i64::MAX);
    query.push("(domain = ").push_bind(domain.to_owned());
    query.push(" OR substr(domain, ").push_bind(-length);
    query.push(") = ").push_bind(below).push(")");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_chooses_restricts() {
        let limited = Filter {
            limit: Some(1),
            offset: 2,
            ..Filter::default()
        };
        assert!(!limited.restricts());
        let state = Some(State::Held);
        assert!(Filter { state, ..limited }.restricts());
    }
}
