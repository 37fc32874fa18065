//! What becomes of a message that a filter could not check: chosen by the admin, for each reason.

use serde::Deserialize;

use super::{Action, Reason};

/// What to do with a message that was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureAction {
    /// Go on; header, metric and explanation say that the message was not checked.
    Deliver,
    /// Hold it back.
    Quarantine,
    /// Refuse for now; the sender tries again later.
    Tempfail,
}

impl FailureAction {
    /// The action of the verdict that it asks for.
    pub fn action(self) -> Action {
        match self {
            FailureAction::Deliver => Action::Deliver,
            FailureAction::Quarantine => Action::Quarantine,
            FailureAction::Tempfail => Action::Tempfail,
        }
    }
}

/// The `on_failure` section of a filter as written: what is absent keeps the filter's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OnFailure {
    /// The service could not be reached.
    pub down: Option<FailureAction>,
    /// No answer in time.
    pub timeout: Option<FailureAction>,
    /// Larger than the filter or its service takes.
    pub too_large: Option<FailureAction>,
    /// A limit inside the message was reached.
    pub limit: Option<FailureAction>,
    /// Encrypted content.
    pub encrypted: Option<FailureAction>,
    /// An error, or an answer that is none.
    pub error: Option<FailureAction>,
    /// Nothing found, by knowledge too old to rely on.
    pub outdated: Option<FailureAction>,
}

impl OnFailure {
    /// The written policy over a default that is the same for every reason.
    pub fn over(self, default: FailureAction) -> FailurePolicy {
        FailurePolicy {
            down: self.down.unwrap_or(default),
            timeout: self.timeout.unwrap_or(default),
            too_large: self.too_large.unwrap_or(default),
            limit: self.limit.unwrap_or(default),
            encrypted: self.encrypted.unwrap_or(default),
            error: self.error.unwrap_or(default),
            outdated: self.outdated.unwrap_or(default),
        }
    }
}

/// The failure policy of a filter, complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailurePolicy {
    down: FailureAction,
    timeout: FailureAction,
    too_large: FailureAction,
    limit: FailureAction,
    encrypted: FailureAction,
    error: FailureAction,
    outdated: FailureAction,
}

impl FailurePolicy {
    /// What to do for that reason.
    pub fn for_reason(&self, reason: Reason) -> FailureAction {
        match reason {
            Reason::Down => self.down,
            Reason::Timeout => self.timeout,
            Reason::TooLarge => self.too_large,
            Reason::Limit => self.limit,
            Reason::Encrypted => self.encrypted,
            Reason::Error => self.error,
            Reason::Outdated => self.outdated,
        }
    }
}
