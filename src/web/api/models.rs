//! The models of the classifier: which there are, which is in force, another one into force.

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use super::super::Visitor;
use super::super::console::{Console, Shared};
use super::super::models::{self, Lessons, Moved};
use super::super::refusal::{Refusal, sentence};
use super::answer::{Json, Problem, read};
use crate::filter::bayes::Teacher;
use crate::workbench::registry::{Evaluated, RegistryError, Why};

/// All models.
#[derive(Serialize)]
pub(super) struct Models {
    in_force: Option<String>,
    /// Messages learned into the model in force, lessons since included.
    ham: u64,
    spam: u64,
    items: Vec<ModelKnown>,
    /// Which came into force when.
    history: Vec<Changed>,
    /// What every new model is tried on.
    pinned: Option<PinnedSet>,
    /// Lessons since the start of the daemon, by what they teach and who taught.
    lessons: Vec<Lessons>,
    /// Bytes of lessons that are not in the model yet.
    journal_bytes: i64,
}

/// Messages that every new model is tried on.
#[derive(Serialize)]
struct PinnedSet {
    at: i64,
    ham: usize,
    spam: usize,
}

#[derive(Serialize)]
struct ModelKnown {
    id: String,
    engine: String,
    trained_at: u64,
    ham: u64,
    spam: u64,
    added_at: i64,
    /// What the trial said, where there was one.
    passed: Option<bool>,
    reason: Option<String>,
}

#[derive(Serialize)]
struct Changed {
    at: i64,
    from: Option<String>,
    to: String,
    why: Why,
}

fn teacher(console: &Console) -> Result<Teacher, Problem> {
    let teacher = console.services.engine.load().teacher();
    let absent = "The filter bayes is not in the chain.".to_owned();
    teacher.ok_or(Problem(Refusal::Conflict(absent)))
}

pub(super) async fn list(State(console): State<Shared>) -> Result<Json<Models>, Problem> {
    let teacher = teacher(&console)?;
    let (ham, spam) = teacher.learned();
    let (registry, _) = models::registry(&console)?;
    let journal_bytes = console.services.metrics.journal_bytes.get();
    let lessons = models::lessons(&console);
    let look = move || {
        let book = registry.book()?;
        let items = book.models.into_iter().map(|model| ModelKnown {
            id: model.id,
            engine: model.engine,
            trained_at: model.trained_at,
            ham: model.ham,
            spam: model.spam,
            added_at: model.added_at,
            passed: model.trial.as_ref().map(|trial| trial.passed),
            reason: model.trial.map(|trial| trial.reason),
        });
        let history = book.history.into_iter().map(|change| Changed {
            at: change.at,
            from: change.from,
            to: change.to,
            why: change.why,
        });
        Ok::<_, RegistryError>(Models {
            in_force: registry.live(),
            ham,
            spam,
            items: items.collect(),
            history: history.collect(),
            pinned: book.pinned.map(|pinned| PinnedSet {
                at: pinned.at,
                ham: pinned.ham,
                spam: pinned.spam,
            }),
            lessons,
            journal_bytes,
        })
    };
    let looked = tokio::task::spawn_blocking(look).await;
    let looked = looked.map_err(|e| Refusal::internal("models", &e))?;
    Ok(Json(looked.map_err(|e| Refusal::Conflict(sentence(&e)))?))
}

/// How well a model did when it was trained.
pub(super) async fn evaluation(
    State(console): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Evaluated>, Problem> {
    let (registry, _) = models::registry(&console)?;
    let look = move || {
        let book = registry.book()?;
        match book.entry(&id) {
            Some(model) => registry.evaluated(&model.id),
            None => Ok(None),
        }
    };
    let looked = tokio::task::spawn_blocking(look).await;
    let looked = looked.map_err(|e| Refusal::internal("models", &e))?;
    let found = looked.map_err(|e: RegistryError| Refusal::Conflict(sentence(&e)))?;
    Ok(Json(found.ok_or(Refusal::NotFound)?))
}

/// Which model to go back to.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Back {
    /// Its id, or the beginning of it; the one before where nothing is said.
    model: Option<String>,
}

/// Which model to put into force.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    /// Its id, or the beginning of it.
    model: Option<String>,
    /// Whatever the trial says.
    force: bool,
}

pub(super) async fn promote(
    State(console): State<Shared>,
    visitor: Visitor,
    body: Bytes,
) -> Result<Json<Moved>, Problem> {
    let wish: Wish = read(&body)?;
    let Some(model) = wish.model else {
        return Err(Problem::invalid(
            &"`model` is missing: the id of one of /api/v1/models",
        ));
    };
    teacher(&console)?;
    let moved = models::promote(&console, &visitor, model, wish.force).await?;
    Ok(Json(moved))
}

pub(super) async fn rollback(
    State(console): State<Shared>,
    visitor: Visitor,
    body: Bytes,
) -> Result<Json<Moved>, Problem> {
    let wish: Back = read(&body)?;
    teacher(&console)?;
    let moved = models::rollback(&console, &visitor, wish.model).await?;
    Ok(Json(moved))
}
