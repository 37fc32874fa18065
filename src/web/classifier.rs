//! The classifier: the model in force, what it has learned since, the models that were, and which of them is to be.

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::access::Access;
use super::accounts::Role;
use super::console::{Console, Shared};
use super::layout::{self, Done, Page};
use super::readings::counts;
use super::refusal::{Refusal, sentence};
use super::{Visitor, filters};
use crate::config::{Config, FilterName};
use crate::workbench::promotion::{self, Candidate, How};
use crate::workbench::registry::{Book, Change, Entry, Pinned, Registry, Why};

/// Models that stay in the folder; `mailweir model promote` has the same default.
const KEPT: usize = 20;
/// Changes of the model in force that are shown.
const CHANGES: usize = 20;

/// One promotion at a time: it reads the whole validation set.
static PROMOTING: Mutex<()> = Mutex::const_new(());

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
}

#[derive(Template)]
#[template(path = "classifier.html")]
struct ClassifierPage {
    page: Page,
    is_in_chain: bool,
    engine: &'static str,
    /// Ham, spam and when it was trained.
    model: Option<(i64, i64, i64)>,
    /// Lessons since the start, in words.
    lessons: Vec<(String, u64)>,
    journal_bytes: u64,
    rows: Vec<ModelRow>,
    history: Vec<Change>,
    pinned: Option<Pinned>,
    /// The model in force lies there without having been promoted.
    is_foreign: bool,
    problem: Option<String>,
}

fn registry(config: &Config) -> Registry {
    Registry::of(&config.file.bayes.model_path(&config.base, &config.data_dir))
}

async fn show(
    State(console): State<Shared>,
    visitor: Visitor,
    Query(done): Query<Done>,
) -> Result<Html<String>, Refusal> {
    let note = match done.done.as_str() {
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
    render(&console, page).await
}

async fn render(console: &Console, page: Page) -> Result<Html<String>, Refusal> {
    let engine = console.services.engine.load_full();
    let config = engine.config().ok_or(Refusal::NotFound)?;
    let models = registry(config);
    let looked = tokio::task::spawn_blocking(move || {
        let exists = models.pointer().exists();
        (models.book(), models.live(), exists)
    });
    let looked = looked.await;
    let (book, live, exists) =
        looked.map_err(|error| Refusal::internal("models cannot be looked at", &error))?;
    let (book, problem) = match book {
        Ok(book) => (book, None),
        Err(error) => (Book::default(), Some(sentence(&error))),
    };
    let previous = live.as_deref().and_then(|live| book.before(live));
    let metrics = &console.services.metrics;
    let trained = metrics.model_trained.get() as i64;
    let learned = |class: &str| metrics.model_messages.with_label_values(&[class]).get();
    let lessons = counts(&metrics.lessons).into_iter().filter(|(_, n)| *n > 0);
    let lessons = lessons.map(|(labels, n)| {
        let of = |name: &str| labels.get(name).cloned().unwrap_or_default();
        (format!("{} by {}", of("lesson"), of("origin")), n)
    });
    layout::render(&ClassifierPage {
        page,
        is_in_chain: config.chain.contains(&FilterName::Bayes),
        engine: config.file.bayes.engine.name(),
        model: (trained > 0).then(|| (learned("ham"), learned("spam"), trained)),
        lessons: lessons.collect(),
        journal_bytes: u64::try_from(metrics.journal_bytes.get()).unwrap_or(0),
        is_foreign: live.is_none() && exists,
        rows: rows(&book, live.as_deref(), previous.as_deref()),
        history: book.history.iter().rev().take(CHANGES).cloned().collect(),
        pinned: book.pinned,
        problem,
    })
}

fn rows(book: &Book, live: Option<&str>, previous: Option<&str>) -> Vec<ModelRow> {
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
            entry: entry.clone(),
        }
    };
    book.models.iter().rev().map(row).collect()
}

#[derive(Deserialize)]
struct Chosen {
    model: String,
}

/// What was changed, for the audit log.
async fn changed(console: &Console, visitor: &Visitor, action: &str, id: &str, detail: &str) {
    console.record(&visitor.actor(), action, id, detail).await;
    tracing::info!(model = ?id, user = ?visitor.name, address = %visitor.address, "console: {action}");
}

async fn promote(
    State(console): State<Shared>,
    visitor: Visitor,
    Form(chosen): Form<Chosen>,
) -> Result<Result<Redirect, Html<String>>, Refusal> {
    let busy = "Another model is being tried: wait for it to end.";
    let _turn = PROMOTING
        .try_lock()
        .map_err(|_| Refusal::Conflict(busy.to_owned()))?;
    let engine = console.services.engine.load_full();
    let config = engine.config().ok_or(Refusal::NotFound)?;
    let models = registry(config);
    let how = How {
        engine: config.file.bayes.engine,
        force: false,
        keep: KEPT,
    };
    let candidate = Candidate::Known(chosen.model);
    let tried =
        tokio::task::spawn_blocking(move || promotion::promote(&models, &candidate, how, &mut ()));
    let tried = tried.await;
    let tried = tried.map_err(|error| Refusal::internal("a model cannot be promoted", &error))?;
    let outcome = tried.map_err(|error| Refusal::Conflict(sentence(&error)))?;
    let reason = &outcome.trial.reason;
    if outcome.in_force && outcome.from.as_ref() != Some(&outcome.id) {
        changed(&console, &visitor, "model.promote", &outcome.id, reason).await;
        return Ok(Ok(Redirect::to("/classifier?done=promoted")));
    }
    if outcome.in_force {
        return Ok(Ok(Redirect::to("/classifier?done=already")));
    }
    changed(&console, &visitor, "model.trial", &outcome.id, reason).await;
    let page = Page::new("Classifier", "/classifier", &visitor)
        .with_problem(format!("{} is kept aside: {reason}", outcome.id));
    Ok(Err(render(&console, page).await?))
}

async fn rollback(
    State(console): State<Shared>,
    visitor: Visitor,
    Form(chosen): Form<Chosen>,
) -> Result<Redirect, Refusal> {
    let engine = console.services.engine.load_full();
    let config = engine.config().ok_or(Refusal::NotFound)?;
    let models = registry(config);
    let back = tokio::task::spawn_blocking(move || {
        let mut changing = models.change()?;
        let id = models.resolve(&changing.book, &chosen.model)?;
        // What cannot be loaded would leave the daemon without a model.
        changing.load(&id)?;
        let already = models.live().as_deref() == Some(id.as_str());
        if !already {
            changing.put_in_force(&id, Why::RolledBack)?;
        }
        Ok::<_, crate::workbench::registry::RegistryError>((id, already))
    });
    let back = back.await;
    let back = back.map_err(|error| Refusal::internal("a model cannot be put back", &error))?;
    let (id, already) = back.map_err(|error| Refusal::Conflict(sentence(&error)))?;
    if already {
        return Ok(Redirect::to("/classifier?done=already"));
    }
    changed(&console, &visitor, "model.rollback", &id, "").await;
    Ok(Redirect::to("/classifier?done=rolledback"))
}
