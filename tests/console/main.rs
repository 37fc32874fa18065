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

#[path = "../shared/certificate.rs"]
mod certificate;
mod client;
#[path = "../system/daemon.rs"]
mod daemon;
mod database;
#[path = "../system/place.rs"]
mod place;
mod post;
#[path = "../system/process.rs"]
mod process;
mod provider;
// Tests of the quarantine need more of it.
#[allow(dead_code)]
#[path = "../quarantine/shelf.rs"]
mod shelf;
mod site;
mod taker;
mod webdriver;

mod access;
mod api;
mod bounds;
mod command;
mod entrance;
mod glewlwyd;
mod history;
mod hostile;
mod lists;
mod models;
mod objects;
mod oidc;
mod quarantine;
mod reload;
mod rules;
mod tls;
mod users;
mod views;
