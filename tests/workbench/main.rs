//! The analyst's side of the classifier, through the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../shared/folder.rs"]
mod folder;

mod corpus_check;
mod evaluation;
mod learning;
mod letters;
mod place;
mod promotion;
mod training;
mod tutorial;
