//! The test box: a message is examined by the engine in force as if it had come, and leaves no trace. Filters that
//! remember senders do not see it, nothing is learned, held or recorded. At most [`AT_ONCE`] at one time.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::filter::rules::{Held, Step};
use crate::filter::{Scan, greylist, rates, reputation};
use crate::history::{Entry, Stage, Transaction};
use crate::mail::{Address, Envelope};
use crate::milter::Reply;
use crate::server::{Engine, Left};
use crate::web::Visitor;
use crate::web::console::Console;
use crate::web::explanation::Explanation;
use crate::web::filters;
use crate::web::layout::{self, Answer, Look, Page, Sent};
use crate::web::refusal::Refusal;

/// Longest message, bytes.
pub(in crate::web) const MESSAGE: usize = 1 << 20;
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
    let Ok(_turn) = turn() else {
        return refuse(
            given,
            "Other messages are being tried: try again in a moment.".to_owned(),
        );
    };
    let raw = Bytes::from(given.message.clone().into_bytes());
    let tried = Tried::new(&console, envelope, raw).await;
    let steps = tried.steps(given.rule.trim()).await?;
    let mut page = TrialPage::new(page(&visitor), given);
    if steps.is_none() && !page.given.rule.trim().is_empty() {
        page.page = page.page.with_problem("There is no such rule in force.");
    }
    page.steps = steps.map(|steps| (page.given.rule.trim().to_owned(), steps));
    page.version = tried.engine.version().to_owned();
    let rules = tried.engine.rules().map(AsRef::as_ref);
    page.explanation = Some(Explanation::new(tried.entry, rules, false));
    Ok(layout::render(&page)?.into_response())
}
/// A turn of those that evaluate messages for people, or a refusal because others do.
pub(in crate::web) fn turn() -> Result<SemaphorePermit<'static>, Refusal> {
    TURNS.try_acquire().map_err(|_| Refusal::Busy)
}

/// A message that was tried out.
pub(in crate::web) struct Tried {
    pub(in crate::web) engine: Arc<Engine>,
    /// What became of it, with an empty id.
    pub(in crate::web) entry: Entry,
    scan: Arc<Scan>,
}

impl Tried {
    /// Tries a message out, or refuses because others are being tried.
    pub(in crate::web) async fn in_turn(
        console: &Console,
        envelope: Envelope,
        raw: Bytes,
    ) -> Result<Tried, Refusal> {
        let _turn = turn()?;
        Ok(Tried::new(console, envelope, raw).await)
    }

    async fn new(console: &Console, envelope: Envelope, raw: Bytes) -> Tried {
        let engine = console.services.engine.load_full();
        let bytes = raw.len();
        let received = Timestamp::now();
        let left = Left {
            filters: &[greylist::NAME, rates::NAME, reputation::NAME],
            why: "leaves no trace of a trial",
        };
        let started = std::time::Instant::now();
        let (scan, ruling) = engine.examine_without(envelope, raw, left).await;
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
        Tried {
            engine,
            entry,
            scan,
        }
    }

    /// How the conditions of a rule came out; `None` where there is no such rule in force.
    pub(in crate::web) async fn steps(&self, rule: &str) -> Result<Option<Vec<Step>>, Refusal> {
        let Some(set) = self.engine.rules().filter(|_| !rule.is_empty()).cloned() else {
            return Ok(None);
        };
        let (scan, rule) = (self.scan.clone(), rule.to_owned());
        let work = move || {
            let held = Held::of(&scan);
            set.explain(&scan.envelope, &scan.mail, held.known(), &rule)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| Refusal::internal("a rule cannot be explained", &error))
    }
}
