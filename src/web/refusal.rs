//! Why a request is not answered with what it asked for.

use std::time::Duration;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::accounts::AccountError;

/// The reasons.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nobody has signed in, or the session has ended.
    SignIn,
    /// The role does not suffice, or the request comes from elsewhere.
    Forbidden(&'static str),
    /// There is no such thing.
    NotFound,
    /// What was asked makes no sense; the text says what to do. It is escaped when it is shown.
    Invalid(String),
    /// Something stands against it; the text says what. It is escaped when it is shown.
    Conflict(String),
    /// Longer than so many bytes.
    TooLarge(usize),
    /// Not yet.
    Wait(Duration),
    /// Too much is going on.
    Busy,
    /// Something that is needed cannot be used now; the text says what. It is escaped when it is shown.
    Unavailable(String),
    /// Our fault; the log has it.
    Internal,
}

impl Refusal {
    /// What is not the visitor's fault goes to the log, and the page only says that it is there.
    pub(super) fn internal(what: &str, error: &dyn std::fmt::Display) -> Refusal {
        tracing::error!(%error, "console: {what}");
        Refusal::Internal
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refusal::SignIn => StatusCode::UNAUTHORIZED,
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::NotFound => StatusCode::NOT_FOUND,
            Refusal::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Conflict(_) => StatusCode::CONFLICT,
            Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Busy | Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One sentence for the visitor.
    pub(super) fn text(&self) -> String {
        match self {
            Refusal::SignIn => "Nobody has signed in, or the session has ended.".to_owned(),
            Refusal::Forbidden(why) => (*why).to_owned(),
            Refusal::NotFound => "There is nothing here, or not any more.".to_owned(),
            Refusal::Invalid(why) | Refusal::Conflict(why) | Refusal::Unavailable(why) => {
                why.clone()
            }
            Refusal::TooLarge(most) => format!("More than {most} bytes are not taken here."),
            Refusal::Wait(wait) => format!(
                "Too many failed attempts. Try again in {} seconds.",
                seconds(*wait)
            ),
            Refusal::Busy => "Too much is going on. Try again in a moment.".to_owned(),
            Refusal::Internal => "This did not work; the log says why.".to_owned(),
        }
    }

    /// The answer to a program (RFC 9457).
    pub(super) fn json(&self) -> Response {
        let status = self.status();
        let body = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": self.text(),
        })
        .to_string();
        let json = [(header::CONTENT_TYPE, "application/problem+json")];
        self.finish((self.status(), json, body).into_response())
    }

    fn finish(&self, mut response: Response) -> Response {
        if let Refusal::Wait(wait) = self
            && let Ok(value) = HeaderValue::from_str(&seconds(*wait).to_string())
        {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Refusal {
        match error {
            AccountError::File { .. } | AccountError::Database(_) | AccountError::Random => {
                Refusal::internal("accounts", &error)
            }
            AccountError::Busy => Refusal::Busy,
            AccountError::Absent(_) | AccountError::Spent => Refusal::Conflict(sentence(&error)),
            AccountError::Taken | AccountError::LastAdmin | AccountError::TooMany { .. } => {
                Refusal::Conflict(sentence(&error))
            }
            AccountError::KeptOut | AccountError::Foreign | AccountError::Unknown => {
                Refusal::Conflict(sentence(&error))
            }
            AccountError::Name(_) | AccountError::Password(_) => Refusal::Invalid(sentence(&error)),
        }
    }
}

/// Error texts begin small, to stand behind others.
pub(super) fn sentence(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => text,
    }
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage {
    status: u16,
    title: &'static str,
    text: String,
    sign_in: bool,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let page = RefusalPage {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error"),
            text: self.text(),
            sign_in: matches!(self, Refusal::SignIn),
        };
        let response = match page.render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => (status, self.text()).into_response(),
        };
        self.finish(response)
    }
}
