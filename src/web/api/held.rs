//! The quarantine: search, one message, its bytes, release, deletion.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::super::Visitor;
use super::super::console::Shared;
use super::super::refusal::{Refusal, sentence};
use super::answer::{Json, Page, Problem, query, read};
use super::messages::{instant, limit};
use crate::filter::Action;
use crate::filter::bayes::{Class, Teaching};
use crate::mail::Address;
use crate::quarantine::{
    Delivery, Filter, Order, PAGE, QuarantineError, Record, Sort, State as Fate,
};

/// Recipients of one release.
const RECIPIENTS: usize = 1_000;

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
    since: Option<String>,
    until: Option<String>,
    sort: Option<String>,
    ascending: bool,
    cursor: Option<String>,
    limit: Option<usize>,
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
    let unknown = |what: &str| Problem::invalid(&format!("there is no {what} of that name"));
    let state = asked.state.as_deref();
    let state = state.map(|name| Fate::parse(name).ok_or_else(|| unknown("state")));
    let sort = asked.sort.as_deref();
    let sort = sort.map(|name| Sort::parse(name).ok_or_else(|| unknown("order")));
    let order = Order {
        by: sort.transpose()?.unwrap_or_default(),
        descending: !asked.ascending,
    };
    let filter = Filter {
        since: instant(asked.since.as_deref())?,
        until: instant(asked.until.as_deref())?,
        sender: asked.sender,
        recipient: asked.recipient,
        domain: asked.domain,
        subject: asked.subject,
        client: asked.client,
        rule: asked.rule,
        reason: asked.reason,
        verdict: asked.verdict,
        policy: asked.policy,
        state: state.transpose()?,
        ..Filter::default()
    };
    let cursor = asked.cursor.as_deref().map(str::parse).transpose();
    let cursor = cursor.map_err(refused)?;
    let most = limit(asked.limit, PAGE as usize)?;
    let most = u32::try_from(most).unwrap_or(PAGE);
    let quarantine = &console.services.quarantine;
    let page = quarantine.search(&filter, order, cursor.as_ref(), most);
    let page = page.await.map_err(refused)?;
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
    let record = quarantine.get(&id).await.map_err(refused)?;
    let deliveries = quarantine.deliveries(&id).await.map_err(refused)?;
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
        .map_err(refused)?;
    console.record(&visitor.actor(), "download", &id, "").await;
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

/// What is asked with a release.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    /// To whom; all recipients where nothing is said.
    recipients: Vec<String>,
    /// Also to those who have got it.
    again: bool,
    /// Whether it is learned as ham.
    learn: bool,
}

/// A message that was released.
#[derive(Serialize)]
pub(super) struct Freed {
    id: String,
    recipients: usize,
    before: usize,
    learned: bool,
}

pub(super) async fn release(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Freed>, Problem> {
    let wish: Wish = read(&body)?;
    if wish.recipients.len() > RECIPIENTS {
        return Err(Problem::invalid(&format!(
            "at most {RECIPIENTS} recipients"
        )));
    }
    let quarantine = &console.services.quarantine;
    let to: Vec<Address> = wish
        .recipients
        .iter()
        .map(|r| Address::new(r.as_bytes()))
        .collect();
    let freed = quarantine
        .release(&id, &to, wish.again)
        .await
        .map_err(refused)?;
    let detail = format!("{} recipients", freed.recipients);
    console
        .record(&visitor.actor(), "release", &freed.id, &detail)
        .await;
    let mut learned = false;
    if wish.learn {
        let raw = quarantine.read(&freed.id).await.map_err(refused)?;
        let lesson = super::learning::teach(&console, raw, Teaching::Learn(Class::Ham));
        // The release stands, whatever becomes of the lesson.
        learned = lesson.await.is_ok();
    }
    Ok(Json(Freed {
        id: freed.id,
        recipients: freed.recipients,
        before: freed.before,
        learned,
    }))
}

pub(super) async fn remove(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    console
        .services
        .quarantine
        .delete(&id)
        .await
        .map_err(refused)?;
    console.record(&visitor.actor(), "delete", &id, "").await;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(error: QuarantineError) -> Problem {
    Problem(match error {
        QuarantineError::NotFound(_) | QuarantineError::Id(_) => Refusal::NotFound,
        QuarantineError::Cursor | QuarantineError::Address { .. } => {
            Refusal::Invalid(sentence(&error))
        }
        QuarantineError::Released { .. }
        | QuarantineError::InProgress(_)
        | QuarantineError::NotSent(_)
        | QuarantineError::Unsure(_)
        | QuarantineError::Lost(_)
        | QuarantineError::Unconfigured(_) => Refusal::Conflict(sentence(&error)),
        QuarantineError::Busy => Refusal::Busy,
        error => Refusal::internal("quarantine", &error),
    })
}
