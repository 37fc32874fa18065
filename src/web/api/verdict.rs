//! The verdict on a message that is posted: it passes the engine in force and counts as one that came by milter.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use serde::{Deserialize, Serialize};

use super::super::console::Shared;
use super::super::refusal::Refusal;
use super::answer::{Json, Problem, query};
use crate::filter::Action;
use crate::mail::{Address, Envelope, Spool};
use crate::milter::Modification;
use crate::server::{Inquired, Inquiry, inquire};
use crate::verdict::DecidedBy;

/// Recipients of a message.
const RECIPIENTS: usize = 1_000;

/// The envelope.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    /// Address of the SMTP client.
    client: Option<std::net::IpAddr>,
    /// Its verified name.
    client_name: Option<String>,
    helo: Option<String>,
    from: Option<String>,
    /// Recipients, with commas between them.
    to: Option<String>,
    /// Login of an authenticated client.
    user: Option<String>,
    queue_id: Option<String>,
    /// Of a trial: the rule of which the conditions are wanted.
    rule: Option<String>,
}

impl Asked {
    fn envelope(self) -> Result<Envelope, Problem> {
        let to = self.to.unwrap_or_default();
        let recipients = to.split(',').map(str::trim).filter(|r| !r.is_empty());
        let recipients: Vec<Address> = recipients.map(|r| Address::new(r.as_bytes())).collect();
        if recipients.len() > RECIPIENTS {
            return Err(Problem::invalid(&format!(
                "at most {RECIPIENTS} recipients"
            )));
        }
        let mut envelope = Envelope {
            helo: self.helo,
            authenticated: self.user,
            sender: self.from.map(|from| Address::new(from.as_bytes())),
            queue_id: self.queue_id,
            recipients,
            ..Envelope::default()
        };
        envelope.client.addr = self.client;
        envelope.client.name = self.client_name;
        Ok(envelope)
    }
}

/// What is asked of a message that is tried out: the rule of which the conditions are wanted, and the envelope.
pub(super) fn of_trial(raw: Option<&str>) -> Result<(Option<String>, Envelope), Problem> {
    let mut asked: Asked = query(raw)?;
    Ok((asked.rule.take(), asked.envelope()?))
}

/// A verdict.
#[derive(Serialize)]
pub(super) struct Judged {
    id: String,
    verdict: Action,
    score: f64,
    required: Option<f64>,
    decided_by: DecidedBy,
    policy: Option<Arc<str>>,
    hits: Vec<HitShown>,
    unscanned: Vec<Unscanned>,
    labels: Vec<String>,
    /// Fields that would be inserted at the top, the first one topmost.
    insert: Vec<Field>,
    /// Fields that would be deleted: the number among those of its name, from 1.
    delete: Vec<Deleted>,
    /// What a client would be told who is refused.
    refusal: Option<String>,
    version: String,
    milliseconds: f64,
}

#[derive(Serialize)]
struct HitShown {
    filter: &'static str,
    rule: String,
    score: f64,
    evidence: String,
    shadow: Option<f64>,
}

#[derive(Serialize)]
struct Unscanned {
    filter: &'static str,
    reason: &'static str,
}

#[derive(Serialize)]
struct Field {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct Deleted {
    name: String,
    number: u32,
}

pub(super) async fn judge(
    State(console): State<Shared>,
    RawQuery(raw): RawQuery,
    body: Bytes,
) -> Result<Json<Judged>, Problem> {
    let (rule, envelope) = of_trial(raw.as_deref())?;
    if rule.is_some() {
        return Err(Problem::invalid(&"`rule` belongs to a trial"));
    }
    let services = &console.services;
    let mut share = services.budget.share();
    if !share.grow(body.len()) {
        return Err(Problem(Refusal::Busy));
    }
    let spool = Spool::new();
    spool.push(&body);
    drop(body);
    let inquiry = Inquiry {
        protocol: "api",
        envelope,
        spool,
        share,
        keep: false,
    };
    let inquired = inquire(services, inquiry).await;
    Ok(Json(Judged::of(inquired.ok_or(Refusal::Internal)?)))
}

impl Judged {
    fn of(inquired: Inquired) -> Judged {
        let Inquired {
            verdict, ruling, ..
        } = &inquired;
        let mut insert = Vec::new();
        let mut delete = Vec::new();
        for modification in &inquired.modifications {
            match modification {
                Modification::InsertHeader { name, value, .. } => insert.push(Field {
                    name: name.clone(),
                    value: value.clone(),
                }),
                Modification::DeleteHeader { name, index } => delete.push(Deleted {
                    name: name.clone(),
                    number: *index,
                }),
                Modification::DeleteRecipient { .. } | Modification::Hold { .. } => {}
            }
        }
        // Each would go to the top, so the last is the first.
        insert.reverse();
        let hits = verdict.hits().map(|(filter, hit)| HitShown {
            filter,
            rule: hit.rule.to_string(),
            score: hit.score,
            evidence: hit.evidence.clone(),
            shadow: hit.shadow,
        });
        let unscanned = verdict.unscanned().map(|(filter, reason)| Unscanned {
            filter,
            reason: reason.name(),
        });
        Judged {
            id: inquired.id.clone(),
            verdict: verdict.action,
            score: verdict.score,
            required: ruling.required,
            decided_by: verdict.decided_by.clone(),
            policy: verdict
                .policy
                .as_ref()
                .map(|decision| decision.policy.clone()),
            hits: hits.collect(),
            unscanned: unscanned.collect(),
            labels: verdict.labels().into_iter().map(str::to_owned).collect(),
            insert,
            delete,
            refusal: inquired.refusal.clone(),
            version: inquired.engine.version().to_owned(),
            milliseconds: inquired.elapsed.as_secs_f64() * 1000.0,
        }
    }
}
