//! Of a row of lessons those that still hold: a message that was forgotten or relabelled leaves no trace of what it was
//! before.
//!
//! In: what a model was trained on, the lessons that were applied to it, and new ones. Out: the lessons that would be applied if
//! nobody had ever been wrong, in their order, and whether one that was applied already is among those taken back. Time
//! linear in the lessons, so that a folder of them can be put right at once.

use std::collections::HashMap;
use std::sync::Arc;

use super::Class;
use super::lesson::{Digest, Ledger, Lesson, Origin, Teaching};

/// Lessons that hold.
pub(super) struct Held<'a> {
    trained: &'a Ledger,
    /// None for one that was taken back.
    lessons: Vec<Option<Arc<Lesson>>>,
    /// Those about a message: one, or a `forget` and one behind it.
    about: HashMap<Digest, Vec<usize>>,
    /// How many were applied before.
    applied: usize,
    undone: bool,
}

impl<'a> Held<'a> {
    /// Begins with those that were `applied`.
    pub(super) fn of(trained: &'a Ledger, applied: &[Arc<Lesson>]) -> Held<'a> {
        let mut held = Held {
            trained,
            lessons: Vec::with_capacity(applied.len()),
            about: HashMap::with_capacity(applied.len()),
            applied: applied.len(),
            undone: false,
        };
        for lesson in applied {
            held.hold(lesson);
        }
        held
    }

    fn hold(&mut self, lesson: &Arc<Lesson>) {
        let about = self.about.entry(lesson.digest).or_default();
        about.push(self.lessons.len());
        self.lessons.push(Some(Arc::clone(lesson)));
    }

    /// The next lesson: holds it, takes back what it contradicts, or passes it over, as [`Ledger::enter`] says.
    pub(super) fn take(&mut self, lesson: &Arc<Lesson>) {
        let wanted = taught(lesson.teaching);
        let trained = self.trained.known(&lesson.digest).map(|known| known.class);
        let latest = self
            .about
            .get(&lesson.digest)
            .and_then(|about| about.last());
        let latest = latest.and_then(|at| self.lessons.get(*at)?.as_ref());
        let known = latest.map_or(trained, |latest| taught(latest.teaching));
        if known == wanted || (known.is_some() && lesson.origin == Origin::Auto) {
            return;
        }
        if known.is_some() {
            for at in self.about.remove(&lesson.digest).unwrap_or_default() {
                self.undone |= at < self.applied;
                if let Some(slot) = self.lessons.get_mut(at) {
                    *slot = None;
                }
            }
            if trained == wanted {
                return;
            }
        }
        self.hold(lesson);
    }

    /// Whether one that was applied before is taken back.
    pub(super) fn undone(&self) -> bool {
        self.undone
    }

    /// Those that hold and are to be applied now: all of them, if one was undone, or those that are new.
    pub(super) fn into_new(self) -> impl Iterator<Item = Arc<Lesson>> {
        let from = if self.undone { 0 } else { self.applied };
        self.lessons.into_iter().skip(from).flatten()
    }
}

/// What a message is after a lesson about it.
fn taught(teaching: Teaching) -> Option<Class> {
    match teaching {
        Teaching::Learn(class) => Some(class),
        Teaching::Forget => None,
    }
}
