//! Back to a model that was in force before.

use super::{PromotionError, fit_for};
use crate::filter::bayes::EngineKind;
use crate::workbench::registry::{Registry, Why};

/// A model that is in force again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// The model.
    pub id: String,
    /// The one that was in force; the same where nothing had to be done.
    pub from: Option<String>,
}

/// Puts a model of the folder into force again: `model` by id, its beginning, or without one the model before. `engine` is the one
/// that the daemon is configured for.
///
/// # Errors
/// No such model, or one that would leave the daemon without a model because it cannot be loaded; the one in force stays then.
pub fn roll_back(
    registry: &Registry,
    engine: EngineKind,
    model: Option<&str>,
) -> Result<RolledBack, PromotionError> {
    let mut changing = registry.change()?;
    let id = registry.resolve(&changing.book, model.unwrap_or("previous"))?;
    fit_for(engine, &changing.load(&id)?)?;
    let from = registry.live();
    if from.as_deref() != Some(id.as_str()) {
        changing.put_in_force(&id, Why::RolledBack)?;
    }
    Ok(RolledBack { id, from })
}
