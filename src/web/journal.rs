//! What went wrong lately: the warnings and errors of the log, the last [`ENTRIES`] of them, in memory. Texts are cut
//! at [`LONGEST`] characters; equal ones that follow each other are one entry with a count, so that a flood does not
//! push everything else out.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Entries that are kept.
const ENTRIES: usize = 500;
/// Longest text, characters.
const LONGEST: usize = 8_000;

/// One warning or error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its number; later entries have greater ones.
    pub number: u64,
    /// When it happened last, milliseconds since 1970.
    pub at: i64,
    /// Whether it is an error; otherwise a warning.
    pub is_error: bool,
    /// What is wrong, with all its fields. To be escaped where it is shown.
    pub text: String,
    /// How often in a row.
    pub count: u64,
}

/// The entries; clones share them. A layer of `tracing` that fills it is [`Journal::layer`].
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    entries: VecDeque<JournalEntry>,
    number: u64,
}

impl Journal {
    /// The entries, the newest first.
    pub fn entries(&self) -> Vec<JournalEntry> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.entries.iter().rev().cloned().collect()
    }

    /// What writes events here.
    pub fn layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        JournalLayer(self.clone())
    }

    fn add(&self, is_error: bool, text: String) {
        let at = jiff::Timestamp::now().as_millisecond();
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.number += 1;
        let number = held.number;
        if let Some(last) = held.entries.back_mut()
            && last.text == text
            && last.is_error == is_error
        {
            last.count += 1;
            last.at = at;
            last.number = number;
            return;
        }
        if held.entries.len() >= ENTRIES {
            held.entries.pop_front();
        }
        held.entries.push_back(JournalEntry {
            number,
            at,
            is_error,
            text,
            count: 1,
        });
    }
}

struct JournalLayer(Journal);

impl<S: Subscriber> Layer<S> for JournalLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::WARN {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        let text = format!("{}{}", words.message, words.fields);
        let text = text.chars().take(LONGEST).collect();
        self.0.add(level == Level::ERROR, text);
    }
}

/// The message of an event, and behind it its fields.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn warnings_and_errors_are_kept_bounded_with_their_fields() {
        let journal = Journal::default();
        let log = tracing_subscriber::registry().with(journal.layer());
        tracing::subscriber::with_default(log, || {
            tracing::info!("nothing wrong");
            for n in 0..ENTRIES + 10 {
                tracing::warn!(n, "odd");
            }
            for _ in 0..3 {
                tracing::error!(error = %"no\nroom", "cannot write");
            }
            tracing::error!("{}", "x".repeat(LONGEST * 2));
        });
        let entries = journal.entries();
        assert_eq!(entries.len(), ENTRIES);
        let [longest, repeated, odd, ..] = entries.as_slice() else {
            panic!("{entries:?}");
        };
        assert_eq!(longest.text.len(), LONGEST);
        assert_eq!(repeated.text, "cannot write error=no\nroom");
        assert_eq!((repeated.count, repeated.is_error), (3, true));
        assert_eq!(odd.text, format!("odd n={}", ENTRIES + 9));
        assert!(!odd.is_error);
    }
}
