//! The `clamav` section of the configuration, as written.

use serde::Deserialize;
use serde_saphyr::Spanned;

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
    /// Streams open to one server at one time. Default 32.
    pub streams_per_server: Spanned<usize>,
    /// Larger messages are not sent, and count as too large. Default: no bound but that of the server
    /// (`StreamMaxLength`).
    pub max_bytes: Option<Spanned<ByteSize>>,
    /// When a server that fails is left alone.
    pub breaker: BreakerOptions,
    /// What becomes of a message with a virus. Default reject.
    pub virus_action: VirusAction,
    /// What becomes of a message that was not scanned. Default: tempfail, for every reason.
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
            streams_per_server: unwritten(32),
            max_bytes: None,
            breaker: BreakerOptions::default(),
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
