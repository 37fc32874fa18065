//! What a filter of a test is built from.

use std::path::Path;
use std::sync::Arc;

use mailweir::config::{Source, parse_yaml};
use mailweir::filter::Build;
use mailweir::metrics::Metrics;
use serde::de::DeserializeOwned;

/// Options as they are written, and the text that problems point to.
pub(crate) fn options<T: DeserializeOwned>(yaml: &str) -> Result<(Source, T), String> {
    let source = Source::new("mailweir.yaml", yaml);
    let options = parse_yaml(&source).map_err(|p| p.to_string())?;
    Ok((source, options))
}

/// All but the options.
pub(crate) fn beside<'a>(source: &'a Source, metrics: &'a Arc<Metrics>) -> Build<'a> {
    Build {
        source,
        metrics,
        base: Path::new("."),
        data_dir: Path::new("."),
    }
}
