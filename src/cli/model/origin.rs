//! A model by its name, and where it comes from.

use std::path::Path;

use jiff::Timestamp;

use crate::filter::bayes::Engine;
use crate::workbench::registry::{Book, Registry};

/// A model by id or file, with what it is called.
pub(super) fn open(
    registry: &Registry,
    book: &Book,
    name: &str,
) -> anyhow::Result<(String, Engine)> {
    let file = Path::new(name);
    if file.is_file() {
        return Ok((name.to_owned(), Engine::open(file)?));
    }
    let id = registry.resolve(book, name)?;
    let engine = Engine::open(&registry.file(&id))?;
    Ok((id, engine))
}

/// In one line.
pub(super) fn origin(engine: &Engine) -> String {
    let facts = engine.facts();
    format!(
        "{}, {} ham and {} spam, {} features, trained {}",
        engine.kind().name(),
        facts.ham,
        facts.spam,
        engine.features(),
        when(i64::try_from(facts.trained_at).unwrap_or(0))
    )
}

/// A time for people.
pub(super) fn when(at: i64) -> String {
    Timestamp::from_second(at).map_or_else(
        |_| "at a time that no calendar has".into(),
        |t| t.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}
