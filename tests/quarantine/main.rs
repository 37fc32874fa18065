//! The quarantine: what it promises of storing, finding, keeping and letting go.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod copies;
mod crash;
mod digest;
mod fixture;
mod keeping;
mod link;
mod mail_server;
mod objects;
mod release;
mod search;
mod shelf;
mod store;
mod upgrade;
