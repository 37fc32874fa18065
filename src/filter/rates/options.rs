//! The `rates` section of the configuration, as written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{Seconds, unwritten};
use crate::filter::PrefixOptions;

/// Options of the filter; without limits it is idle.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The limits, all of which hold. Default: none.
    pub limits: Vec<LimitOptions>,
    /// How much of a client's address counts.
    pub network: PrefixOptions,
    /// Clients in these networks are not limited. Default: local and private addresses.
    pub trusted_networks: Option<Vec<Spanned<String>>>,
    /// Buckets that are remembered, 100 to 10000000. Default 100000.
    pub entries: Spanned<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            limits: Vec::new(),
            network: PrefixOptions::default(),
            trusted_networks: None,
            entries: unwritten(100_000),
        }
    }
}

/// One limit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitOptions {
    /// Whose mail is counted together.
    pub by: By,
    /// Its name in hits and metrics, `[a-z][a-z0-9_]*`; default: `by`.
    #[serde(default)]
    pub name: Option<Spanned<String>>,
    /// What is counted. Default: messages.
    #[serde(default)]
    pub count: Count,
    /// So many at once.
    pub burst: Spanned<u32>,
    /// After this time without mail as many again, 1s to 31d.
    pub per: Spanned<Seconds>,
    /// What becomes of more. Default: defer.
    #[serde(default = "defer")]
    pub action: Spanned<RateAction>,
}

fn defer() -> Spanned<RateAction> {
    unwritten(RateAction::Defer)
}

/// Whose mail is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// That of clients of one network.
    ClientNetwork,
    /// That of one sender's domain; where the domain is not proven, from one network.
    SenderDomain,
    /// That of one login.
    AuthenticatedUser,
    /// That to one recipient.
    Recipient,
}

impl By {
    /// The word used in configuration and hits.
    pub(super) fn name(self) -> &'static str {
        match self {
            By::ClientNetwork => "client_network",
            By::SenderDomain => "sender_domain",
            By::AuthenticatedUser => "authenticated_user",
            By::Recipient => "recipient",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Messages.
    #[default]
    Messages,
    /// Recipients of messages.
    Recipients,
}

/// What becomes of mail beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateAction {
    /// It is refused for now.
    Defer,
    /// It has so many points.
    Score(f64),
}
