//! Sender authentication: the public test suites against a DNS server that serves their zones, and the
//! promises of the filter `auth`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../dns_server/mod.rs"]
mod dns_server;
#[path = "../shared/folder.rs"]
mod folder;
#[path = "../shared/mistake.rs"]
mod mistake;
#[path = "../shared/parts.rs"]
mod parts;

mod arc_suite;
mod dkim_messages;
mod dns_questions;
mod filter;
mod fixture;
mod hostile;
mod policy;
mod sealer;
mod signer;
mod spf_suite;
mod zone;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailweir::auth::Questions;
use mailweir::dns::{self, Dns};
use mailweir::heard::Heard;
use mailweir::metrics::Metrics;
use serde_json::Value;

/// The folder of the suites, or `None`, said, where it is absent.
fn suites() -> Option<PathBuf> {
    folder::shared("mail/auth-suites")
}

/// The documents of a suite. Where a key stands twice, as it does in one of them, the last counts.
fn documents(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let read = |document: &str| {
        let options = serde_saphyr::options! {
            duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        };
        serde_saphyr::from_str_with_options(document, options).unwrap()
    };
    let all = text.split("\n---").map(read);
    all.filter(|document: &Value| document.is_object())
        .collect()
}

/// The shared resolver over a test server.
fn resolver(server: &dns_server::FakeDns, metrics: &Arc<Metrics>) -> Dns {
    let yaml = format!(
        "resolvers: [\"{}\"]\nattempts: 1\ntimeout: 2s\n",
        server.addr
    );
    let (source, options) = parts::options::<dns::Options>(&yaml).unwrap();
    Dns::new(&options, &source, metrics).unwrap()
}

/// The questions of one message, as the filter asks them.
fn questions(dns: &Dns) -> Questions {
    Questions::new(dns.clone(), Arc::new(dns.share(1)), 200, Heard::default())
}
