//! The console, as a browser and as a stranger meet it.
//!
//! Tests that need a browser say `skipped: ...` and pass where Chromium or its driver is not installed; they take
//! turns, because browsers are large.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic
)]

mod client;
#[allow(dead_code)]
#[path = "../system/daemon.rs"]
mod daemon;
#[allow(dead_code)]
#[path = "../system/place.rs"]
mod place;
mod post;
#[allow(dead_code)]
#[path = "../system/process.rs"]
mod process;
mod provider;
mod site;
mod webdriver;

mod access;
mod api;
mod command;
mod entrance;
mod glewlwyd;
mod models;
mod oidc;
mod quarantine;
mod tls;
mod views;
