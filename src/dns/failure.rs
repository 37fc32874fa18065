//! Why a name could not be looked up. The text is ours alone: nothing of an answer is in it.

/// A look-up that gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    /// The class of failure.
    pub kind: Kind,
    /// What happened, for log and explanation; printable ASCII.
    pub detail: String,
}

/// Classes of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No resolver could be reached.
    Down,
    /// No answer in time.
    Timeout,
    /// The resolver said that it cannot tell (SERVFAIL, REFUSED), or something unreadable.
    Error,
}

impl Kind {
    /// The word used in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Down => "down",
            Kind::Timeout => "timeout",
            Kind::Error => "error",
        }
    }
}

impl Failure {
    /// No answer in time.
    pub fn timeout() -> Failure {
        Failure {
            kind: Kind::Timeout,
            detail: "no answer in time".to_owned(),
        }
    }

    /// An answer that says nothing.
    pub fn error(detail: impl Into<String>) -> Failure {
        Failure {
            kind: Kind::Error,
            detail: detail.into(),
        }
    }

    pub(super) fn down(detail: impl Into<String>) -> Failure {
        Failure {
            kind: Kind::Down,
            detail: detail.into(),
        }
    }
}
