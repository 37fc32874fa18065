//! What an analyst does to one message, and to each of several.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use super::message;
use crate::filter::bayes::{Class, Teacher};
use crate::mail::Address;
use crate::quarantine::QuarantineError;
use crate::web::Visitor;
use crate::web::console::Shared;
use crate::web::layout::SentTo;
use crate::web::refusal::{Refusal, sentence};

/// The fields of a form, in order; some stand several times.
pub(super) type Fields = Vec<(String, String)>;

/// Longest note for an analyst.
pub(in crate::web) const NOTE_BYTES: usize = 8_000;

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::web) enum Act {
    /// To these recipients, or to all where there are none.
    Release {
        to: Vec<Address>,
        learn: bool,
    },
    Delete {
        learn: bool,
    },
    /// To this address, or to that of the options.
    Forward {
        to: Option<Address>,
        note: String,
    },
}

impl Act {
    /// Its word in the audit log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Act::Release { .. } => "quarantine.release",
            Act::Delete { .. } => "quarantine.delete",
            Act::Forward { .. } => "quarantine.forward",
        }
    }

    /// What it has made of a message, in a word.
    pub(super) fn done(&self) -> &'static str {
        match self {
            Act::Release { learn: false, .. } => "released",
            Act::Release { learn: true, .. } => "released-ham",
            Act::Delete { learn: false } => "deleted",
            Act::Delete { learn: true } => "deleted-spam",
            Act::Forward { .. } => "forwarded",
        }
    }

    /// Does it to a message; gives what stands in the audit log. The gate sees to it that it comes to its end although the
    /// browser leaves.
    pub(in crate::web) async fn run(
        &self,
        console: &Shared,
        visitor: &Visitor,
        id: &str,
    ) -> Result<String, Undone> {
        let done = self.perform(console, id).await;
        let detail = match &done {
            Ok(detail) => detail.clone(),
            Err(why) => format!("failed: {why}"),
        };
        console
            .record(&visitor.actor(), self.name(), id, &detail)
            .await;
        done
    }

    async fn perform(&self, console: &Shared, id: &str) -> Result<String, Undone> {
        let quarantine = &console.services.quarantine;
        match self {
            Act::Release { to, learn } => {
                let released = quarantine.release(id, to, false).await?;
                let mut detail = whom(to, released.recipients);
                if *learn {
                    let learned = teach(console, id, Class::Ham).await?;
                    detail = format!("{detail}, {learned}");
                }
                Ok(detail)
            }
            Act::Delete { learn } => {
                let detail = match learn {
                    true => teach(console, id, Class::Spam).await?,
                    false => "",
                };
                quarantine.delete(id).await?;
                Ok(detail.to_owned())
            }
            Act::Forward { to, note } => {
                let to = quarantine.forward(id, to.as_ref(), note).await?;
                Ok(format!("to {to}"))
            }
        }
    }
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(in crate::web) enum Undone {
    /// Something stands against it.
    #[error("{0}")]
    Refused(String),
    /// The object store does not give the message now.
    #[error("{0}")]
    Unavailable(String),
}

impl From<QuarantineError> for Undone {
    fn from(error: QuarantineError) -> Undone {
        match error {
            QuarantineError::Objects(_) => Undone::Unavailable(error.to_string()),
            other => Undone::Refused(other.to_string()),
        }
    }
}

impl Undone {
    /// For whoever has asked.
    pub(in crate::web) fn refusal(&self) -> Refusal {
        match self {
            Undone::Refused(_) => Refusal::Conflict(sentence(self)),
            Undone::Unavailable(_) => Refusal::Unavailable(sentence(self)),
        }
    }
}

/// To whom a message was released, for the audit log: `to`, who may be others than its recipients, or all of these.
pub(in crate::web) fn whom(to: &[Address], recipients: usize) -> String {
    match to {
        [] => format!("to {recipients} recipients"),
        to => {
            let to: Vec<&str> = to.iter().map(Address::text).collect();
            format!("to {}", to.join(", "))
        }
    }
}

/// Teaches the classifier what a message is.
async fn teach(console: &Shared, id: &str, class: Class) -> Result<&'static str, Undone> {
    let raw = console.services.quarantine.read(id).await?;
    let place = console.services.model.clone();
    let learned = tokio::task::spawn_blocking(move || {
        Teacher::of_file(&place.path, place.engine)?.learn(raw, class)
    });
    match learned.await {
        Ok(Ok(())) if class == Class::Ham => Ok("learned as ham"),
        Ok(Ok(())) => Ok("learned as spam"),
        Ok(Err(e)) => Err(Undone::Refused(format!("not learned: {e}"))),
        Err(_) => Err(Undone::Refused("not learned; the log says why".to_owned())),
    }
}

pub(super) fn value<'a>(fields: &'a Fields, name: &str) -> &'a str {
    let found = fields.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value.trim())
}

async fn one(console: Shared, visitor: Visitor, id: String, act: Act) -> Result<Response, Refusal> {
    let id = id.to_ascii_uppercase();
    // What is not there is said as such.
    let id = console.services.quarantine.get(&id).await?.entry.id;
    match act.run(&console, &visitor, &id).await {
        Ok(_) if matches!(act, Act::Delete { .. }) => {
            Ok(Redirect::to(&format!("/quarantine?done={}", act.done())).into_response())
        }
        Ok(_) => Ok(Redirect::to(&format!("/quarantine/{id}?done={}", act.done())).into_response()),
        Err(why) => {
            let page = message::page(&console, &visitor, &id, None, Some(sentence(&why))).await?;
            Ok((why.refusal().status(), page).into_response())
        }
    }
}

pub(super) async fn release(
    (State(console), visitor, Path(id), Form(fields)): SentTo<Fields>,
) -> Result<Response, Refusal> {
    let chosen = fields
        .iter()
        .filter(|(key, value)| key == "to" && !value.trim().is_empty());
    let to: Vec<Address> = chosen
        .map(|(_, to)| Address::new(to.trim().as_bytes()))
        .collect();
    if to.is_empty() {
        return Err(Refusal::Invalid(
            "Choose at least one recipient, or write an address.".to_owned(),
        ));
    }
    let learn = value(&fields, "learn") == "ham";
    one(console, visitor, id, Act::Release { to, learn }).await
}

pub(super) async fn delete(
    (State(console), visitor, Path(id), Form(fields)): SentTo<Fields>,
) -> Result<Response, Refusal> {
    let learn = value(&fields, "learn") == "spam";
    one(console, visitor, id, Act::Delete { learn }).await
}

pub(super) async fn forward(
    (State(console), visitor, Path(id), Form(fields)): SentTo<Fields>,
) -> Result<Response, Refusal> {
    let to = value(&fields, "to");
    let note = value(&fields, "note");
    if note.len() > NOTE_BYTES {
        return Err(Refusal::Invalid("The note is too long.".to_owned()));
    }
    let act = Act::Forward {
        to: (!to.is_empty()).then(|| Address::new(to.as_bytes())),
        note: note.to_owned(),
    };
    one(console, visitor, id, act).await
}
