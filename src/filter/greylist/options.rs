//! The `greylist` section of the configuration, as written.

use std::path::PathBuf;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{Seconds, unwritten};
use crate::filter::PrefixOptions;

/// Options of the filter; every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Only messages whose score so far lies in it are put off, at their end. Default from 2 to 8; null: everything new,
    /// at RCPT.
    pub band: Option<Spanned<BandOptions>>,
    /// How long a client must wait before it comes again, 1s to 1d. Default 5m.
    pub delay: Spanned<Seconds>,
    /// How long it may take to come again, 1m to 30d. Default 2d.
    pub window: Spanned<Seconds>,
    /// How long a delivery that has passed is remembered after the last of its kind, 1h to 365d. Default 36d.
    pub lifetime: Spanned<Seconds>,
    /// After so many deliveries that came back, everything from the same origin passes; 0: never. Default 5.
    pub successes: Spanned<u32>,
    /// How much of a client's address counts.
    pub network: PrefixOptions,
    /// Clients in these networks are not put off. Default: local and private addresses.
    pub trusted_networks: Option<Vec<Spanned<String>>>,
    /// Whether the hosts of large providers are spared, by the list that comes with mailweir. Default true.
    pub large_senders: bool,
    /// More names of hosts and domains that are spared, with all below them. Default: none.
    pub exempt: Vec<Spanned<String>>,
    /// A file of such names, one a line; relative to the configuration file. Default: none.
    pub exempt_file: Option<Spanned<PathBuf>>,
    /// Triplets that wait, triplets that have passed, and origins that are remembered, of each so many, 100 to 10000000.
    /// Default 100000.
    pub entries: Spanned<usize>,
}

/// `greylist.band`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BandOptions {
    /// From this score on. Default 2.
    pub from: f64,
    /// Below this score; null: whatever is higher. Default 8.
    pub to: Option<f64>,
}

impl Default for BandOptions {
    fn default() -> Self {
        BandOptions {
            from: 2.0,
            to: Some(8.0),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            band: Some(unwritten(BandOptions::default())),
            delay: unwritten(Seconds::new(300)),
            window: unwritten(Seconds::new(2 * 86_400)),
            lifetime: unwritten(Seconds::new(36 * 86_400)),
            successes: unwritten(5),
            network: PrefixOptions::default(),
            trusted_networks: None,
            large_senders: true,
            exempt: Vec::new(),
            exempt_file: None,
            entries: unwritten(100_000),
        }
    }
}
