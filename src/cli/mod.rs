//! The commands.

pub mod quarantine;
