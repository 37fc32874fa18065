//! The protocols of two other filters, for programs that speak these: spamd's (`spamc`, mail delivery agents, Exim) and
//! rspamd's (`rspamc`, Exim, OpenSMTPD, Haraka).
//!
//! In: bound listeners and [`Services`](crate::server::Services). Out: verdicts of the engine in force, in the words of
//! the protocol. A message counts in the same budget of memory, metrics and log as one that comes by milter.
//!
//! Promises: a message that was not checked, or not in time, is answered as a failure of the protocol and never as
//! clean; what a client may send is bounded in bytes and time; one connection more than allowed, or one from another
//! network, is closed at once and counted; a panic costs one connection.

mod body;
mod door;
mod options;
mod rewriting;
mod rspamd;
mod shown;
mod spamd;

pub(crate) use door::OUTCOMES;
pub use door::{Doors, Protocol};
pub use options::{Options, RspamdOptions, Settings, SpamdOptions};

/// The symbol that says that a filter has not checked a message: `UNSCANNED_CLAMAV`.
fn unscanned(filter: &str) -> String {
    format!("UNSCANNED_{}", filter.to_ascii_uppercase())
}
