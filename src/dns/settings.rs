//! Options of the resolver, checked. In: [`Options`] and their file. Out: [`Settings`], or every problem
//! found, each with its place.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_saphyr::Spanned;

use super::Options;
use crate::config::{Findings, Problems, Source};

/// Most questions in flight that may be asked for: each has a socket.
const QUERIES: usize = 65_536;
/// Most entries of the cache that may be asked for.
const ENTRIES: u64 = 10_000_000;

/// What the resolver runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Empty: those of the system.
    pub(super) resolvers: Vec<SocketAddr>,
    pub(super) timeout: Duration,
    pub(super) attempts: u32,
    pub(super) queries_in_flight: usize,
    pub(super) cache_entries: u64,
    pub(super) least_ttl: Duration,
    pub(super) most_ttl: Duration,
}

impl Settings {
    /// Checks `options`.
    pub(super) fn check(options: &Options, source: &Source) -> Result<Settings, Problems> {
        let mut findings = Findings::new(source);
        findings.within(&options.queries_in_flight, 1, QUERIES, "queries");
        if options.timeout.value.0.is_zero() {
            findings.wrong(&options.timeout, "no question can be answered in no time");
        }
        findings.within(&options.attempts, 1, 5, "attempts");
        findings.within(&options.cache_entries, 0, ENTRIES, "entries");
        let (least, most) = (options.cache_min_ttl.value.0, options.cache_max_ttl.value.0);
        if least > most {
            findings.wrong(&options.cache_min_ttl, "longer than `cache_max_ttl`");
        }
        let written = options.resolvers.iter();
        let settings = Settings {
            resolvers: written.filter_map(|r| resolver(r, &mut findings)).collect(),
            timeout: options.timeout.value.0,
            attempts: options.attempts.value.max(1),
            queries_in_flight: options.queries_in_flight.value.clamp(1, QUERIES),
            cache_entries: options.cache_entries.value,
            least_ttl: least,
            most_ttl: most,
        };
        findings.finish(settings)
    }
}

fn resolver(written: &Spanned<String>, findings: &mut Findings<'_>) -> Option<SocketAddr> {
    let text = written.value.trim();
    let address = text
        .parse::<SocketAddr>()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)));
    match address {
        Ok(address) if address.port() != 0 && !address.ip().is_unspecified() => Some(address),
        _ => {
            findings.wrong_with_help(
                written,
                "not the address of a resolver",
                "write 127.0.0.1, 127.0.0.1:5353, ::1 or \"[::1]:5353\"",
            );
            None
        }
    }
}
