//! The `dnsbl` section of the configuration, as written.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_saphyr::Spanned;

use super::subject::Subject;
use super::zone_options::ZoneOptions;
use crate::config::{Seconds, unwritten};
use crate::filter::OnFailure;

/// Options of the filter; every key has a default, and without zones the filter is idle.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The lists to ask, all at once.
    pub zones: Vec<ZoneOptions>,
    /// Networks of one's own, which no list is asked about: addresses or CIDR blocks. Default: loopback,
    /// private, unique local and link-local addresses (RFC 1122, 1918, 3927, 4193, 4291).
    pub trusted_networks: Option<Vec<Spanned<String>>>,
    /// Domains that no list is asked about, with everything below them. Default: none.
    pub skip_domains: Vec<Spanned<String>>,
    /// Longest time of a question, from the moment that its subject is known. Default 5s.
    pub timeout: Spanned<Seconds>,
    /// Questions that one message may cost. Default 200.
    pub queries_per_message: Spanned<usize>,
    /// Whether a listing counts only as long as the list does not list what no working list does (RFC 5782,
    /// section 5). Default true.
    pub verify_lists: bool,
    /// When a list is taken out of use, and how it comes back.
    pub guard: GuardOptions,
    /// What becomes of a message when a list could not be asked. Default: deliver, for every reason.
    pub on_failure: OnFailure,
    /// Stands in the section `dns`.
    pub resolvers: Option<Spanned<Moved>>,
    /// Stands in the section `dns`.
    pub attempts: Option<Spanned<Moved>>,
    /// Stands in the section `dns`.
    pub cache_entries: Option<Spanned<Moved>>,
    /// Stands in the section `dns`.
    pub cache_min_ttl: Option<Spanned<Moved>>,
    /// Stands in the section `dns`.
    pub cache_max_ttl: Option<Spanned<Moved>>,
    /// Stands in the section `dns`.
    pub queries_in_flight: Option<Spanned<Moved>>,
}

/// The value of a key that has gone to the section `dns`, whatever it is.
#[derive(Clone, Copy, Debug)]
pub struct Moved;

impl<'de> Deserialize<'de> for Moved {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Moved)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            zones: Vec::new(),
            trusted_networks: None,
            skip_domains: Vec::new(),
            timeout: unwritten(Seconds::new(5)),
            queries_per_message: unwritten(200),
            verify_lists: true,
            guard: GuardOptions::default(),
            on_failure: OnFailure::default(),
            resolvers: None,
            attempts: None,
            cache_entries: None,
            cache_min_ttl: None,
            cache_max_ttl: None,
            queries_in_flight: None,
        }
    }
}

/// The `guard` section: each list has a circuit breaker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardOptions {
    /// Between two tests of a list that is in use. Default 5m.
    pub interval: Spanned<Seconds>,
    /// Failures in a row that take a list out of use. Default 5.
    pub failures: Spanned<u32>,
    /// An answer that takes longer counts as a failure of the list. Default 3s.
    pub slow: Spanned<Seconds>,
    /// Between two tests of a list that is out of use. Default 30s.
    pub retry_after: Spanned<Seconds>,
}

impl Default for GuardOptions {
    fn default() -> Self {
        GuardOptions {
            interval: unwritten(Seconds::new(300)),
            failures: unwritten(5),
            slow: unwritten(Seconds::new(3)),
            retry_after: unwritten(Seconds::new(30)),
        }
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = String::deserialize(deserializer)?;
        Subject::named(&written)
            .ok_or_else(|| serde::de::Error::unknown_variant(&written, Subject::NAMES))
    }
}
