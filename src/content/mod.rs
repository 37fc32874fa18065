//! The files of a message: its attachments, what archives and disk images among them hold, what those hold, and so on.
//!
//! In: a parsed [`Mail`](crate::mail::Mail) and [`Limits`]. Out: [`Content`], every file with its names, what it really
//! is, its size, its SHA-256 and what is odd about it, each as a fact with a stable name ([`FileFlag`]); what to think of it
//! is for rules. Nothing is run, nothing is written to disk.
//!
//! Promises: never fails and never panics, whatever the bytes; time, memory and the number of files are bounded by
//! [`Limits`] and by nothing that a file says of itself; no recursion: what is still to be opened stands on a list. What
//! a limit kept from being looked at is said ([`Limit`]), and so is what is encrypted: neither is ever passed as seen.
//!
//! Readers of formats that need only a listing or that have to see more than what honest software writes are ours (ZIP,
//! TAR, RAR, ISO 9660, FAT, CAB headers, TNEF); decompression is that of libraries, each under a bound on what it gives
//! out and behind a guard against its panics.

mod archive;
mod bytes;
mod cab;
pub(crate) mod claim;
pub mod document;
mod fat;
mod file;
mod flag;
mod iso;
mod kind;
mod limits;
mod message;
mod name;
mod package;
mod rar;
mod sevenzip;
mod single;
mod tar;
mod timed;
mod tnef;
mod walk;
mod zip;

pub use file::{Content, File};
pub use flag::{FileFlag, FileFlags};
pub use kind::Kind;
pub use limits::{Limit, Limits};
pub use walk::{has_files, list, read};
