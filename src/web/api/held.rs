//! The quarantine: search, one message, its bytes.

use axum::extract::{Path, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::super::Visitor;
use super::super::console::Shared;
use super::super::refusal::Refusal;
use super::answer::{Json, Page, Problem, query};
use super::messages::{instant, limit};
use crate::filter::Action;
use crate::quarantine::{Delivery, Filter, Location, Order, PAGE, Record, Sort, State as Fate};

/// What is looked for. Names are those of `mailweir quarantine list`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    sender: Option<String>,
    recipient: Option<String>,
    domain: Option<String>,
    subject: Option<String>,
    client: Option<ipnet::IpNet>,
    rule: Option<String>,
    reason: Option<String>,
    verdict: Option<Action>,
    policy: Option<String>,
    state: Option<String>,
    larger: Option<u64>,
    smaller: Option<u64>,
    since: Option<String>,
    until: Option<String>,
    sort: Option<String>,
    ascending: bool,
    cursor: Option<String>,
    limit: Option<usize>,
}

impl Asked {
    fn filter(&self) -> Result<Filter, Problem> {
        let unknown = || Problem::invalid(&"there is no state of that name");
        let state = self.state.as_deref();
        let state = state.map(|name| Fate::parse(name).ok_or_else(unknown));
        Ok(Filter {
            since: instant(self.since.as_deref())?,
            until: instant(self.until.as_deref())?,
            sender: self.sender.clone(),
            recipient: self.recipient.clone(),
            domain: self.domain.clone(),
            subject: self.subject.clone(),
            client: self.client,
            rule: self.rule.clone(),
            reason: self.reason.clone(),
            verdict: self.verdict,
            policy: self.policy.clone(),
            state: state.transpose()?,
            larger: self.larger,
            smaller: self.smaller,
            ..Filter::default()
        })
    }
}

/// The filter of a search that all messages are wanted of.
pub(super) fn all_of(raw: Option<&str>) -> Result<Filter, Problem> {
    let asked: Asked = query(raw)?;
    let of_pages = asked.limit.is_some() || asked.cursor.is_some() || asked.sort.is_some();
    if of_pages || asked.ascending {
        let why =
            "this is about all that the search finds: leave out limit, cursor, sort and ascending";
        return Err(Problem::invalid(&why));
    }
    asked.filter()
}

/// A message, as lists show it.
#[derive(Serialize)]
struct Held {
    id: String,
    received: String,
    direction: &'static str,
    client: Option<std::net::IpAddr>,
    helo: Option<String>,
    queue_id: Option<String>,
    sender: String,
    recipients: Vec<String>,
    subject: String,
    verdict: Action,
    score: f64,
    rules: Vec<String>,
    bytes: u64,
    state: &'static str,
    seen: u64,
    last_seen: String,
    released: Option<String>,
    /// Where its bytes lie; null where they are lost.
    location: Option<&'static str>,
}

/// One message with all that is known of it.
#[derive(Serialize)]
pub(super) struct Whole {
    #[serde(flatten)]
    held: Held,
    deliveries: Vec<Delivered>,
    /// The verdict with the outcome of each filter.
    judgement: serde_json::Value,
}

/// What has become of the copy of one recipient.
#[derive(Serialize)]
struct Delivered {
    recipient: String,
    state: &'static str,
    released: Option<String>,
}

impl Held {
    fn of(record: &Record) -> Held {
        let entry = &record.entry;
        Held {
            id: entry.id.clone(),
            received: entry.received.to_string(),
            direction: entry.direction.name(),
            client: entry.client,
            helo: entry.helo.clone(),
            queue_id: entry.queue_id.clone(),
            sender: entry.sender.text().to_owned(),
            recipients: entry
                .recipients
                .iter()
                .map(|r| r.text().to_owned())
                .collect(),
            subject: entry.subject.clone(),
            verdict: entry.action,
            score: entry.score,
            rules: entry.rules.clone(),
            bytes: entry.size,
            state: record.state.name(),
            seen: record.seen,
            last_seen: record.last_seen.to_string(),
            released: record.released.map(|at| at.to_string()),
            location: record.location.map(Location::name),
        }
    }
}

impl Delivered {
    fn of(delivery: Delivery) -> Delivered {
        Delivered {
            recipient: delivery.recipient,
            state: delivery.state.name(),
            released: delivery.released.map(|at| at.to_string()),
        }
    }
}

pub(super) async fn search(
    State(console): State<Shared>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let asked: Asked = query(raw.as_deref())?;
    let unknown = || Problem::invalid(&"there is no order of that name");
    let sort = asked.sort.as_deref();
    let sort = sort.map(|name| Sort::parse(name).ok_or_else(unknown));
    let order = Order {
        by: sort.transpose()?.unwrap_or_default(),
        descending: !asked.ascending,
    };
    let cursor = asked.cursor.as_deref().map(str::parse).transpose();
    let cursor = cursor.map_err(Refusal::from)?;
    let most = limit(asked.limit, PAGE as usize)?;
    let most = u32::try_from(most).unwrap_or(PAGE);
    let quarantine = &console.services.quarantine;
    let filter = asked.filter()?;
    let page = quarantine.search(&filter, order, cursor.as_ref(), most);
    let page = page.await.map_err(Refusal::from)?;
    Ok(Json(Page {
        items: page.records.iter().map(Held::of).collect(),
        next: page.next.map(|next| next.to_string()),
    })
    .into_response())
}

pub(super) async fn one(
    State(console): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Whole>, Problem> {
    let quarantine = &console.services.quarantine;
    let record = quarantine.get(&id).await.map_err(Refusal::from)?;
    let deliveries = quarantine.deliveries(&id).await.map_err(Refusal::from)?;
    Ok(Json(Whole {
        held: Held::of(&record),
        deliveries: deliveries.into_iter().map(Delivered::of).collect(),
        judgement: record.entry.verdict,
    }))
}

pub(super) async fn message(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let raw = console
        .services
        .quarantine
        .read(&id)
        .await
        .map_err(Refusal::from)?;
    console
        .record(&visitor.actor(), "quarantine.save", &id, "")
        .await;
    let fields = [
        (header::CONTENT_TYPE, "message/rfc822".to_owned()),
        // Never shown by a browser, whatever is in it.
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"message.eml\"".to_owned(),
        ),
    ];
    Ok((fields, raw).into_response())
}
