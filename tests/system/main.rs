//! The real binary behind real mail servers, name servers and scanners, and behind faulty ones.
//!
//! Every test starts its own instances in a temporary folder on ports that the system chose, and ends
//! them with itself, so tests run side by side. A test whose servers are not installed, or that needs
//! root and does not have it, prints `skipped: ...` and passes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic
)]

#[path = "../archives/mod.rs"]
mod archives;
#[path = "../shared/certificate.rs"]
mod certificate;
#[path = "../dns_server/mod.rs"]
mod dns_server;

#[path = "../real_clamd/mod.rs"]
mod real_clamd;

mod daemon;
mod disk;
mod host;
mod message;
mod milter;
mod names;
mod place;
mod postfix;
mod process;
#[path = "../rules_workflow/program.rs"]
mod program;
mod scanner;
mod smtp;
mod tap;
#[path = "../authentication/zone.rs"]
mod zone;

mod authentication;
mod bombs;
mod clamav;
mod configuration_file;
mod crashes;
mod delivery;
mod events;
mod facts;
mod faults;
mod greylisting;
mod history;
mod history_end;
mod lessons;
mod life;
mod log;
mod lua;
mod objects;
mod once;
mod options_reload;
mod order;
mod packaging;
mod policies;
mod release;
mod rules_reload;
mod scanners;
mod sendmail;
mod soak;
mod split;
mod whatif;
