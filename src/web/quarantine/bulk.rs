//! What is done to several messages: those that are ticked, or all that a search finds. The latter is asked once more,
//! with their number, and only done when it still is that number.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::act::{Act, Fields, value};
use super::asked::Asked;
use crate::quarantine::QuarantineError;
use crate::web::filters;
use crate::web::layout::{self, Page, Sent};
use crate::web::refusal::{Refusal, sentence};

/// Messages that are worked on at one time.
const MOST: u32 = 1_000;
/// Failures that are listed.
const LISTED: usize = 50;

#[derive(Template)]
#[template(path = "quarantine_bulk.html", whitespace = "minimize")]
struct BulkPage {
    page: Page,
    /// The number that is asked about; `None` once it is done.
    asked: Option<u64>,
    /// Too many to be worked on.
    most: Option<u32>,
    act: String,
    learn: bool,
    word: &'static str,
    danger: bool,
    pairs: Vec<(String, String)>,
    back: String,
    done: usize,
    failed: usize,
    failures: Vec<(String, String)>,
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
        done: 0,
        failed: 0,
        failures: Vec::new(),
    };
    let ids: Vec<String> = if value(&fields, "all") == "1" {
        let filter = asked.filter()?;
        let found = quarantine.matching(&filter).await?;
        match quarantine.choose(&filter, MOST).await {
            Err(QuarantineError::TooMany { found, most }) => {
                page.asked = Some(found);
                page.most = Some(most);
                return Ok(layout::render(&page)?.into_response());
            }
            chosen => {
                let ids = chosen?;
                if value(&fields, "confirmed").parse::<usize>() != Ok(ids.len()) {
                    page.asked = Some(found);
                    return Ok(layout::render(&page)?.into_response());
                }
                ids
            }
        }
    } else {
        let ticked = fields.iter().filter(|(key, _)| key == "id");
        ticked
            .map(|(_, id)| id.to_ascii_uppercase())
            .take(MOST as usize)
            .collect()
    };
    if ids.is_empty() {
        return Err(Refusal::Invalid("No message is chosen.".to_owned()));
    }
    for id in ids {
        match act.run(&console, &visitor, &id).await {
            Ok(_) => page.done += 1,
            Err(why) => {
                page.failed += 1;
                if page.failures.len() < LISTED {
                    page.failures.push((id, sentence(&why)));
                }
            }
        }
    }
    Ok(layout::render(&page)?.into_response())
}
