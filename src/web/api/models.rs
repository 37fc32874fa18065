//! The models of the classifier: which there are, which is in force, another one into force.

use axum::body::Bytes;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::super::Visitor;
use super::super::console::{Console, Shared};
use super::super::refusal::{Refusal, sentence};
use super::answer::{Json, Problem, read};
use crate::filter::bayes::Teacher;
use crate::workbench::promotion::{Candidate, How, promote as put};
use crate::workbench::registry::{Registry, RegistryError, Why};

/// Models that stay in the folder.
const KEEP: usize = 20;

/// A trial reads every pinned message, so one at a time.
static TURN: Semaphore = Semaphore::const_new(1);

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

/// Runs what reads and writes models off the async threads.
async fn off<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Problem(Refusal::internal("models", &e)))?
}

fn refused(error: &RegistryError) -> Problem {
    Problem(Refusal::Conflict(sentence(error)))
}

pub(super) async fn list(State(console): State<Shared>) -> Result<Json<Models>, Problem> {
    let teacher = teacher(&console)?;
    let (ham, spam) = teacher.learned();
    off(move || {
        let registry = Registry::of(teacher.model());
        let book = registry.book().map_err(|e| refused(&e))?;
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
        Ok(Json(Models {
            in_force: registry.live(),
            ham,
            spam,
            items: items.collect(),
            history: history.collect(),
        }))
    })
    .await
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

/// What became of it.
#[derive(Serialize)]
pub(super) struct Moved {
    model: String,
    from: Option<String>,
    in_force: bool,
    reason: String,
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
    let teacher = teacher(&console)?;
    let _turn = TURN.try_acquire().map_err(|_| Problem(Refusal::Busy))?;
    let moved = off(move || {
        let how = How {
            engine: teacher.kind(),
            force: wish.force,
            keep: KEEP,
        };
        let registry = Registry::of(teacher.model());
        let outcome = put(&registry, &Candidate::Known(model), how, &mut ());
        let outcome = outcome.map_err(|e| Problem(Refusal::Conflict(sentence(&e))))?;
        Ok(Moved {
            model: outcome.id,
            from: outcome.from,
            in_force: outcome.in_force,
            reason: outcome.trial.reason,
        })
    })
    .await?;
    let detail = if moved.in_force {
        "in force"
    } else {
        "kept aside"
    };
    console
        .record(&visitor.actor(), "promote", &moved.model, detail)
        .await;
    Ok(Json(moved))
}

pub(super) async fn rollback(
    State(console): State<Shared>,
    visitor: Visitor,
    body: Bytes,
) -> Result<Json<Moved>, Problem> {
    let wish: Back = read(&body)?;
    let teacher = teacher(&console)?;
    let _turn = TURN.try_acquire().map_err(|_| Problem(Refusal::Busy))?;
    let moved = off(move || {
        let registry = Registry::of(teacher.model());
        let back = || -> Result<Moved, RegistryError> {
            let mut changing = registry.change()?;
            let name = wish.model.as_deref().unwrap_or("previous");
            let id = registry.resolve(&changing.book, name)?;
            // What cannot be loaded would leave the daemon without a model.
            changing.load(&id)?;
            let from = registry.live();
            if from.as_deref() != Some(id.as_str()) {
                changing.put_in_force(&id, Why::RolledBack)?;
            }
            Ok(Moved {
                model: id,
                from,
                in_force: true,
                reason: "rolled back".to_owned(),
            })
        };
        back().map_err(|e| refused(&e))
    })
    .await?;
    console
        .record(&visitor.actor(), "rollback", &moved.model, "")
        .await;
    Ok(Json(moved))
}
