//! The commands.
pub mod train;
