//! Listeners and sessions.
