//! The workflow of rules through the real binary: check, look, try, measure, fit, compare. What needs the daemon stands in
//! `tests/system`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic
)]

mod check;
mod files;
mod looking;
mod measuring;
mod program;
