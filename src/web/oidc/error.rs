//! What can go wrong with a sign-in by the provider, by whose fault.

use axum::http::StatusCode;

use crate::web::accounts::AccountError;
use crate::web::refusal::sentence;

/// Why a sign-in by the provider came to nothing. The texts are for the log, and hold words of the provider only where
/// they are written out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OidcError {
    /// No answer, or none in time.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// The answer is none that a provider gives.
    #[error("the provider's answer does not serve: {0}")]
    Answer(String),
    /// The ID token does not show who that is.
    #[error("the ID token does not hold: {0}")]
    Token(String),
    /// The token is signed with a key that we do not know.
    #[error("the ID token is signed with a key that the provider does not show")]
    UnknownKey,
    /// What came back was not sent for by this browser, or was used before.
    #[error("this browser has begun no such sign-in, or has ended it already")]
    Journey,
    /// The provider has sent somebody back without saying who that is.
    #[error("the provider has not signed anybody in: {0}")]
    Denied(String),
    /// Somebody who is known, and may not.
    #[error("{0}")]
    Refused(String),
    /// Our own fault.
    #[error("accounts: {0}")]
    Internal(String),
    /// Too many sign-ins at one time.
    #[error("too many sign-ins at one time")]
    Busy,
}

impl OidcError {
    /// The label `result` of `mailweir_console_logins_total`.
    pub(super) fn result(&self) -> &'static str {
        match self {
            OidcError::Unreachable(_)
            | OidcError::Answer(_)
            | OidcError::Internal(_)
            | OidcError::Busy => "failed",
            OidcError::Refused(_) => "refused",
            _ => "wrong",
        }
    }

    /// The status of the page that tells of it.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            OidcError::Unreachable(_) | OidcError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            OidcError::Answer(_) | OidcError::Token(_) | OidcError::UnknownKey => {
                StatusCode::BAD_GATEWAY
            }
            OidcError::Refused(_) => StatusCode::FORBIDDEN,
            OidcError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            OidcError::Journey | OidcError::Denied(_) => StatusCode::UNAUTHORIZED,
        }
    }

    /// What the page says; `label` is what the provider is called there.
    pub(super) fn text(&self, label: &str) -> String {
        match self {
            OidcError::Unreachable(_) => format!(
                "You were not signed in by {label}: it cannot be reached at the moment; the log says why. Users with a password can sign in here."
            ),
            OidcError::Answer(_) | OidcError::Token(_) | OidcError::UnknownKey => format!(
                "You were not signed in by {label}: its answer cannot be trusted; the log says why. Users with a password can sign in here."
            ),
            OidcError::Journey => {
                "This sign-in was not begun in this browser, took too long, or has ended already. Try again.".to_owned()
            }
            OidcError::Denied(_) => format!("You were not signed in by {label}."),
            OidcError::Refused(why) => sentence(why),
            OidcError::Internal(_) => "This did not work; the log says why.".to_owned(),
            OidcError::Busy => "Too many people sign in at this moment. Try again.".to_owned(),
        }
    }
}

impl From<AccountError> for OidcError {
    fn from(error: AccountError) -> OidcError {
        let text = error.to_string();
        match error {
            AccountError::Name(_) => OidcError::Refused(format!(
                "your name at the provider does not serve here: {text}"
            )),
            AccountError::KeptOut
            | AccountError::Foreign
            | AccountError::Unknown
            | AccountError::TooMany { .. } => OidcError::Refused(text),
            AccountError::Busy => OidcError::Busy,
            _ => OidcError::Internal(text),
        }
    }
}
