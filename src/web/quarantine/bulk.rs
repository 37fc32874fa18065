//! What is done to several messages: those that are ticked, or all that a search finds. The latter is asked once more,
//! with their number, and only done when the search still finds the same messages.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::act::{Act, Fields, value};
use super::asked::Asked;
use super::chosen::{Chosen, Done};
use crate::quarantine::QuarantineError;
use crate::web::filters;
use crate::web::layout::{self, Page, Sent};
use crate::web::refusal::Refusal;

#[derive(Template)]
#[template(path = "quarantine_bulk.html", whitespace = "minimize")]
struct BulkPage {
    page: Page,
    /// The number that is asked about; `None` once it is done.
    asked: Option<u64>,
    /// What stands for the messages that are asked about.
    digest: String,
    /// Too many to be worked on.
    most: Option<u32>,
    act: String,
    learn: bool,
    word: &'static str,
    danger: bool,
    pairs: Vec<(String, String)>,
    back: String,
    result: Done,
}

/// What the buttons below the list say.
fn act(fields: &Fields) -> Result<(Act, &'static str), Refusal> {
    let learn = value(fields, "learn") == "1";
    match value(fields, "act") {
        "release" => {
            let to = Vec::new();
            Ok((Act::Release { to, learn }, "Release"))
        }
        "delete" => Ok((Act::Delete { learn }, "Delete")),
        "forward" => {
            let note = String::new();
            Ok((Act::Forward { to: None, note }, "Forward"))
        }
        _ => Err(Refusal::Invalid("Choose what is to be done.".to_owned())),
    }
}

pub(super) async fn bulk(
    (State(console), visitor, Form(fields)): Sent<Fields>,
) -> Result<Response, Refusal> {
    let (act, word) = act(&fields)?;
    let asked = Asked::of_form(&fields);
    let quarantine = &console.services.quarantine;
    let mut page = BulkPage {
        page: Page::new("Quarantine", "/quarantine/", &visitor),
        asked: None,
        digest: String::new(),
        most: None,
        act: value(&fields, "act").to_owned(),
        learn: matches!(
            act,
            Act::Release { learn: true, .. } | Act::Delete { learn: true }
        ),
        word,
        danger: matches!(act, Act::Delete { .. }),
        pairs: asked
            .pairs()
            .into_iter()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect(),
        back: asked.path(asked.order(), None),
        result: Done::default(),
    };
    let chosen = if value(&fields, "all") == "1" {
        match Chosen::by(quarantine, &asked.filter()?).await {
            Err(QuarantineError::TooMany { found, most }) => {
                page.asked = Some(found);
                page.most = Some(most);
                return Ok(layout::render(&page)?.into_response());
            }
            chosen => {
                let chosen = chosen?;
                page.digest = chosen.digest();
                if value(&fields, "confirmed") != page.digest {
                    page.asked = Some(chosen.count() as u64);
                    return Ok(layout::render(&page)?.into_response());
                }
                chosen
            }
        }
    } else {
        let ticked = fields.iter().filter(|(key, _)| key == "id");
        Chosen::ticked(ticked.map(|(_, id)| id.as_str()))
    };
    if chosen.count() == 0 {
        return Err(Refusal::Invalid("No message is chosen.".to_owned()));
    }
    page.result = chosen.run(&act, &console, &visitor).await;
    Ok(layout::render(&page)?.into_response())
}
