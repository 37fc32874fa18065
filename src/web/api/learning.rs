//! Lessons for the classifier.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::super::Visitor;
use super::super::console::{Console, Shared};
use super::super::refusal::Refusal;
use super::answer::Problem;
use crate::filter::bayes::{Class, Teaching};
use crate::server::{Learned, learn as keep};

pub(super) async fn learn(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(lesson): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let teaching = match lesson.as_str() {
        "ham" => Teaching::Learn(Class::Ham),
        "spam" => Teaching::Learn(Class::Spam),
        "forget" => Teaching::Forget,
        _ => return Err(Problem::not_found()),
    };
    let digest = blake3::hash(&body).to_hex();
    teach(&console, body, teaching).await?;
    console
        .record(&visitor.actor(), "learn", teaching.name(), &digest)
        .await;
    Ok(StatusCode::NO_CONTENT)
}

/// Teaches a message; durable when it is done.
pub(super) async fn teach(
    console: &Console,
    raw: Bytes,
    teaching: Teaching,
) -> Result<(), Problem> {
    match keep(&console.services, raw, teaching).await {
        Learned::Kept => Ok(()),
        Learned::Not(why) => Err(Problem(Refusal::Conflict(super::super::refusal::sentence(
            &why,
        )))),
        Learned::Failed(_) => Err(Problem(Refusal::Internal)),
    }
}
