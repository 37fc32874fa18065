//! The pages behind the links of digests. Nobody signs in here: the link is the right to release one message to its
//! recipient. Looking releases nothing, because programs look at links too; the button does.

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::list::{sender, subject};
use crate::quarantine::{LINK_PATH, LinkError, State as Fate};
use crate::web::console::Shared;
use crate::web::refusal::{Refusal, sentence};
use crate::web::{filters, layout, login};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route(&format!("{LINK_PATH}{{token}}"), get(look).post(release))
        .layer(DefaultBodyLimit::max(login::STRANGERS_FORM))
}

#[derive(Template)]
#[template(path = "quarantine_link.html", whitespace = "minimize")]
struct LinkPage {
    /// What the link leads to; `None` where it leads nowhere.
    offer: Option<Shown>,
    note: Option<&'static str>,
    problem: Option<String>,
}

struct Shown {
    subject: String,
    from: String,
    to: String,
    received: i64,
    size: u64,
    expires: i64,
    released: bool,
}

async fn look(
    State(console): State<Shared>,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    match console.services.quarantine.follow_link(&token).await {
        Err(error) => refused(error),
        Ok(offer) => {
            let entry = &offer.record.entry;
            let shown = Shown {
                subject: subject(&offer.record),
                from: sender(&offer.record),
                to: offer.recipient.text().to_owned(),
                received: entry.received.as_second(),
                size: entry.size,
                expires: offer.expires.as_second(),
                released: offer.state == Fate::Released,
            };
            page(StatusCode::OK, Some(shown), None, None)
        }
    }
}

async fn release(
    State(console): State<Shared>,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    let quarantine = console.services.quarantine.clone();
    // It comes to its end although the browser leaves.
    let done = tokio::spawn(async move { quarantine.release_by_link(&token).await });
    match done.await {
        Ok(Ok(_)) => {
            let note = "The message is on its way to your mailbox.";
            page(StatusCode::OK, None, Some(note), None)
        }
        Ok(Err(error)) => refused(error),
        Err(error) => Err(Refusal::internal("a link cannot be used", &error)),
    }
}

/// Strangers learn no more than that it does not work.
fn refused(error: LinkError) -> Result<Response, Refusal> {
    let (status, text) = match &error {
        LinkError::Invalid => (StatusCode::NOT_FOUND, sentence(&error)),
        LinkError::Expired | LinkError::Gone => (StatusCode::GONE, sentence(&error)),
        LinkError::Before => (StatusCode::CONFLICT, sentence(&error)),
        _ => {
            tracing::error!(%error, "a link of a digest did not work");
            let text = "This does not work now. Try again later.";
            (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
        }
    };
    page(status, None, None, Some(text))
}

fn page(
    status: StatusCode,
    offer: Option<Shown>,
    note: Option<&'static str>,
    problem: Option<String>,
) -> Result<Response, Refusal> {
    let page = layout::render(&LinkPage {
        offer,
        note,
        problem,
    })?;
    Ok((status, page).into_response())
}
