//! `GET /api/whoami`: whom a token or a session speaks for, so that a program can tell before it relies on it.

use axum::Json;
use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};

use super::Visitor;
use super::access::Access;
use super::accounts::Role;
use super::console::Shared;

/// Nothing is sent here.
const BODY: usize = 1 << 10;

pub(super) fn routes(access: &Access) -> Router<Shared> {
    access.programs(
        Role::Viewer,
        BODY,
        Router::new().route("/api/whoami", get(show)),
    )
}

async fn show(visitor: Visitor) -> Json<Value> {
    Json(
        json!({ "name": visitor.name, "role": visitor.role, "token": visitor.token.map(|token| token.label) }),
    )
}
