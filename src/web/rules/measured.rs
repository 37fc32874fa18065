//! What `mailweir rules profile --keep` has measured, as the console shows it: read when its file has changed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::filter::rules::RuleSet;
use crate::server::Fingerprint;
use crate::tuning::report::{Profile, Profiled};
use crate::web::console::Console;
use crate::web::refusal::{Refusal, sentence};

/// A profile, by rules.
#[derive(Debug)]
pub(in crate::web) struct Measured {
    /// When it was made, seconds since 1970.
    pub(in crate::web) at: i64,
    /// Messages that it was made on.
    pub(super) ham: usize,
    pub(super) spam: usize,
    /// Microseconds a message for what rules share, and for the rules beside it.
    pub(super) us: (f64, f64),
    version: String,
    rules: HashMap<String, Profiled>,
}

/// What was read last: a profile, none, or why it cannot be shown.
type Read = Result<Option<Arc<Measured>>, String>;

/// The kept profile; at most one stands in memory.
#[derive(Debug)]
pub(in crate::web) struct KeptProfile(Mutex<(Fingerprint, Read)>);

impl Default for KeptProfile {
    fn default() -> KeptProfile {
        KeptProfile(Mutex::new((Fingerprint::NONE, Ok(None))))
    }
}

impl KeptProfile {
    fn read(&self, path: &Path) -> Read {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Fingerprint::of(&[path.to_owned()]);
        if last.0 != now {
            let read = Profile::read(path);
            let read = read.map(|profile| profile.map(|profile| Arc::new(Measured::new(profile))));
            *last = (now, read.map_err(|error| sentence(&error)));
        }
        last.1.clone()
    }
}

impl Measured {
    fn new(profile: Profile) -> Measured {
        let rules = profile.rules.into_iter();
        Measured {
            at: profile.at,
            ham: profile.ham,
            spam: profile.spam,
            us: (profile.shared_us, profile.rules_us),
            version: profile.version,
            rules: rules.map(|rule| (rule.rule.clone(), rule)).collect(),
        }
    }

    /// The kept profile of this daemon. What cannot be read is a text for the page.
    pub(super) async fn of(console: &Arc<Console>) -> Result<Read, Refusal> {
        let engine = console.services.engine.load_full();
        let Some(config) = engine.config() else {
            return Ok(Ok(None));
        };
        let path = Profile::file(&config.data_dir);
        let console = console.clone();
        let read = tokio::task::spawn_blocking(move || console.profile.read(&path)).await;
        read.map_err(|error| Refusal::internal("the profile of rules cannot be read", &error))
    }

    /// What it knows of a rule.
    pub(super) fn rule(&self, id: &str) -> Option<&Profiled> {
        self.rules.get(id)
    }

    /// Whether it was made of these rules, as they are.
    pub(super) fn is_of(&self, set: &RuleSet) -> bool {
        self.version == set.version()
    }
}
