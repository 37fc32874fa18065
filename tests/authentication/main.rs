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

mod spf_suite;
mod zone;

use std::path::PathBuf;
use std::sync::Arc;

use mailweir::auth::Questions;
use mailweir::config::{Source, parse_yaml};
use mailweir::dns::{self, Dns};
use mailweir::metrics::Metrics;

/// The folder of the suites, or `None`, said, where it is absent.
fn suites() -> Option<PathBuf> {
    let shared = std::env::var_os("MAILWEIR_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")),
        PathBuf::from,
    );
    let folder = shared.join("mail/auth-suites");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no {}", folder.display());
    None
}

/// The shared resolver over a test server.
fn resolver(server: &dns_server::FakeDns, metrics: &Arc<Metrics>) -> Dns {
    let yaml = format!("resolvers: [\"{}\"]\nattempts: 1\ntimeout: 2s\n", server.addr);
    let source = Source::new("mailweir.yaml", yaml.as_str());
    let options: dns::Options = parse_yaml(&source).unwrap();
    Dns::new(&options, &source, metrics).unwrap()
}

/// The questions of one message, as the filter asks them.
fn questions(dns: &Dns) -> Questions {
    Questions::new(dns.clone(), Arc::new(dns.share(1)), 200)
}
