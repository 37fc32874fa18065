//! The `dnsbl` section of the configuration, as written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{Seconds, unwritten};
use crate::filter::{Action, OnFailure};

/// Options of the filter; every key has a default, and without zones the filter is idle.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The lists to ask, all at once.
    pub zones: Vec<ZoneOptions>,
    /// Clients in these networks are not looked up: addresses or CIDR blocks. Default: loopback,
    /// private, unique local and link-local addresses (RFC 1122, 1918, 3927, 4193, 4291).
    pub trusted_networks: Option<Vec<Spanned<String>>>,
    /// Resolvers, `address` (port 53) or `address:port`. Default: those of /etc/resolv.conf.
    pub resolvers: Vec<Spanned<String>>,
    /// Longest time of a whole look-up, from the moment that the client is known. Default 5s.
    pub timeout: Spanned<Seconds>,
    /// How often a query is sent before it fails, within `timeout`; 1 to 5. Default 2.
    pub attempts: Spanned<u32>,
    /// Answers kept; 0 keeps none. Default 10000.
    pub cache_entries: Spanned<u64>,
    /// Answers are kept at least so long, whatever their TTL. Default 0s.
    pub cache_min_ttl: Spanned<Seconds>,
    /// Answers are kept at most so long, whatever their TTL. Default 1h.
    pub cache_max_ttl: Spanned<Seconds>,
    /// Queries on their way at one time, shared out evenly among the zones. Default 256.
    pub queries_in_flight: Spanned<usize>,
    /// Whether a listing counts only as long as the list does not list 127.0.0.1 too, which a working
    /// list never does (RFC 5782, section 5). Default true.
    pub verify_lists: bool,
    /// What becomes of a message when a list could not be asked. Default: deliver, for every reason.
    pub on_failure: OnFailure,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            zones: Vec::new(),
            trusted_networks: None,
            resolvers: Vec::new(),
            timeout: unwritten(Seconds::new(5)),
            attempts: unwritten(2),
            cache_entries: unwritten(10_000),
            cache_min_ttl: unwritten(Seconds::new(0)),
            cache_max_ttl: unwritten(Seconds::new(3600)),
            queries_in_flight: unwritten(256),
            verify_lists: true,
            on_failure: OnFailure::default(),
        }
    }
}

/// One list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneOptions {
    /// The zone to ask, `bl.example.org`.
    pub zone: Spanned<String>,
    /// What evidence and metrics call the list, where the zone itself holds a secret key. Default: the
    /// zone.
    #[serde(default)]
    pub name: Option<Spanned<String>>,
    /// Id of the hit of a listing that no entry of `codes` takes. Default: `DNSBL_` and the name in
    /// capitals, with `_` for every other character.
    #[serde(default)]
    pub id: Option<Spanned<String>>,
    /// Points of such a listing. Without it, listings that no entry of `codes` takes do not count.
    #[serde(default)]
    pub score: Option<Spanned<f64>>,
    /// Whether such a listing settles the fate of the message.
    #[serde(default)]
    pub decisive: Option<Spanned<Decisive>>,
    /// What the answers of the list mean, where it gives several.
    #[serde(default)]
    pub codes: Vec<CodeOptions>,
    /// Whether the list is asked for IPv6 clients too. Default true.
    #[serde(default = "yes")]
    pub ipv6: bool,
}

fn yes() -> bool {
    true
}

/// The meaning of some answers of a list: those in `codes`, or those with a bit of `mask`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeOptions {
    /// Addresses in 127.0.0.0/8, or ranges `first..last` that hold both ends.
    #[serde(default)]
    pub codes: Option<Spanned<Vec<Spanned<String>>>>,
    /// Bits of the last three octets; one of them in an answer is enough.
    #[serde(default)]
    pub mask: Option<Spanned<u32>>,
    /// Id of the hit.
    pub id: Spanned<String>,
    /// Points.
    pub score: Spanned<f64>,
    /// Whether it settles the fate of the message.
    #[serde(default)]
    pub decisive: Option<Spanned<Decisive>>,
}

/// The actions that a listing may settle on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decisive {
    /// Refuse for good.
    Reject,
    /// Hold back.
    Quarantine,
}

impl Decisive {
    /// The action of the verdict.
    pub fn action(self) -> Action {
        match self {
            Decisive::Reject => Action::Reject,
            Decisive::Quarantine => Action::Quarantine,
        }
    }
}
