//! The `dns` section of the configuration, as written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{Seconds, unwritten};

/// Options of the resolver that all filters share; every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Resolvers, `address` (port 53) or `address:port`. Default: those of /etc/resolv.conf.
    pub resolvers: Vec<Spanned<String>>,
    /// Longest time of one question, with all its attempts. Default 5s.
    pub timeout: Spanned<Seconds>,
    /// How often a question is sent before it fails, within `timeout`; 1 to 5. Default 2.
    pub attempts: Spanned<u32>,
    /// Questions on their way at one time, of all filters and messages. Default 256.
    pub queries_in_flight: Spanned<usize>,
    /// Answers kept, a long one counting as several; 0 keeps none. Default 10000.
    pub cache_entries: Spanned<u64>,
    /// Answers are kept at least so long, whatever their TTL. Default 0s.
    pub cache_min_ttl: Spanned<Seconds>,
    /// Answers are kept at most so long, whatever their TTL. Default 1h.
    pub cache_max_ttl: Spanned<Seconds>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            resolvers: Vec::new(),
            timeout: unwritten(Seconds::new(5)),
            attempts: unwritten(2),
            queries_in_flight: unwritten(256),
            cache_entries: unwritten(10_000),
            cache_min_ttl: unwritten(Seconds::new(0)),
            cache_max_ttl: unwritten(Seconds::new(3600)),
        }
    }
}
