//! The durable store of messages that were held back.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::mail::Envelope;
use crate::verdict::Verdict;

/// One message to be held back.
#[derive(Clone, Debug)]
pub struct Entry {
    id: String,
}

impl Entry {
    /// An entry.
    pub fn new(
        id: &str,
        received: Timestamp,
        envelope: &Envelope,
        subject: &str,
        verdict: &Verdict,
        bytes: usize,
    ) -> Entry {
        let _ = (received, envelope, subject, verdict, bytes);
        Entry { id: id.to_owned() }
    }
}

/// What a mark of release is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeem {
    /// The message passes.
    Pass,
    /// The mark is not good: why.
    Refused(&'static str),
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// The file system.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Options.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {}

/// The store.
#[derive(Debug, Default)]
pub struct Quarantine {}

impl Quarantine {
    /// Opens the store.
    pub async fn open(
        _: &Options,
        _: &std::path::Path,
        _: Arc<crate::metrics::Metrics>,
    ) -> Result<Quarantine, QuarantineError> {
        Ok(Quarantine {})
    }

    /// Applies the retention.
    pub async fn expire(&self, _: Timestamp) -> Result<(), QuarantineError> {
        Ok(())
    }

    /// Makes a message durable.
    pub async fn store(self: &Arc<Self>, entry: &Entry, raw: Bytes) -> Result<(), QuarantineError> {
        let _ = (&entry.id, raw);
        Ok(())
    }

    /// Checks a mark of release and uses it up.
    pub async fn redeem(&self, mark: &str, raw: &Bytes) -> Result<Redeem, QuarantineError> {
        let _ = (mark, raw);
        Ok(Redeem::Refused("unknown"))
    }
}
