//! The document that says what the API takes and gives: OpenAPI 3.1.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Written by hand; a test walks it and holds every answer against it.
const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
