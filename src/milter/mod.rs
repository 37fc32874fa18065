//! The milter protocol, versions 2 to 6, without I/O.
//!
//! In: bytes from the MTA, as they come, in any slicing. Out: [`Event`]s for the driver and bytes for the
//! MTA. The machine owns what the protocol demands: framing with a bound, negotiation by intersection,
//! the order of commands, macros by stage, which commands are owed a reply and which replies are legal.
//! It promises that every command that is owed a reply gets exactly one, that nothing is sent which was
//! not negotiated, and that no two transactions share state.
//!
//! There is no RFC; the reference is libmilter of Sendmail 8.17 (`mfdef.h`, `engine.c`), and what
//! Postfix 3.7 and Sendmail 8.17 were seen to send. Quirks are noted where they are answered.

mod command;
mod frame;
mod macros;
mod mta;
mod negotiation;
mod reply;
mod session;
mod text;

pub use command::{Command, ConnectInfo, Malformed};
pub use frame::{Frame, FrameError, MAX_PACKET};
pub use macros::{MacroStage, Macros};
pub use mta::{Mta, MtaError, MtaReply};
pub use negotiation::{Actions, Agreement, Answers, Offer, PeerIncompatible, Steps};
pub use reply::{Modification, Reply};
pub use session::{Event, ProtocolError, Session, Stage};
pub use text::{ReplyText, header_value};
