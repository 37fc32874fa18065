//! The workflow of rules through the real binary: check, look, try, measure, fit, compare, reload.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic
)]

#[path = "../system/daemon.rs"]
#[allow(dead_code)]
mod daemon;
#[path = "../system/milter.rs"]
#[allow(dead_code)]
mod milter;
#[path = "../system/place.rs"]
#[allow(dead_code)]
mod place;
#[path = "../system/process.rs"]
#[allow(dead_code)]
mod process;

mod check;
mod held;
mod looking;
mod measuring;
mod program;
mod reload;
