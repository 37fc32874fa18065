//! Another model into force, by a page or by the API: one change at a time, in the audit log and in the log.

use serde::Serialize;
use tokio::sync::Semaphore;

use super::Visitor;
use super::console::Console;
use super::readings::counts;
use super::refusal::{Refusal, sentence};
use crate::filter::bayes::EngineKind;
use crate::workbench::promotion::{self, Candidate, How};
use crate::workbench::registry::Registry;

/// Models that stay in the folder; `mailweir model promote` has the same default.
const KEPT: usize = 20;

/// A trial reads the whole validation set, so one at a time.
static TURN: Semaphore = Semaphore::const_new(1);

/// What became of a model that was to come into force.
#[derive(Debug, Serialize)]
pub(super) struct Moved {
    /// Its id.
    pub(super) model: String,
    /// The model that was in force before.
    pub(super) from: Option<String>,
    /// Whether it is in force now.
    pub(super) in_force: bool,
    /// Why, or why not.
    pub(super) reason: String,
}

impl Moved {
    /// Whether it was in force before.
    pub(super) fn is_same(&self) -> bool {
        self.in_force && self.from.as_ref() == Some(&self.model)
    }
}

/// Lessons since the start, of one kind and origin.
#[derive(Debug, Serialize)]
pub(super) struct Lessons {
    /// `ham`, `spam` or `forget`.
    pub(super) lesson: String,
    /// `human` or `auto`.
    pub(super) origin: String,
    /// How many were applied to the model in force.
    pub(super) count: u64,
}

/// The lessons since the start; kinds of which there were none are left out.
pub(super) fn lessons(console: &Console) -> Vec<Lessons> {
    let all = counts(&console.services.metrics.lessons).into_iter();
    let taught = all.filter(|(_, count)| *count > 0);
    let lessons = taught.filter_map(|(labels, count)| {
        Some(Lessons {
            lesson: labels.get("lesson")?.clone(),
            origin: labels.get("origin")?.clone(),
            count,
        })
    });
    lessons.collect()
}

/// The models of the configuration in force, and the engine that it wants.
pub(super) fn registry(console: &Console) -> Result<(Registry, EngineKind), Refusal> {
    let engine = console.services.engine.load_full();
    let config = engine.config().ok_or(Refusal::NotFound)?;
    let bayes = &config.file.bayes;
    let path = bayes.model_path(&config.base, &config.data_dir);
    Ok((Registry::of(&path), bayes.engine))
}

/// Puts a model of the folder into force if it does no worse than the one in use, or whatever it does with `force`.
pub(super) async fn promote(
    console: &Console,
    visitor: &Visitor,
    model: String,
    force: bool,
) -> Result<Moved, Refusal> {
    let (models, engine) = registry(console)?;
    let trial = move || {
        let how = How {
            engine,
            force,
            keep: KEPT,
        };
        let tried = promotion::promote(&models, &Candidate::Known(model), how, &mut ());
        let outcome = tried.map_err(|error| Refusal::Conflict(sentence(&error)))?;
        Ok(Moved {
            model: outcome.id,
            from: outcome.from,
            in_force: outcome.in_force,
            reason: outcome.trial.reason,
        })
    };
    let moved = change(trial).await?;
    let action = match moved.in_force {
        true => "model.promote",
        false => "model.trial",
    };
    record(console, visitor, action, &moved, &moved.reason).await;
    Ok(moved)
}

/// Puts a model into force again, the one before where none is named.
pub(super) async fn rollback(
    console: &Console,
    visitor: &Visitor,
    model: Option<String>,
) -> Result<Moved, Refusal> {
    let (models, engine) = registry(console)?;
    let back = move || {
        let back = promotion::roll_back(&models, engine, model.as_deref());
        let back = back.map_err(|error| Refusal::Conflict(sentence(&error)))?;
        Ok(Moved {
            model: back.id,
            from: back.from,
            in_force: true,
            reason: "rolled back".to_owned(),
        })
    };
    let moved = change(back).await?;
    record(console, visitor, "model.rollback", &moved, "").await;
    Ok(moved)
}

/// Changes the folder of models, off the threads of requests.
async fn change(
    work: impl FnOnce() -> Result<Moved, Refusal> + Send + 'static,
) -> Result<Moved, Refusal> {
    let _turn = TURN.try_acquire().map_err(|_| Refusal::Busy)?;
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::internal("a model cannot be put into force", &error))?
}

async fn record(console: &Console, visitor: &Visitor, action: &str, moved: &Moved, detail: &str) {
    if moved.is_same() {
        return;
    }
    console
        .record(&visitor.actor(), action, &moved.model, detail)
        .await;
    tracing::info!(model = moved.model, user = visitor.name, address = %visitor.address, "console: {action}");
}
