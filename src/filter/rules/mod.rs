//! The `rules` filter.

use std::sync::Arc;

use serde::Deserialize;

use super::{Build, Filter};
use crate::config::{Problem, Problems};

/// Options of the filter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {}

/// Builds the filter.
///
/// # Errors
/// Always, for now.
pub fn build(_: &Options, _: &Build<'_>) -> Result<Arc<dyn Filter>, Problems> {
    Err(Problem::without_place("not here yet").into())
}
