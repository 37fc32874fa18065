//! The HTTP API, version 1: `/api/v1/`. What the console does, for programs.
//!
//! In: requests with a token (`Authorization: Bearer ...`), or with the session of the console. Out: JSON; what goes
//! wrong is `application/problem+json` (RFC 9457). `openapi.json` says it all, and a test holds each answer against it.
//! Lists come page by page: `next` of one page is the `cursor` of the next. Roles are those of the console, and each
//! change stands in the audit log.

mod answer;
mod document;
mod health;
mod held;
mod learning;
mod messages;
mod models;
mod rules;
mod verdict;

use axum::Router;
use axum::routing::{any, delete, get, post};

use super::access::Access;
use super::accounts::Role;
use super::console::Shared;
use answer::Problem;

/// Longest body of a request that is no message, bytes.
const JSON_BYTES: usize = 64 << 10;

/// All paths of the API; messages may have up to `message` bytes.
pub(super) fn routes(access: &Access, message: usize) -> Router<Shared> {
    let viewer = Router::new()
        .route("/api/v1/openapi.json", get(document::document))
        .route("/api/v1/health", get(health::health))
        .route("/api/v1/messages", get(messages::search))
        .route("/api/v1/messages/{id}", get(messages::one))
        .route("/api/v1/quarantine", get(held::search))
        .route("/api/v1/quarantine/{id}", get(held::one))
        .route("/api/v1/rules", get(rules::list))
        .route("/api/v1/models", get(models::list));
    let analyst = Router::new()
        .route("/api/v1/quarantine/{id}", delete(held::remove))
        .route("/api/v1/quarantine/{id}/message", get(held::message))
        .route("/api/v1/quarantine/{id}/release", post(held::release));
    let with_message = Router::new()
        .route("/api/v1/verdict", post(verdict::judge))
        .route("/api/v1/learning/{lesson}", post(learning::learn));
    let admin = Router::new()
        .route("/api/v1/configuration", get(health::configuration))
        .route("/api/v1/models/promote", post(models::promote))
        .route("/api/v1/models/rollback", post(models::rollback));
    Router::new()
        .merge(access.programs(Role::Viewer, JSON_BYTES, viewer))
        .merge(access.programs(Role::Analyst, JSON_BYTES, analyst))
        .merge(access.programs(Role::Analyst, message, with_message))
        .merge(access.programs(Role::Admin, JSON_BYTES, admin))
        .route("/api/{*rest}", any(async || Problem::not_found()))
}
