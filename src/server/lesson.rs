//! Lessons that people give the daemon, whichever way they come.

use std::sync::Arc;

use bytes::Bytes;

use super::services::Services;
use crate::filter::bayes::{TeachError, Teaching};
use crate::mail::Mail;

/// What became of a lesson.
#[derive(Clone, Debug, PartialEq)]
pub enum Learned {
    /// It is durable, and counts within seconds.
    Kept,
    /// There is nobody to learn it, and there will not be.
    Not(&'static str),
    /// It may be learned later.
    Failed(&'static str),
}

/// Teaches the classifier of the engine in force.
pub async fn learn(services: &Arc<Services>, raw: Bytes, teaching: Teaching) -> Learned {
    if raw.iter().all(u8::is_ascii_whitespace) {
        return Learned::Not("there is no message to learn");
    }
    let engine = services.engine.load_full();
    let Some(teacher) = engine.teacher() else {
        return Learned::Not("the filter bayes is not in the chain");
    };
    let limits = engine.mail_limits.clone();
    let taught = tokio::task::spawn_blocking(move || {
        let mail = Mail::parse(raw, &limits);
        teacher.teach(&mail, teaching)
    });
    match taught.await {
        Ok(Ok(())) => Learned::Kept,
        Ok(Err(TeachError::OnlyInTraining(_))) => {
            Learned::Not("the engine bayespam learns only in training")
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "a lesson was not taken");
            Learned::Failed("the lesson could not be kept")
        }
        Err(_) => {
            services.metrics.panics.inc();
            tracing::error!("panic while a message was learned");
            Learned::Failed("internal error")
        }
    }
}
