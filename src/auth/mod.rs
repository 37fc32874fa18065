//! Sender authentication: who a message really comes from, as far as DNS and signatures can tell.

pub mod dkim;
mod domain;
mod names;
mod questions;
pub mod spf;
mod tags;

pub use names::{Answer, Failure, Kind, Names, RData, RecordType};
pub use questions::Questions;
