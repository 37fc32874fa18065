//! The test box: a message is examined by the engine in force as if it had come, and leaves no trace. Filters that
//! remember senders do not see it, nothing is learned, held or recorded. At most [`AT_ONCE`] at one time.

use std::net::IpAddr;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::filter::rules::{Held, RuleSet, Step};
use crate::filter::{Scan, greylist, rates, reputation};
use crate::history::{Entry, Stage, Transaction};
use crate::mail::{Address, Envelope};
use crate::milter::Reply;
use crate::server::Left;
use crate::web::Visitor;
use crate::web::explanation::Explanation;
use crate::web::filters;
use crate::web::layout::{self, Answer, Look, Page, Sent};
use crate::web::refusal::Refusal;

/// Longest message, bytes.
pub(super) const MESSAGE: usize = 1 << 20;
/// Recipients.
const RECIPIENTS: usize = 100;
/// Trials at one time.
const AT_ONCE: usize = 2;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// What was given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Given {
    message: String,
    client: String,
    helo: String,
    sender: String,
    recipients: String,
    rule: String,
}

impl Given {
    fn envelope(&self) -> Result<Envelope, String> {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
        let mut envelope = Envelope {
            helo: some(&self.helo),
            sender: some(&self.sender).map(|s| Address::new(s.as_bytes())),
            ..Envelope::default()
        };
        if let Some(client) = some(&self.client) {
            let address = client.parse::<IpAddr>();
            let wrong = "The client is an address: 192.0.2.1 or 2001:db8::1.";
            envelope.client.addr = Some(address.map_err(|_| wrong.to_owned())?);
        }
        let recipients = self.recipients.split([',', ' ', '\r', '\n']);
        let recipients: Vec<&str> = recipients.filter(|r| !r.is_empty()).collect();
        if recipients.len() > RECIPIENTS {
            return Err(format!("At most {RECIPIENTS} recipients are taken here."));
        }
        let each = recipients.into_iter().map(|r| Address::new(r.as_bytes()));
        envelope.recipients = each.collect();
        Ok(envelope)
    }
}

#[derive(Template)]
#[template(path = "trial.html")]
struct TrialPage {
    page: Page,
    given: Given,
    explanation: Option<Explanation>,
    /// The rule that was asked for, with its conditions.
    steps: Option<(String, Vec<Step>)>,
    version: String,
}

impl TrialPage {
    fn new(page: Page, given: Given) -> TrialPage {
        TrialPage {
            page,
            given,
            explanation: None,
            steps: None,
            version: String::new(),
        }
    }
}

fn page(visitor: &Visitor) -> Page {
    Page::new("Try a message", "/rules/trial", visitor)
}

pub(super) async fn form((_, visitor, Query(given)): Look<Given>) -> Answer {
    layout::render(&TrialPage::new(page(&visitor), given))
}

pub(super) async fn examine(
    (State(console), visitor, Form(given)): Sent<Given>,
) -> Result<Response, Refusal> {
    let refuse = |given: Given, why: String| {
        let page = page(&visitor).with_problem(why);
        let page = layout::render(&TrialPage::new(page, given))?;
        Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
    };
    let envelope = match given.envelope() {
        Ok(envelope) => envelope,
        Err(why) => return refuse(given, why),
    };
    if given.message.trim().is_empty() {
        return refuse(given, "Paste a message, with its header.".to_owned());
    }
    if given.message.len() > MESSAGE {
        return refuse(
            given,
            format!("A message has at most {MESSAGE} bytes here."),
        );
    }
    let Ok(_turn) = TURNS.try_acquire() else {
        return refuse(
            given,
            "Other messages are being tried: try again in a moment.".to_owned(),
        );
    };
    let engine = console.services.engine.load_full();
    let raw = Bytes::from(given.message.clone().into_bytes());
    let bytes = raw.len();
    let received = Timestamp::now();
    let left = Left {
        filters: &[greylist::NAME, rates::NAME, reputation::NAME],
        why: "leaves no trace of a trial",
    };
    let started = std::time::Instant::now();
    let examined = engine.examine_without(envelope, raw, left);
    let (scan, ruling) = examined.await;
    let versions = engine.versions();
    let transaction = Transaction {
        id: "",
        received,
        envelope: &scan.envelope,
        stage: Stage::End,
        mail: Some(&scan.mail),
        refused: &[],
        bytes,
        digest: None,
        reply: &Reply::Accept,
        versions: &versions,
        took: started.elapsed(),
    };
    let entry = Entry::new(&transaction, &ruling.verdict, Some(&ruling), false);
    let rules = engine.rules().cloned();
    let rule = given.rule.trim().to_owned();
    let steps = match &rules {
        Some(set) if !rule.is_empty() => steps(set.clone(), scan.clone(), rule).await?,
        _ => None,
    };
    let mut page = TrialPage::new(page(&visitor), given);
    if steps.is_none() && !page.given.rule.trim().is_empty() {
        page.page = page.page.with_problem("There is no such rule in force.");
    }
    page.steps = steps;
    page.version = engine.version().to_owned();
    page.explanation = Some(Explanation::new(entry, rules.as_deref(), false));
    Ok(layout::render(&page)?.into_response())
}

/// How the conditions of a rule came out.
async fn steps(
    set: std::sync::Arc<RuleSet>,
    scan: std::sync::Arc<Scan>,
    rule: String,
) -> Result<Option<(String, Vec<Step>)>, Refusal> {
    let work = move || {
        let held = Held::of(&scan);
        let steps = set.explain(&scan.envelope, &scan.mail, held.known(), &rule);
        steps.map(|steps| (rule, steps))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::internal("a rule cannot be explained", &error))
}
