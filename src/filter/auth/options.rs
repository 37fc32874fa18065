//! The `auth` section of the configuration, as written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{Seconds, unwritten};
use crate::filter::{Action, OnFailure};

/// Options of the filter; every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The name under which `Authentication-Results` is written. Default: the name that the MTA gives itself
    /// (macro `j`), or else that of the host.
    pub authserv_id: Option<Spanned<String>>,
    /// Names of other servers of ours: their fields are removed from mail from outside, and believed in mail from
    /// `trusted_networks`.
    pub trusted_authserv_ids: Vec<Spanned<String>>,
    /// Whether `Authentication-Results` is written. Default true. Forged ones are removed in any case.
    pub results_header: bool,
    /// Clients in these networks are not checked. Default: local and private addresses.
    pub trusted_networks: Option<Vec<Spanned<String>>>,
    /// Domains whose ARC seal is believed, with all below them.
    pub trusted_arc_sealers: Vec<Spanned<String>>,
    /// Longest time of the questions of one stage, 100ms to 120s. Default 20s (RFC 7208, section 4.6.4).
    pub timeout: Spanned<Seconds>,
    /// Signatures that are verified, 1 to 100. Default 10.
    pub max_signatures: Spanned<usize>,
    /// Questions of one message to DNS, 10 to 10000. Default 200.
    pub max_lookups: Spanned<usize>,
    /// What becomes of messages that fail DMARC.
    pub dmarc: DmarcOptions,
    /// Points of hits, by name; the others keep their default.
    pub scores: BTreeMap<String, Spanned<f64>>,
    /// What becomes of a message when DNS could not tell. Default: deliver, for every reason.
    pub on_failure: OnFailure,
}

/// `auth.dmarc`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DmarcOptions {
    /// What `p=reject` does to a message that fails. Default: its score.
    pub reject: Honour,
    /// What `p=quarantine` does to a message that fails: score or quarantine. Default: its score.
    pub quarantine: Spanned<Honour>,
    /// Domains of mailing lists, with all below them: messages that they have authenticated may fail.
    pub mailing_lists: Vec<Spanned<String>>,
}

impl Default for DmarcOptions {
    fn default() -> Self {
        DmarcOptions {
            reject: Honour::Score,
            quarantine: unwritten(Honour::Score),
            mailing_lists: Vec::new(),
        }
    }
}

/// How far a policy is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Honour {
    /// Its hit has points, and that is all.
    #[default]
    Score,
    /// The message is held back.
    Quarantine,
    /// The message is refused.
    Reject,
}

impl Honour {
    /// The action that decides, if one does.
    pub(super) fn action(self) -> Option<Action> {
        match self {
            Honour::Score => None,
            Honour::Quarantine => Some(Action::Quarantine),
            Honour::Reject => Some(Action::Reject),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            authserv_id: None,
            trusted_authserv_ids: Vec::new(),
            results_header: true,
            trusted_networks: None,
            trusted_arc_sealers: Vec::new(),
            timeout: unwritten(Seconds::new(20)),
            max_signatures: unwritten(10),
            max_lookups: unwritten(200),
            dmarc: DmarcOptions::default(),
            scores: BTreeMap::new(),
            on_failure: OnFailure::default(),
        }
    }
}
