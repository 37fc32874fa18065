//! What a service that the configuration names says when it is asked whether it works: for `mailweir check`,
//! never on the way of a message.

/// A service and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The service as the configuration calls it; where it has a name that hides a key, the name.
    pub service: String,
    /// What it says of itself, one printable line, if it answers as it should.
    pub answer: Result<String, ProbeError>,
}

/// Why a service cannot be used: one line, printable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProbeError(pub(crate) String);
