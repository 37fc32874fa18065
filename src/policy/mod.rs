//! What holds for a message, by who sends it and to whom.
//!
//! In: the envelope. Out: which way the message goes ([`Outbound`]).

mod outbound;

pub use outbound::{Outbound, OutboundOptions};
