//! An engine as the daemon builds it from a configuration file.

use std::path::Path;
use std::sync::Arc;

use mailweir::config::{Config, Overrides};
use mailweir::metrics::Metrics;
use mailweir::server::Engine;
use mailweir::store::Facts;

/// An engine with what it counts and remembers; nothing is in a file.
pub(crate) struct Built {
    pub(crate) engine: Engine,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) facts: Arc<Facts>,
}

/// The engine of the configuration `yaml`, which is written to `folder`: its paths are relative to it.
pub(crate) fn built(folder: &Path, yaml: &str) -> Built {
    let file = folder.join("mailweir.yaml");
    std::fs::write(&file, yaml).unwrap();
    let config = Config::load(Some(&file), &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
    let metrics = Arc::new(Metrics::new().unwrap());
    let facts = Arc::new(Facts::new(Arc::clone(&metrics)));
    let engine = Engine::build_beside(&config, &metrics, None, Some(&facts))
        .unwrap_or_else(|problems| panic!("{problems}"));
    Built {
        engine,
        metrics,
        facts,
    }
}
