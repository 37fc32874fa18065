//! The `dnsbl` section of the configuration, as written.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
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
    /// Longest time of a whole look-up, from the moment that the client is known. Default 5s.
    pub timeout: Spanned<Seconds>,
    /// Whether a listing counts only as long as the list does not list 127.0.0.1 too, which a working
    /// list never does (RFC 5782, section 5). Default true.
    pub verify_lists: bool,
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
            timeout: unwritten(Seconds::new(5)),
            verify_lists: true,
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
