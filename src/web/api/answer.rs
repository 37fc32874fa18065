//! Answers as JSON, and requests read from it.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::refusal::{Refusal, sentence};

/// An answer.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
            Err(error) => {
                Problem(Refusal::internal("an answer of the API", &error)).into_response()
            }
        }
    }
}

/// A refusal in the form of RFC 9457.
pub(super) struct Problem(pub(super) Refusal);

impl Problem {
    pub(super) fn not_found() -> Problem {
        Problem(Refusal::NotFound)
    }

    /// What was asked makes no sense.
    pub(super) fn invalid(why: &dyn std::fmt::Display) -> Problem {
        Problem(Refusal::Invalid(sentence(why)))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.0.json()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem(refusal)
    }
}

/// A page of a list.
#[derive(Serialize)]
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) items: Vec<T>,
    /// The `cursor` of the next one; null on the last.
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// The first `most` of what was found, each as `shown`; `cursor` is where the next page begins behind one.
    pub(super) fn of<F>(
        mut found: Vec<F>,
        most: usize,
        cursor: impl Fn(&F) -> String,
        shown: impl Fn(F) -> T,
    ) -> Page<T> {
        let more = found.len() > most;
        found.truncate(most);
        let next = found.last().filter(|_| more).map(cursor);
        Page {
            items: found.into_iter().map(shown).collect(),
            next,
        }
    }
}

/// A time in seconds since 1970, as answers write it; `None` where it is none that can be written.
pub(super) fn at(seconds: i64) -> Option<String> {
    Some(Timestamp::from_second(seconds).ok()?.to_string())
}

/// The body of a request; an empty one says nothing.
pub(super) fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|e| Problem::invalid(&e))
}

/// The query of a request, each name with its values.
pub(super) fn query<T: DeserializeOwned>(query: Option<&str>) -> Result<T, Problem> {
    let uri = format!("/?{}", query.unwrap_or_default());
    let uri: axum::http::Uri = uri.parse().map_err(|e| Problem::invalid(&e))?;
    let read = axum::extract::Query::try_from_uri(&uri);
    read.map(|query| query.0)
        .map_err(|e| Problem::invalid(&e.body_text()))
}
