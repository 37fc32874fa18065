//! The `clamav` section of the configuration, as written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::database::Ages;
use crate::config::{ByteSize, Seconds, unwritten};
use crate::filter::{Action, OnFailure};

/// Options of the filter; every key has a default, and without servers the filter is idle.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The clamd servers: `host:port`, or `unix:` and the path of a socket.
    pub servers: Vec<Spanned<String>>,
    /// Longest wait for a connection. Default 3s.
    pub connect_timeout: Spanned<Seconds>,
    /// Longest time without progress while a server takes the message. Default 15s.
    pub io_timeout: Spanned<Seconds>,
    /// Longest wait for the reply of one server once it has the whole message. Default 30s.
    pub reply_timeout: Spanned<Seconds>,
    /// Longest time from the end of the message to an outcome, over all servers. Default 60s.
    pub timeout: Spanned<Seconds>,
    /// So long after the end of the message a second server is sent it too. Default: never.
    pub hedge_after: Option<Spanned<Seconds>>,
    /// Streams open to one server at one time. Default 32.
    pub streams_per_server: Spanned<usize>,
    /// Larger messages are not sent, and count as too large. Default: no bound but that of the server
    /// (`StreamMaxLength`).
    pub max_bytes: Option<Spanned<ByteSize>>,
    /// When a server that fails is left alone.
    pub breaker: BreakerOptions,
    /// How servers are watched, and how old their signatures may be.
    pub health: HealthOptions,
    /// Messages remembered as clean.
    pub cache: CacheOptions,
    /// What becomes of a message by the name of the signature; the first that fits. Those that are shipped
    /// ([`super::SIGNATURES`]) stand behind. Default: none.
    pub signatures: Vec<SignatureOptions>,
    /// What becomes of a message with a virus. Default reject.
    pub virus_action: VirusAction,
    /// What becomes of a message that was not scanned. Default: deliver for `outdated`, tempfail for every other
    /// reason.
    pub on_failure: OnFailure,
}

/// When a server that fails is left alone, and for how long.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerOptions {
    /// Failures in a row after which a server is left alone. Default 3.
    pub failures: Spanned<u32>,
    /// After this time a server that is left alone is asked whether it is back. Default 10s.
    pub retry_after: Spanned<Seconds>,
}

/// How servers are watched, and how old their signatures may be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthOptions {
    /// How often each server is asked for PING and VERSION. Default 30s.
    pub interval: Spanned<Seconds>,
    /// Signatures of this age are warned of; null: never. Default 3d.
    pub warn_after: Option<Spanned<Seconds>>,
    /// What signatures of this age do not find is not clean but `outdated`; null: never. Default 14d.
    pub fail_after: Option<Spanned<Seconds>>,
}

/// Messages remembered as clean, so that they are not scanned again by the same signatures.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheOptions {
    /// Messages remembered; 0: none. Default 10000.
    pub entries: Spanned<u64>,
    /// How long a message is remembered. Default 15m.
    pub max_age: Spanned<Seconds>,
}

/// What becomes of messages with signatures whose names fit a pattern: points or an action.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureOptions {
    /// The pattern: `*` fits any characters, `?` one; upper and lower case alike.
    #[serde(rename = "match")]
    pub pattern: Spanned<String>,
    /// The points.
    #[serde(default)]
    pub score: Option<Spanned<f64>>,
    /// The action.
    #[serde(default)]
    pub action: Option<SignatureAction>,
    /// The id of the hit with points. Default `CLAMAV_SIGNATURE`.
    #[serde(default)]
    pub rule: Option<Spanned<String>>,
}

/// What a signature does, where it does not give points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureAction {
    /// What `virus_action` says.
    Virus,
    /// Refuse for good.
    Reject,
    /// Hold back.
    Quarantine,
    /// Accept and drop.
    Discard,
    /// Nothing; it is shown with a score of 0.
    Ignore,
}

/// What becomes of a message with a virus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VirusAction {
    /// Refuse for good.
    Reject,
    /// Hold back.
    Quarantine,
    /// Accept and drop.
    Discard,
}

impl HealthOptions {
    /// The bounds of age.
    pub(super) fn ages(&self) -> Ages {
        Ages {
            warn: self.warn_after.as_ref().map(|age| age.value.0),
            fail: self.fail_after.as_ref().map(|age| age.value.0),
        }
    }
}

impl VirusAction {
    /// The action of the verdict.
    pub fn action(self) -> Action {
        match self {
            VirusAction::Reject => Action::Reject,
            VirusAction::Quarantine => Action::Quarantine,
            VirusAction::Discard => Action::Discard,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            servers: Vec::new(),
            connect_timeout: unwritten(Seconds::new(3)),
            io_timeout: unwritten(Seconds::new(15)),
            reply_timeout: unwritten(Seconds::new(30)),
            timeout: unwritten(Seconds::new(60)),
            hedge_after: None,
            streams_per_server: unwritten(32),
            max_bytes: None,
            breaker: BreakerOptions::default(),
            health: HealthOptions::default(),
            cache: CacheOptions::default(),
            signatures: Vec::new(),
            virus_action: VirusAction::Reject,
            on_failure: OnFailure::default(),
        }
    }
}

impl Default for BreakerOptions {
    fn default() -> Self {
        BreakerOptions {
            failures: unwritten(3),
            retry_after: unwritten(Seconds::new(10)),
        }
    }
}

impl Default for HealthOptions {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        HealthOptions {
            interval: unwritten(Seconds::new(30)),
            warn_after: Some(unwritten(Seconds::new(3 * DAY))),
            fail_after: Some(unwritten(Seconds::new(14 * DAY))),
        }
    }
}

impl Default for CacheOptions {
    fn default() -> Self {
        CacheOptions {
            entries: unwritten(10_000),
            max_age: unwritten(Seconds::new(15 * 60)),
        }
    }
}
