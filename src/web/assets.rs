//! Style, script and icon: parts of the binary, kept by browsers for as long as they are the same.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::console::Shared;

const STYLE: &str = include_str!("assets/console.css");
const SCRIPT: &str = include_str!("assets/console.js");
const ICON: &str = include_str!("assets/icon.svg");

/// The address has the version in it, so an old one is never asked for again.
const KEEP: &str = "public, max-age=31536000, immutable";

/// Where one of them is. The address changes whenever any of them does, so that browsers take the new one.
pub(super) fn address(name: &str) -> String {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let mut digest = blake3::Hasher::new();
        for text in [STYLE, SCRIPT, ICON] {
            digest.update(text.as_bytes());
        }
        digest.finalize().to_hex().chars().take(12).collect()
    });
    format!("/assets/{name}?v={}", *VERSION)
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route(
            "/assets/console.css",
            get(async || kept("text/css; charset=utf-8", STYLE)),
        )
        .route(
            "/assets/console.js",
            get(async || kept("text/javascript; charset=utf-8", SCRIPT)),
        )
        .route(
            "/assets/icon.svg",
            get(async || kept("image/svg+xml", ICON)),
        )
        // Crawlers of whoever stumbles upon it.
        .route("/robots.txt", get(async || "User-agent: *\nDisallow: /\n"))
}

fn kept(kind: &'static str, text: &'static str) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, KEEP)],
        text,
    )
}
