//! Sender authentication: who a message really comes from, as far as DNS and signatures can tell.
//!
//! In: the client, the envelope, the header and the body, and something that knows the records of names
//! ([`Names`]). Out: the results of [`spf`], [`dkim`], [`arc`], [`dmarc`] and [`iprev`], and the reading of what
//! others have found ([`results`]). Promises: every list, chain and record is bounded; what cannot be read is a
//! result and never an error; a temporary failure of DNS is told apart from every answer. Nothing here knows of
//! scores, of the chain of filters, or of sockets.
//!
//! mail-auth reads signatures and keys and does the cryptography. The way from one to the next is ours: so that
//! questions go through the shared resolver, keys and hashes are worked on while the body arrives, and the RFCs
//! hold by the letter.

pub mod arc;
pub mod dkim;
pub mod dmarc;
pub mod iprev;
mod names;
mod questions;
pub mod results;
pub mod spf;
mod tags;

pub use names::{Answer, Failure, Kind, Names, RData, RecordType};
pub use questions::Questions;
