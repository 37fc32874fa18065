//! The `history` section of the configuration, as written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{ByteSize, Findings, Seconds, unwritten};

/// Shortest time that messages may be kept.
const LEAST_KEEP: Seconds = Seconds::new(3600);
/// Longest, ten years.
const MOST_KEEP: Seconds = Seconds::new(3653 * 86_400);
/// Smallest size.
const LEAST_SIZE: ByteSize = ByteSize::mib(16);
/// Largest size: 1 TiB.
const MOST_SIZE: ByteSize = ByteSize::mib(1 << 20);

/// Whether and how long verdicts are kept; every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Whether a history is kept at all. Default true.
    pub enabled: bool,
    /// Whether what filters heard from outside is kept with each message, for `mailweir replay`. Default true.
    pub answers: bool,
    /// How long a message stays in it. Default 30d.
    pub keep: Spanned<Seconds>,
    /// Bytes that it may use on the disk; past them the oldest messages go. Default 2GiB.
    pub size: Spanned<ByteSize>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            enabled: true,
            answers: true,
            keep: unwritten(Seconds::new(30 * 86_400)),
            size: unwritten(ByteSize(2 << 30)),
        }
    }
}

impl Options {
    /// Adds what is wrong with the values.
    pub(crate) fn check(&self, findings: &mut Findings<'_>) {
        if !(LEAST_KEEP..=MOST_KEEP).contains(&self.keep.value) {
            findings.wrong(&self.keep, "history.keep must be between 1h and 3653d");
        }
        if !(LEAST_SIZE..=MOST_SIZE).contains(&self.size.value) {
            findings.wrong(&self.size, "history.size must be between 16MiB and 1024GiB");
        }
    }
}
