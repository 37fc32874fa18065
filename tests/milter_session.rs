//! What `mailweir::milter::Session` promises, proved without a socket: bytes in, events and replies out.
//! The cases are those that broke real filters; each test is named after the promise that it holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "milter_session/answers.rs"]
mod answers;
#[path = "milter_session/framing.rs"]
mod framing;
#[path = "milter_session/macros.rs"]
mod macros;
#[path = "milter_session/negotiation.rs"]
mod negotiation;
#[path = "milter_session/order.rs"]
mod order;
#[path = "milter_session/peer.rs"]
mod peer;
#[path = "milter_session/properties.rs"]
mod properties;
#[path = "milter_session/replay.rs"]
mod replay;
#[path = "milter_session/transcript.rs"]
mod transcript;
