//! The `reputation` section of the configuration, as written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{Seconds, unwritten};
use crate::filter::PrefixOptions;

/// Options of the filter; every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// In this time what was learned loses half of its weight, 1h to 365d. Default 14d.
    pub half_life: Spanned<Seconds>,
    /// So many messages give half of the points, 1 to 1000. Default 10.
    pub prudence: Spanned<f64>,
    /// A message with this score of the other filters, or less, counts as ham. Default 0.
    pub ham: f64,
    /// A message with this score of the other filters, or more, counts as spam. Default 8.
    pub spam: Spanned<f64>,
    /// The most that each reputation is worth.
    pub points: PointsOptions,
    /// Whom our users write with.
    pub correspondents: CorrespondentOptions,
    /// Points of the other hits, by name; those left out keep their default.
    pub scores: BTreeMap<String, Spanned<f64>>,
    /// How much of a client's address counts.
    pub network: PrefixOptions,
    /// Clients in these networks have no reputation: ours, and those that forward to us. Default: local and private
    /// addresses.
    pub trusted_networks: Option<Vec<Spanned<String>>>,
    /// Networks, domains, unproven domains and signing domains that are remembered, of each so many, 100 to 10000000.
    /// Default 100000.
    pub entries: Spanned<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            half_life: unwritten(Seconds::new(14 * 86_400)),
            prudence: unwritten(10.0),
            ham: 0.0,
            spam: unwritten(8.0),
            points: PointsOptions::default(),
            correspondents: CorrespondentOptions::default(),
            scores: BTreeMap::new(),
            network: PrefixOptions::default(),
            trusted_networks: None,
            entries: unwritten(100_000),
        }
    }
}

/// `reputation.points`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PointsOptions {
    /// Of the client's network. Default -0.5 and 1.5.
    pub network: Spanned<SubjectPoints>,
    /// Of the sender's domain, where it is proven. Default -1 and 2.
    pub domain: Spanned<SubjectPoints>,
    /// Of the sender's domain, where it is not. Default 0 and 1.
    pub unproven_domain: Spanned<SubjectPoints>,
    /// Of another domain that has signed. Default -0.5 and 1.
    pub signing_domain: Spanned<SubjectPoints>,
}

/// Between what a reputation moves.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectPoints {
    /// For the best, -100 to 0.
    pub good: f64,
    /// For the worst, 0 to 100.
    pub bad: f64,
}

impl Default for PointsOptions {
    fn default() -> Self {
        let points = |good, bad| unwritten(SubjectPoints { good, bad });
        PointsOptions {
            network: points(-0.5, 1.5),
            domain: points(-1.0, 2.0),
            unproven_domain: points(0.0, 1.0),
            signing_domain: points(-0.5, 1.0),
        }
    }
}

/// `reputation.correspondents`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorrespondentOptions {
    /// How long they are remembered after the last message, 1d to 3650d. Default 180d.
    pub lifetime: Spanned<Seconds>,
    /// Addresses written to, addresses of which mail came, and messages sent, of each so many, 100 to 10000000.
    /// Default 100000.
    pub entries: Spanned<usize>,
}

impl Default for CorrespondentOptions {
    fn default() -> Self {
        CorrespondentOptions {
            lifetime: unwritten(Seconds::new(180 * 86_400)),
            entries: unwritten(100_000),
        }
    }
}
