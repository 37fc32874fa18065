//! The model in use: a trained one, and all lessons since.
//!
//! In: the model file and its journal. Out: an engine at any time, never half changed: lessons are applied to
//! a copy beside it, and the whole is swapped. Look-ups take no lock. While mail comes the journal is looked at
//! once a second, off the async threads, so that a lesson from any process counts within seconds and without a
//! reload. Of a damaged journal the lessons before the damage count; one that cannot be read leaves the engine as it was. Log and
//! metrics say so.
//!
//! When the journal has grown past [`FOLD`], what it taught is put into force as a model and taken out of the
//! journal. The model says up to where it holds which journal; so after a crash at any point in between nothing is
//! lost and nothing learned twice.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use crate::metrics::Metrics;

use super::Class;
use super::engine::{Engine, EngineKind, ModelError};
use super::format;
use super::journal::{Journal, Position};
use super::learner::Learner;
use super::lesson::{Lesson, Teaching};
use super::place;

/// The journal is looked at no more often.
const LOOK: Duration = Duration::from_secs(1);
/// A journal of so many bytes is folded into the model: some 8,000 lessons.
const FOLD: u64 = 64 << 20;

/// The model in use.
pub(super) struct Live {
    path: PathBuf,
    kind: EngineKind,
    journal: Arc<Journal>,
    engine: ArcSwapOption<Engine>,
    /// What goes on learning; none until there is a first lesson.
    learner: Mutex<State>,
    /// Automatic lessons, ham and spam, that were promised and are not in the engine yet.
    promised: Mutex<[u64; 2]>,
    metrics: Arc<Metrics>,
    started: Instant,
    /// Milliseconds since `started` at which the journal is looked at next.
    next_look: AtomicU64,
    looking: AtomicBool,
}

#[derive(Default)]
struct State {
    learner: Option<Learner>,
    position: Position,
    /// The checksum of the model file that was loaded.
    loaded: Option<[u8; 32]>,
    /// What is wrong with the journal, said once.
    complaint: Option<String>,
}

impl Live {
    /// Loads the model and applies its journal. Without a model file there is none until there are lessons.
    ///
    /// # Errors
    /// A model file that is there but cannot be used.
    pub(super) fn open(
        path: PathBuf,
        kind: EngineKind,
        metrics: &Arc<Metrics>,
    ) -> Result<Live, ModelError> {
        let live = Live {
            journal: Arc::new(Journal::of(&path)),
            path,
            kind,
            engine: ArcSwapOption::empty(),
            learner: Mutex::default(),
            promised: Mutex::default(),
            metrics: Arc::clone(metrics),
            started: Instant::now(),
            next_look: AtomicU64::new(LOOK.as_millis() as u64),
            looking: AtomicBool::new(false),
        };
        live.load()?;
        live.look();
        Ok(live)
    }

    /// Where the model lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Which engine reads it.
    pub(super) fn kind(&self) -> EngineKind {
        self.kind
    }

    /// The journal beside the model.
    pub(super) fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }

    /// The engine, as of now.
    pub(super) fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.load_full()
    }

    /// Promises an automatic lesson, for [`Live::teach`] to keep, if it `fits`: said of how many messages of its class are learned,
    /// lessons that were promised included, and how many of the other. Without that a flood between two looks at the journal
    /// would be learned whole.
    pub(super) fn promise(&self, lesson: &Lesson, fits: impl FnOnce(u64, u64) -> bool) -> bool {
        let Teaching::Learn(class) = lesson.teaching else {
            return false;
        };
        let mut promised = self.promised();
        // Looked at after locking: what is no longer promised is in it.
        let engine = self.engine.load();
        let (ham, spam) = engine
            .as_ref()
            .map_or((0, 0), |e| (e.facts().ham, e.facts().spam));
        let [ham_promised, spam_promised] = &mut *promised;
        let (promised, this, other) = match class {
            Class::Ham => (ham_promised, ham, spam),
            Class::Spam => (spam_promised, spam, ham),
        };
        let fits = fits(this + *promised, other);
        *promised += u64::from(fits);
        fits
    }

    /// Appends a lesson that was promised to the journal, durably. Waits for the disk.
    ///
    /// # Errors
    /// What the system says; the lesson is then not taken.
    pub(super) fn teach(&self, lesson: Lesson) -> Result<(), ModelError> {
        let promised = lesson.promised();
        let done = self.journal.append(&[lesson]).map(drop);
        if done.is_err() {
            self.no_longer_promised(promised);
        }
        done
    }

    fn promised(&self) -> std::sync::MutexGuard<'_, [u64; 2]> {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn no_longer_promised(&self, lessons: [u64; 2]) {
        for (promised, kept) in self.promised().iter_mut().zip(lessons) {
            *promised = promised.saturating_sub(kept);
        }
    }

    /// Called for every message: looks at the journal when it is time, in the background.
    pub(super) fn tick(self: &Arc<Live>) {
        let now = self.started.elapsed().as_millis() as u64;
        if now < self.next_look.load(Ordering::Relaxed) || self.kind != EngineKind::Osb {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        self.next_look
            .store(now + LOOK.as_millis() as u64, Ordering::Relaxed);
        let live = Arc::clone(self);
        runtime.spawn_blocking(move || {
            // Released also when looking panics: the next message tries again.
            let _done = Looking(&live.looking);
            live.look();
        });
    }

    fn load(&self) -> Result<(), ModelError> {
        let mut state = self.state();
        let loaded = match Engine::load(&self.path, self.kind) {
            Ok(engine) => Some(engine),
            Err(ModelError::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        state.position = loaded.as_ref().map(Engine::position).unwrap_or_default();
        state.learner = None;
        state.loaded = format::checksum_of(&self.path);
        self.engine.store(loaded.map(Arc::new));
        Ok(())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // What a panic left behind is a learner between two lessons; the next look brings it up to date.
        self.learner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies what is new in the journal.
    pub(super) fn look(&self) {
        if self.kind != EngineKind::Osb {
            return;
        }
        let mut state = self.state();
        let result = self.apply_new(&mut state);
        let complaint = result.err().map(|e| e.to_string());
        if complaint != state.complaint {
            if let Some(complaint) = &complaint {
                self.metrics.journal_errors.inc();
                tracing::error!(error = %complaint, "the journal of lessons cannot be used; what is whole in it counts");
            }
            state.complaint = complaint;
        }
    }

    fn apply_new(&self, state: &mut State) -> Result<(), ModelError> {
        let tail = self.journal.since(Some(state.position))?;
        self.metrics
            .journal_bytes
            .set(i64::try_from(tail.position.offset).unwrap_or(i64::MAX));
        if self.is_folded_elsewhere(state, tail.position) {
            // What this one knows is in the model there.
            *state = State {
                complaint: state.complaint.take(),
                loaded: format::checksum_of(&self.path),
                ..State::default()
            };
            match Engine::load(&self.path, self.kind) {
                Ok(engine) => {
                    state.position = engine.position();
                    self.engine.store(Some(Arc::new(engine)));
                }
                Err(ModelError::Missing(_)) => self.engine.store(None),
                Err(error) => return Err(error),
            }
            *self.promised() = [0; 2];
            return self.apply_new(state);
        }
        state.position = tail.position;
        if !tail.lessons.is_empty() {
            let learner = match state.learner.take() {
                Some(learner) => learner,
                None => self.learner()?,
            };
            let learner = state.learner.insert(learner);
            let mut kept = [0; 2];
            for lesson in &tail.lessons {
                for (kept, promised) in kept.iter_mut().zip(lesson.promised()) {
                    *kept += promised;
                }
                self.metrics
                    .lessons
                    .with_label_values(&[lesson.origin.name(), lesson.teaching.name()])
                    .inc();
            }
            learner.apply_all(tail.lessons);
            learner.set_position(tail.position);
            self.engine.store(Some(Arc::new(learner.snapshot())));
            self.no_longer_promised(kept);
            self.show(&self.metrics);
        }
        if tail.damaged {
            return Err(self.damaged(tail.position));
        }
        if tail.position.offset > FOLD {
            self.fold(state)?;
        }
        Ok(())
    }

    /// Whether another process has folded the journal that was known into the model, or the journal is gone with lessons that
    /// are in the engine.
    fn is_folded_elsewhere(&self, state: &State, now: Position) -> bool {
        let moved = now.journal != state.position.journal;
        let known = state.position.journal != Position::default().journal;
        moved
            && (state.learner.is_some()
                || (known && format::checksum_of(&self.path) != state.loaded))
    }

    fn damaged(&self, position: Position) -> ModelError {
        ModelError::Unusable {
            path: self.journal.path().to_owned(),
            reason: format!(
                "damaged behind byte {}; the next lesson puts the rest aside",
                position.offset
            ),
        }
    }

    /// A learner that begins with the engine in use.
    fn learner(&self) -> Result<Learner, ModelError> {
        let engine = match self.engine.load_full() {
            Some(engine) => Engine::clone(&engine),
            None => Engine::empty(),
        };
        Learner::new(engine, true).map_err(|reason| ModelError::Unusable {
            path: self.path.clone(),
            reason: reason.to_owned(),
        })
    }

    /// Writes what was learned into the model file and takes it out of the journal.
    fn fold(&self, state: &mut State) -> Result<(), ModelError> {
        let Some(learner) = &state.learner else {
            return Ok(());
        };
        let engine = learner.snapshot();
        let loaded = state.loaded;
        let folded = self.journal.fold(state.position, || {
            // A model that was trained meanwhile is newer than this one, and is not to be overwritten.
            if format::checksum_of(&self.path) != loaded {
                return Ok(false);
            }
            place::put(&self.path, engine.facts(), &engine.encode()?)?;
            Ok(true)
        })?;
        if let Some(position) = folded {
            state.loaded = format::checksum_of(&self.path);
            state.position = position;
            // As after a restart: what comes next begins with the model as it was written.
            state.learner = None;
            self.engine.store(Some(Arc::new(engine)));
            tracing::info!(model = %self.path.display(), "the lessons of the journal are in the model now");
        }
        Ok(())
    }

    /// Folds whatever the size of the journal is.
    #[cfg(test)]
    pub(super) fn fold_now(&self) -> Result<(), ModelError> {
        self.fold(&mut self.state())
    }

    /// Shows in the metrics which model is in use.
    pub(super) fn show(&self, metrics: &Metrics) {
        for origin in ["human", "auto"] {
            for lesson in ["ham", "spam", "forget"] {
                metrics.lessons.with_label_values(&[origin, lesson]);
            }
        }
        let engine = self.engine.load();
        let facts = engine.as_ref().map(|e| e.facts());
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        for (class, count) in [
            ("ham", facts.map_or(0, |f| f.ham)),
            ("spam", facts.map_or(0, |f| f.spam)),
        ] {
            metrics
                .model_messages
                .with_label_values(&[class])
                .set(gauge(count));
        }
        metrics
            .model_trained
            .set(facts.map_or(0, |f| f.trained_at) as f64);
    }
}

/// The engine as a daemon has it: the model file with all lessons of its journal. `None` where there is neither.
///
/// # Errors
/// A model or a journal that is there but cannot be used.
pub fn current(path: &Path, kind: EngineKind) -> Result<Option<Engine>, ModelError> {
    let loaded = match Engine::load(path, kind) {
        Ok(engine) => Some(engine),
        Err(ModelError::Missing(_)) => None,
        Err(error) => return Err(error),
    };
    if kind != EngineKind::Osb {
        return Ok(loaded);
    }
    let from = loaded.as_ref().map(Engine::position);
    let lessons = Journal::of(path).since(from)?.lessons;
    if lessons.is_empty() {
        return Ok(loaded);
    }
    let begun = loaded.unwrap_or_else(Engine::empty);
    let mut learner = Learner::new(begun, true).map_err(|reason| ModelError::Unusable {
        path: path.to_owned(),
        reason: reason.to_owned(),
    })?;
    learner.apply_all(lessons);
    Ok(Some(learner.snapshot()))
}

struct Looking<'a>(&'a AtomicBool);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
