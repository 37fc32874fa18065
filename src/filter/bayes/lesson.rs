//! Lessons: what a person or the filter itself says that a message is, after the training.
//!
//! A message is known by the digest of its bytes and is learned once, whoever says it and how often. What a
//! person says outranks what the filter guessed: an automatic lesson about a message that is known already
//! changes nothing, and a person's lesson replaces any that was before. [`Ledger`] holds what is known;
//! [`Held`](super::held::Held) reduces a row of lessons to those that count, so that a message that was forgotten or
//! relabelled leaves no trace of what it was before.

use std::collections::HashMap;
use std::sync::Arc;

use super::Class;
use super::features::Features;

/// BLAKE3 digest that names a message, the same at the MTA and in the folder that it was delivered to.
pub type Digest = [u8; 32];

/// Who says what a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The filter itself, because the whole verdict was clear.
    Auto,
    /// A person, or a folder that a person sorted.
    Human,
}

impl Origin {
    /// The word in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Auto => "auto",
            Origin::Human => "human",
        }
    }
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Teaching {
    /// Learn it as this, whatever it was learned as before.
    Learn(Class),
    /// As if it had never been learned.
    Forget,
}

impl Teaching {
    /// The word in metrics and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Teaching::Learn(Class::Ham) => "ham",
            Teaching::Learn(Class::Spam) => "spam",
            Teaching::Forget => "forget",
        }
    }
}

/// One lesson. [`Engine::lesson`](super::Engine::lesson) makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Which message.
    pub digest: Digest,
    /// What to do with it.
    pub teaching: Teaching,
    /// Who says so.
    pub origin: Origin,
    /// When, seconds since 1970.
    pub at: u64,
    /// What was read of the message.
    pub(super) features: Features,
}

impl Lesson {
    /// Ham and spam that it promises to the model: one of a class where the filter teaches itself, none where a person teaches.
    pub(super) fn promised(&self) -> [u64; 2] {
        let is = |class| self.origin == Origin::Auto && self.teaching == Teaching::Learn(class);
        [Class::Ham, Class::Spam].map(|class| u64::from(is(class)))
    }
}

/// What is known of a message that was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) class: Class,
    pub(super) origin: Origin,
}

/// What a lesson changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The message was not known, and was learned.
    Learned(Class),
    /// It was known as the other class.
    Relabelled(Class),
    /// It was known as this class and no longer is.
    Forgotten(Class),
    /// Nothing: it was known as that already, or not known, or a person has said otherwise.
    None,
}

/// The messages that were learned: those of the trained model, and what was changed since.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ledger {
    /// Ascending; 62 bits of the digest, a bit for the class and one for who said so.
    trained: Arc<Vec<u64>>,
    changed: HashMap<u64, Option<Known>>,
}

const NAME: u64 = !3;

fn name(digest: &Digest) -> u64 {
    u64::from_le_bytes(digest.first_chunk().copied().unwrap_or_default()) & NAME
}

fn packed(name: u64, known: Known) -> u64 {
    let class = u64::from(known.class == Class::Spam);
    let origin = u64::from(known.origin == Origin::Human) << 1;
    name | class | origin
}

impl Ledger {
    /// Of messages that were learned from folders.
    pub(super) fn of_trained<'a>(messages: impl Iterator<Item = (&'a Digest, Class)>) -> Ledger {
        let origin = Origin::Human;
        Ledger::from_packed(
            messages
                .map(|(digest, class)| packed(name(digest), Known { class, origin }))
                .collect(),
        )
    }

    /// As it is in a model file.
    pub(super) fn from_packed(mut messages: Vec<u64>) -> Ledger {
        messages.sort_unstable();
        messages.dedup_by_key(|m| *m & NAME);
        Ledger {
            trained: Arc::new(messages),
            changed: HashMap::new(),
        }
    }

    /// As it goes into a model file: ascending.
    pub(super) fn to_packed(&self) -> Vec<u64> {
        let unchanged = |m: &&u64| !self.changed.contains_key(&(**m & NAME));
        let mut all: Vec<u64> = self.trained.iter().filter(unchanged).copied().collect();
        all.extend(
            self.changed
                .iter()
                .filter_map(|(name, known)| known.map(|k| packed(*name, k))),
        );
        all.sort_unstable();
        all
    }

    /// What is known of a message.
    pub(super) fn known(&self, digest: &Digest) -> Option<Known> {
        let name = name(digest);
        if let Some(known) = self.changed.get(&name) {
            return *known;
        }
        let at = self.trained.partition_point(|m| *m < name);
        let found = self.trained.get(at).filter(|m| **m & NAME == name)?;
        Some(Known {
            class: if found & 1 == 0 {
                Class::Ham
            } else {
                Class::Spam
            },
            origin: if found & 2 == 0 {
                Origin::Auto
            } else {
                Origin::Human
            },
        })
    }

    /// Enters a lesson and says what it changes.
    pub(super) fn enter(&mut self, lesson: &Lesson) -> Change {
        let origin = lesson.origin;
        let (known, change) = match (lesson.teaching, self.known(&lesson.digest)) {
            (Teaching::Learn(class), None) => {
                (Some(Known { class, origin }), Change::Learned(class))
            }
            // The filter's own guesses never change what is known.
            (_, Some(_)) if origin == Origin::Auto => return Change::None,
            (Teaching::Learn(class), Some(before)) if before.class == class => return Change::None,
            (Teaching::Learn(class), Some(_)) => {
                (Some(Known { class, origin }), Change::Relabelled(class))
            }
            (Teaching::Forget, Some(before)) => (None, Change::Forgotten(before.class)),
            (Teaching::Forget, None) => return Change::None,
        };
        self.changed.insert(name(&lesson.digest), known);
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lesson(message: u8, teaching: Teaching, origin: Origin) -> Lesson {
        Lesson {
            digest: [message; 32],
            teaching,
            origin,
            at: 0,
            features: Features::default(),
        }
    }

    #[test]
    fn a_person_outranks_the_filter_and_nothing_is_learned_twice() {
        use Class::{Ham, Spam};
        use Origin::{Auto, Human};
        let trained = [([9; 32], Ham)];
        let mut ledger = Ledger::of_trained(trained.iter().map(|(d, c)| (d, *c)));
        for (message, teaching, origin, expected) in [
            (1, Teaching::Learn(Spam), Auto, Change::Learned(Spam)),
            (1, Teaching::Learn(Ham), Auto, Change::None),
            (1, Teaching::Forget, Auto, Change::None),
            (1, Teaching::Learn(Ham), Human, Change::Relabelled(Ham)),
            (1, Teaching::Learn(Ham), Human, Change::None),
            (1, Teaching::Learn(Spam), Auto, Change::None),
            (1, Teaching::Forget, Human, Change::Forgotten(Ham)),
            (1, Teaching::Forget, Human, Change::None),
            (9, Teaching::Learn(Spam), Auto, Change::None),
            (9, Teaching::Learn(Ham), Human, Change::None),
            (9, Teaching::Learn(Spam), Human, Change::Relabelled(Spam)),
        ] {
            let lesson = lesson(message, teaching, origin);
            assert_eq!(
                ledger.enter(&lesson),
                expected,
                "{message} {teaching:?} {origin:?}"
            );
        }
        let back = Ledger::from_packed(ledger.to_packed());
        for message in [1, 9, 7] {
            assert_eq!(back.known(&[message; 32]), ledger.known(&[message; 32]));
        }
    }
}
