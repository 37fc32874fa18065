//! The classifier: the model in force, what it has learned since, the models that were, and which of them is to be.

mod plots;

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::access::Access;
use super::accounts::Role;
use super::console::{Console, Shared};
use super::filters;
use super::layout::{self, Answer, Look, Page, Sent};
use super::models::{self, Lessons};
use super::refusal::{Refusal, sentence};
use crate::config::FilterName;
use crate::workbench::registry::{Book, Change, Entry, Pinned, Registry};
use plots::Plots;

/// Changes of the model in force that are shown.
const CHANGES: usize = 20;

pub(super) fn routes(access: &Access) -> Router<Shared> {
    let look = Router::new().route("/classifier", get(show));
    let change = Router::new()
        .route("/classifier/promote", post(promote))
        .route("/classifier/rollback", post(rollback));
    access
        .allow(Role::Viewer, look)
        .merge(access.allow(Role::Admin, change))
}

/// A model of the folder.
#[derive(Debug)]
struct ModelRow {
    entry: Entry,
    state: (&'static str, &'static str),
    is_live: bool,
    /// Whether a rollback to it makes sense: it was in force.
    was_live: bool,
    /// Whether it is known what its training came to.
    is_evaluated: bool,
}

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    done: String,
    /// The model whose evaluation is to be shown.
    model: String,
}

#[derive(Template)]
#[template(path = "classifier.html")]
struct ClassifierPage {
    page: Page,
    is_in_chain: bool,
    engine: &'static str,
    /// Ham, spam and when it was trained.
    model: Option<(i64, i64, i64)>,
    lessons: Vec<Lessons>,
    journal_bytes: u64,
    folder: Folder,
}

async fn show((State(console), visitor, Query(asked)): Look<Asked>) -> Answer {
    let note = match asked.done.as_str() {
        "promoted" => {
            Some("The model is in force; the daemon takes it when it next looks for changes.")
        }
        "rolledback" => {
            Some("The model is in force again; the daemon takes it when it next looks for changes.")
        }
        "already" => Some("This model is in force already."),
        _ => None,
    };
    let page = Page::new("Classifier", "/classifier", &visitor).with_note(note);
    render(&console, page, asked.model).await
}

async fn render(console: &Console, page: Page, wanted: String) -> Answer {
    let engine = console.services.engine.load_full();
    let config = engine.config().ok_or(Refusal::NotFound)?;
    let (models, kind) = models::registry(console)?;
    let folder = tokio::task::spawn_blocking(move || Folder::look(&models, &wanted)).await;
    let folder = folder.map_err(|error| Refusal::internal("models cannot be looked at", &error))?;
    let metrics = &console.services.metrics;
    let trained = metrics.model_trained.get() as i64;
    let learned = |class: &str| metrics.model_messages.with_label_values(&[class]).get();
    layout::render(&ClassifierPage {
        page,
        is_in_chain: config.chain.contains(&FilterName::Bayes),
        engine: kind.name(),
        model: (trained > 0).then(|| (learned("ham"), learned("spam"), trained)),
        lessons: models::lessons(console),
        journal_bytes: u64::try_from(metrics.journal_bytes.get()).unwrap_or(0),
        folder,
    })
}

/// What the folder of models tells.
#[derive(Debug, Default)]
struct Folder {
    rows: Vec<ModelRow>,
    plots: Option<Plots>,
    history: Vec<Change>,
    pinned: Option<Pinned>,
    /// The model in force lies there without having been promoted.
    is_foreign: bool,
    /// Why its book cannot be read.
    problem: Option<String>,
}

impl Folder {
    /// Reads it; `wanted` is the model whose evaluation is to be shown, or empty.
    fn look(models: &Registry, wanted: &str) -> Folder {
        let live = models.live();
        let is_foreign = live.is_none() && models.pointer().exists();
        match models.book() {
            Ok(book) => Folder {
                is_foreign,
                rows: rows(models, &book, live.as_deref()),
                plots: Plots::of(models, &book, live.as_deref(), wanted),
                history: book.history.iter().rev().take(CHANGES).cloned().collect(),
                pinned: book.pinned,
                problem: None,
            },
            Err(error) => Folder {
                is_foreign,
                problem: Some(sentence(&error)),
                ..Folder::default()
            },
        }
    }
}

fn rows(models: &Registry, book: &Book, live: Option<&str>) -> Vec<ModelRow> {
    let previous = live.and_then(|live| book.before(live));
    let previous = previous.as_deref();
    let row = |entry: &Entry| {
        let id = Some(entry.id.as_str());
        let was_live = book.history.iter().any(|change| change.to == entry.id);
        ModelRow {
            state: match &entry.trial {
                _ if id == live => ("in force", "good"),
                _ if id == previous => ("before", ""),
                Some(trial) if !trial.passed => ("kept aside", "warn"),
                Some(_) => ("was in force", ""),
                None => ("not tried", ""),
            },
            is_live: id == live,
            was_live,
            is_evaluated: models.is_evaluated(&entry.id),
            entry: entry.clone(),
        }
    };
    book.models.iter().rev().map(row).collect()
}

#[derive(Deserialize)]
struct Chosen {
    model: String,
}

async fn promote(
    (State(console), visitor, Form(chosen)): Sent<Chosen>,
) -> Result<Response, Refusal> {
    let moved = models::promote(&console, &visitor, chosen.model, false).await?;
    if !moved.in_force {
        let why = format!("{} is kept aside: {}", moved.model, moved.reason);
        let page = Page::new("Classifier", "/classifier", &visitor).with_problem(why);
        let page = render(&console, page, String::new()).await?;
        return Ok(page.into_response());
    }
    let done = if moved.is_same() {
        "already"
    } else {
        "promoted"
    };
    Ok(Redirect::to(&format!("/classifier?done={done}")).into_response())
}

async fn rollback(
    (State(console), visitor, Form(chosen)): Sent<Chosen>,
) -> Result<Redirect, Refusal> {
    let moved = models::rollback(&console, &visitor, Some(chosen.model)).await?;
    let done = if moved.is_same() {
        "already"
    } else {
        "rolledback"
    };
    Ok(Redirect::to(&format!("/classifier?done={done}")))
}
