//! What is known of models: where each comes from, what became of it when it was tried, which was in force when.

use serde::{Deserialize, Serialize};

/// Version of the book.
pub(super) const VERSION: u32 = 1;

/// A model that the folder holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name: date of training, then the beginning of the digest of the file.
    pub id: String,
    /// BLAKE3 digest of the file, hexadecimal.
    pub digest: String,
    /// The engine.
    pub engine: String,
    /// When it was trained, seconds since 1970.
    pub trained_at: u64,
    /// Ham messages learned.
    pub ham: u64,
    /// Spam messages learned.
    pub spam: u64,
    /// When it was taken in, seconds since 1970.
    pub added_at: i64,
    /// What became of it when it was to be promoted.
    pub trial: Option<Trial>,
}

/// The outcome of a trial on the validation set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// When, seconds since 1970.
    pub at: i64,
    /// The model that it was compared with.
    pub against: Option<String>,
    /// Whether it may go live.
    pub passed: bool,
    /// Why, in words for people.
    pub reason: String,
    /// The validation set: beginning of its digest; none when there was no comparison.
    pub validation: Option<String>,
    /// 1-ROCA on it, percent.
    pub one_minus_roca: Option<f64>,
    /// Ham lost on it.
    pub ham_lost: Option<usize>,
    /// Spam missed on it.
    pub spam_missed: Option<usize>,
}

/// Why another model came into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It passed the trial, or there was none before it.
    Promoted,
    /// A person wanted it whatever the trial said.
    Forced,
    /// A person went back to it.
    RolledBack,
    /// It was found in force; nobody told the book: a daemon that folded lessons into its model, or a person.
    Found,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::Promoted => "promoted",
            Why::Forced => "forced",
            Why::RolledBack => "rolled back",
            Why::Found => "found in force",
        })
    }
}

/// A change of the model in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When, seconds since 1970.
    pub at: i64,
    /// The model before.
    pub from: Option<String>,
    /// The model since.
    pub to: String,
    /// Why.
    pub why: Why,
}

/// Messages that every new model is tried on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// When it was pinned, seconds since 1970.
    pub at: i64,
    /// Ham messages.
    pub ham: usize,
    /// Spam messages.
    pub spam: usize,
    /// BLAKE3 over labels and digests of the messages, hexadecimal.
    pub digest: String,
}

/// What is known of all models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    pub(super) version: u32,
    /// Models in the folder, in the order in which they were taken in.
    pub models: Vec<Entry>,
    /// Changes of the model in force, oldest first.
    pub history: Vec<Change>,
    /// The validation set.
    pub pinned: Option<Pinned>,
}

impl Default for Book {
    fn default() -> Self {
        Book {
            version: VERSION,
            models: Vec::new(),
            history: Vec::new(),
            pinned: None,
        }
    }
}

impl Book {
    /// A model.
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.models.iter().find(|m| m.id == id)
    }

    /// The model that was in force before `id` came into force; what a rollback goes back to. Going back
    /// itself does not count, so that one can go back again.
    pub fn before(&self, id: &str) -> Option<String> {
        let came = self
            .history
            .iter()
            .rev()
            .find(|c| c.to == id && c.why != Why::RolledBack)?;
        came.from.clone().filter(|from| self.entry(from).is_some())
    }
}
