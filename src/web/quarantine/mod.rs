//! The quarantine: a list to search, sort and choose from, one message with all that is known of it, and the pages
//! behind the links of digests.
//!
//! Viewers look; analysts release, delete, teach, forward and save. Whatever is done to several messages is done in a
//! task of its own, so that a browser that leaves cuts nothing in half.

mod act;
mod asked;
mod bulk;
mod chosen;
mod link;
mod list;
mod message;

pub(super) use act::{Act, NOTE_BYTES, whom};
use axum::Router;
use axum::routing::{get, post};
pub(super) use chosen::{Chosen, MOST};

use super::access::Access;
use super::accounts::Role;
use super::console::Shared;
use super::refusal::{Refusal, sentence};
use crate::quarantine::QuarantineError;

/// Where the list is.
const PATH: &str = "/quarantine";

pub(super) fn routes(access: &Access) -> Router<Shared> {
    let looking = Router::new()
        .route(PATH, get(list::list))
        .route("/quarantine/{id}", get(message::message));
    let working = Router::new()
        .route("/quarantine/do", post(bulk::bulk))
        .route("/quarantine/{id}/message.eml", get(message::save))
        .route("/quarantine/{id}/release", post(act::release))
        .route("/quarantine/{id}/delete", post(act::delete))
        .route("/quarantine/{id}/forward", post(act::forward));
    link::routes()
        .merge(access.allow(Role::Viewer, looking))
        .merge(access.allow(Role::Analyst, working))
}

impl From<QuarantineError> for Refusal {
    fn from(error: QuarantineError) -> Refusal {
        match error {
            QuarantineError::NotFound(_) | QuarantineError::Id(_) => Refusal::NotFound,
            QuarantineError::Busy => Refusal::Busy,
            QuarantineError::Objects(_) => {
                tracing::error!(%error, "console: quarantine");
                Refusal::Unavailable(sentence(&error))
            }
            QuarantineError::Cursor | QuarantineError::Address { .. } => {
                Refusal::Invalid(sentence(&error))
            }
            QuarantineError::Released { .. }
            | QuarantineError::Lost(_)
            | QuarantineError::InProgress(_)
            | QuarantineError::TooMany { .. }
            | QuarantineError::Unconfigured(_)
            | QuarantineError::NotSent(_)
            | QuarantineError::Unsure(_) => Refusal::Conflict(sentence(&error)),
            other => Refusal::internal("quarantine", &other),
        }
    }
}
