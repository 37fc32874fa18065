//! The HTTP API, version 1: `/api/v1/`. What the console does, for programs.
//!
//! In: requests with a token (`Authorization: Bearer ...`), or with the session of the console. Out: JSON; what goes
//! wrong is `application/problem+json` (RFC 9457). `openapi.json` says it all, and a test holds each answer against it.
//! Lists come page by page: `next` of one page is the `cursor` of the next. Roles are those of the console, and each
//! change stands in the audit log.

mod account;
mod answer;
mod chosen;
mod configuration;
mod course;
mod document;
mod explanation;
mod handling;
mod health;
mod held;
mod learning;
mod messages;
mod models;
mod overview;
mod policies;
mod preview;
mod record;
mod replay;
mod rules;
mod state;
mod tokens;
mod users;
mod verdict;

use axum::Router;
use axum::routing::{any, delete, get, post, put};

use super::access::Access;
use super::accounts::Role;
use super::console::Shared;
use super::policies::list::EDITED;
use super::rules::trial::MESSAGE;
use answer::Problem;

/// Longest body of a request that is no message, bytes.
const JSON_BYTES: usize = 64 << 10;
/// Longest body with a whole list: each of its bytes may be written as six.
const LIST_BYTES: usize = 6 * EDITED + JSON_BYTES;

/// All paths of the API; messages may have up to `message` bytes.
pub(super) fn routes(access: &Access, message: usize) -> Router<Shared> {
    let viewer = Router::new()
        .route("/api/v1/openapi.json", get(document::document))
        .route("/api/v1/health", get(health::health))
        .route("/api/v1/overview", get(overview::overview))
        .route("/api/v1/course", get(course::course))
        .route("/api/v1/state", get(state::state))
        .route("/api/v1/account", get(account::account))
        .route("/api/v1/account/password", post(account::password))
        .route(
            "/api/v1/account/tokens",
            get(tokens::own).post(tokens::make),
        )
        .route("/api/v1/account/tokens/{id}", delete(tokens::revoke_own))
        .route("/api/v1/messages", get(messages::search))
        .route("/api/v1/messages/{id}", get(messages::one))
        .route(
            "/api/v1/messages/{id}/explanation",
            get(explanation::explanation),
        )
        .route("/api/v1/quarantine", get(held::search))
        .route("/api/v1/quarantine/chosen", get(chosen::count))
        .route("/api/v1/quarantine/{id}", get(held::one))
        .route("/api/v1/quarantine/{id}/preview", get(preview::preview))
        .route("/api/v1/rules", get(rules::list))
        .route("/api/v1/rules/{id}", get(rules::one))
        .route("/api/v1/policies", get(policies::policies))
        .route("/api/v1/lists", get(policies::all))
        .route("/api/v1/lists/{key}", get(policies::one))
        .route("/api/v1/models", get(models::list))
        .route("/api/v1/models/{id}/evaluation", get(models::evaluation));
    let analyst = Router::new()
        .route("/api/v1/quarantine/chosen/release", post(chosen::release))
        .route("/api/v1/quarantine/chosen/delete", post(chosen::delete))
        .route("/api/v1/quarantine/chosen/forward", post(chosen::forward))
        .route("/api/v1/quarantine/{id}", delete(handling::remove))
        .route("/api/v1/quarantine/{id}/message", get(held::message))
        .route("/api/v1/quarantine/{id}/release", post(handling::release))
        .route("/api/v1/quarantine/{id}/forward", post(handling::forward));
    let tried = Router::new().route("/api/v1/rules/trial", post(rules::trial));
    let with_message = Router::new()
        .route("/api/v1/messages/{id}/replay", post(replay::replay))
        .route("/api/v1/verdict", post(verdict::judge))
        .route("/api/v1/learning/{lesson}", post(learning::learn));
    let admin = Router::new()
        .route("/api/v1/configuration", get(configuration::configuration))
        .route("/api/v1/models/promote", post(models::promote))
        .route("/api/v1/models/rollback", post(models::rollback))
        .route("/api/v1/lists/{key}/entries", post(policies::add))
        .route("/api/v1/users", get(users::users).post(users::add))
        .route("/api/v1/users/{id}", delete(users::remove))
        .route("/api/v1/users/{id}/role", put(users::set_role))
        .route("/api/v1/users/{id}/link", post(users::link))
        .route("/api/v1/users/{id}/disable", post(users::disable))
        .route("/api/v1/users/{id}/enable", post(users::enable))
        .route("/api/v1/tokens", get(tokens::tokens))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .route("/api/v1/audit", get(record::audit))
        .route("/api/v1/log", get(record::log));
    let with_list = Router::new().route("/api/v1/lists/{key}", put(policies::replace));
    Router::new()
        .merge(access.programs(Role::Viewer, JSON_BYTES, viewer))
        .merge(access.programs(Role::Analyst, JSON_BYTES, analyst))
        .merge(access.programs(Role::Analyst, message, with_message))
        .merge(access.programs(Role::Analyst, MESSAGE, tried))
        .merge(access.programs(Role::Admin, JSON_BYTES, admin))
        .merge(access.programs(Role::Admin, LIST_BYTES, with_list))
        .route("/api/{*rest}", any(async || Problem::not_found()))
}
