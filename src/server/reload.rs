//! Reloading: a new engine beside the old, whole or not at all.
//!
//! In: SIGHUP, and the files that configuration, rules and model are made of, looked at every
//! [`Config::watch`]. Out: a new engine in [`Services::engine`], or the old one, with log and metrics
//! saying why. Promises:
//!
//! - A configuration with any problem is not taken, nor is one whose files changed while they were read.
//! - Files that changed are read when they have stood still from one look to the next, so a file that is
//!   being written, or several that are being copied, are not read half way.
//! - History and quarantine take their options with the engine. What takes a restart is said, and stays as it was.
//! - A set that was refused is not tried again before a file changes or SIGHUP comes.
//! - Everything is built off the async threads; transactions keep the engine that they began with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::services::{ReloadProblem, Services};
use super::watch::{Fingerprint, Watched, stands_changed};
use crate::config::{Config, Problem, Problems};
use crate::events::Kind;

/// How often a set is read again when its files change under way.
const ATTEMPTS: usize = 3;

/// Reads the configuration as the daemon was told to.
pub type Load = Arc<dyn Fn() -> Result<Config, Problems> + Send + Sync>;

/// A reload, as an event.
#[derive(Serialize)]
struct Reloaded<'a> {
    taken: bool,
    /// What is in force now.
    version: &'a str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<&'a str>,
}

/// Keeps the engine of the daemon up to date.
pub struct Reloader {
    load: Load,
    services: Arc<Services>,
    /// The files of the configuration that was read last.
    files: Vec<PathBuf>,
    /// Their state when it was read.
    read: Fingerprint,
    watch: Option<Duration>,
    /// What the daemon was started with.
    started: Option<Config>,
}

/// A build, with the files that it was made from and their state at the time.
struct Built {
    engine: Result<Engine, Problems>,
    files: Vec<PathBuf>,
    read: Fingerprint,
    watch: Option<Duration>,
}

impl Reloader {
    /// Watches over the engine of `services`, which was built from `watched`, looked at every `every`;
    /// `load` reads them again.
    pub fn new(
        load: Load,
        services: Arc<Services>,
        watched: Watched,
        every: Option<Duration>,
    ) -> Reloader {
        Reloader {
            load,
            started: services.engine.load().config().cloned(),
            services,
            files: watched.files,
            read: watched.read,
            watch: every,
        }
    }

    /// Reloads at each `hangup` and at each change of a file, until `stop` is cancelled.
    pub async fn run(mut self, mut hangup: tokio::signal::unix::Signal, stop: CancellationToken) {
        loop {
            let changed = tokio::select! {
                () = stop.cancelled() => return,
                came = hangup.recv() => match came {
                    Some(()) => false,
                    None => return,
                },
                () = self.changed() => true,
            };
            self.reload(changed).await;
        }
    }

    /// Waits until the files differ from what was read and have stood still for one interval.
    async fn changed(&self) {
        let Some(every) = self.watch else {
            return std::future::pending().await;
        };
        stands_changed(self.read, every, || {
            let files = self.files.clone();
            let look = tokio::task::spawn_blocking(move || Fingerprint::of(&files));
            async { look.await.ok() }
        })
        .await;
    }

    /// One reload; `changed` when a file asked for it.
    async fn reload(&mut self, changed: bool) {
        let (load, services) = (self.load.clone(), self.services.clone());
        let files = self.files.clone();
        let built = tokio::task::spawn_blocking(move || {
            // SIGHUP also asks servers and resolvers anew that no file names.
            let old = changed.then(|| services.engine.load_full());
            build(&load, files, &services, old.as_deref())
        });
        let failure = match built.await {
            Ok(built) => {
                (self.files, self.read) = (built.files, built.read);
                match built.engine {
                    Ok(engine) => {
                        self.watch = built.watch;
                        return self.take(engine, changed);
                    }
                    Err(problems) => problems.to_string(),
                }
            }
            Err(e) => {
                // The files that did this are not read again until they change.
                self.read = Fingerprint::of(&self.files);
                e.to_string()
            }
        };
        let metrics = &self.services.metrics;
        metrics.reload_ok.set(0);
        metrics.reload_failed.set(now());
        let version = self.services.engine.load().version().to_owned();
        self.services.events.tell(
            Kind::Reload,
            &Reloaded {
                taken: false,
                version: &version,
                problems: Some(&failure),
            },
        );
        tracing::error!(
            version = self.services.engine.load().version(),
            "reload refused, the old configuration goes on:\n{failure}"
        );
        let problem = ReloadProblem {
            at: jiff::Timestamp::now(),
            text: failure,
        };
        self.services.reload_problem.store(Some(Arc::new(problem)));
        // Last: who waits for this count finds all the rest done.
        metrics.reloads.with_label_values(&["failed"]).inc();
    }

    fn take(&self, engine: Engine, changed: bool) {
        let engine = Arc::new(engine);
        let before = self.services.engine.swap(engine.clone());
        if let Some(config) = engine.config() {
            self.configure(config);
        }
        taken(&self.services, &engine);
        self.services.reload_problem.store(None);
        self.services.reloads.send_replace(());
        self.services.events.tell(
            Kind::Reload,
            &Reloaded {
                taken: true,
                version: engine.version(),
                problems: None,
            },
        );
        tracing::info!(
            version = engine.version(),
            before = before.version(),
            cause = if changed { "files" } else { "SIGHUP" },
            "reloaded; messages that began before end under the old configuration"
        );
        // Last, as above.
        let reloads = &self.services.metrics.reloads;
        reloads.with_label_values(&["ok"]).inc();
    }

    /// Tells what stands beside the engine, and says which changes have to wait.
    fn configure(&self, config: &Config) {
        let file = &config.file;
        self.services.history.reconfigure(&file.history);
        self.services.quarantine.reconfigure(&file.quarantine);
        let started = self.started.as_ref();
        let waiting = started.map_or_else(Vec::new, |started| config.waiting_for_restart(started));
        if !waiting.is_empty() {
            tracing::warn!(
                options = waiting.join(", "),
                "these options have changed and take a restart; until then what the daemon was started with holds"
            );
        }
    }
}

/// Shows in the metrics what has come into force.
pub fn taken(services: &Services, engine: &Engine) {
    let metrics = &services.metrics;
    engine.in_force(metrics);
    metrics.reload_ok.set(1);
    metrics.configuration_loaded.set(now());
}

fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1000.0
}

fn build(load: &Load, known: Vec<PathBuf>, services: &Services, old: Option<&Engine>) -> Built {
    let mut built = attempt(load, &known, services, old);
    for _ in 1..ATTEMPTS {
        match built {
            Some(built) => return built,
            None => built = attempt(load, &known, services, old),
        }
    }
    built.unwrap_or_else(|| Built {
        engine: Err(Problem::without_place(
            "the files changed again and again while they were read",
        )
        .into()),
        // So that the next look tries again.
        read: Fingerprint::NONE,
        files: known,
        watch: None,
    })
}

/// One attempt; `None` when a file changed meanwhile.
fn attempt(
    load: &Load,
    known: &[PathBuf],
    services: &Services,
    old: Option<&Engine>,
) -> Option<Built> {
    let at_first = Fingerprint::of(known);
    let config = match load() {
        Ok(config) => config,
        Err(problems) => {
            return (Fingerprint::of(known) == at_first).then(|| Built {
                engine: Err(problems),
                files: known.to_vec(),
                read: at_first,
                watch: None,
            });
        }
    };
    let files = Engine::files(&config);
    let read = Fingerprint::of(&files);
    let now = services.engine.load();
    let engine = Engine::build_beside(&config, &services.metrics, old, now.facts());
    let unchanged = Fingerprint::of(known) == at_first && Fingerprint::of(&files) == read;
    unchanged.then_some(Built {
        engine,
        files,
        read,
        watch: config.watch,
    })
}
