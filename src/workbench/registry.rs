//! The models of one filter: those that were in force, the one that is, and those that were kept aside.
//!
//! The daemon reads its model at one path. Here that path is a symbolic link to a file in the folder `models`
//! beside it; promotion puts another link in its place by rename, so that a reader finds the old model or the
//! new one, whole. The link alone says which model is in force; `models/book.json` says what happened and why.
//! A model that was put at that path by other means is taken into the folder before it is replaced.
//!
//! Model files are named by time of training and contents and never change. One process at a time changes
//! anything: it holds the lock on `models/lock`. The book is replaced as a whole, durably; what it does not know
//! because a process died in between is found by looking at the link.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::filter::bayes::{Engine, Facts, Journal, ModelError, durable};

/// Version of the book.
const VERSION: u32 = 1;
/// Changes that the book remembers.
const HISTORY: usize = 1000;
/// Largest book that is read, bytes.
const BOOK_BYTES: u64 = 16 << 20;

/// What went wrong with the folder of models.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The book is damaged or of another version.
    #[error("{}: {reason}", path.display())]
    Book {
        /// The book.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// No model, or more than one, has that name.
    #[error("{0}")]
    Unknown(String),
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> RegistryError + '_ {
    move |error| RegistryError::Io {
        path: path.to_owned(),
        error,
    }
}

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
    /// It was found in force; nobody told the book.
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
    version: u32,
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

/// The folder of models, as it can be looked at.
#[derive(Clone, Debug)]
pub struct Registry {
    pointer: PathBuf,
    folder: PathBuf,
}

/// The folder of models, locked, with its book: what changes go through.
#[derive(Debug)]
pub struct Changing<'a> {
    registry: &'a Registry,
    /// The book, written by [`Changing::write`] only.
    pub book: Book,
    _lock: File,
}

/// Now, seconds since 1970.
pub fn now() -> i64 {
    Timestamp::now().as_second()
}

impl Registry {
    /// The models of the filter that reads its model at `pointer`. Nothing is opened yet.
    pub fn of(pointer: &Path) -> Registry {
        let beside = pointer.parent().unwrap_or(Path::new(""));
        Registry {
            pointer: pointer.to_owned(),
            folder: beside.join("models"),
        }
    }

    /// Where the daemon reads its model.
    pub fn pointer(&self) -> &Path {
        &self.pointer
    }

    /// Where the validation set lies: folders `ham` and `spam` in it.
    pub fn validation(&self) -> PathBuf {
        self.folder.join("validation")
    }

    /// Where a model lies while it is not yet taken in.
    pub fn candidate(&self) -> PathBuf {
        self.folder
            .join(format!("candidate.{}", std::process::id()))
    }

    /// The file of a model of the folder.
    pub fn file(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.mwb"))
    }

    /// The model in force: its id when the folder holds it. `None` also when a file that is no link of ours lies
    /// there.
    pub fn live(&self) -> Option<String> {
        let target = std::fs::read_link(&self.pointer).ok()?;
        let ours = target.parent() == Some(Path::new("models"));
        let id = target.file_name()?.to_str()?.strip_suffix(".mwb")?;
        ours.then(|| id.to_owned())
    }

    /// Reads the book; an empty one where there is none.
    ///
    /// # Errors
    /// A book that cannot be read or used.
    pub fn book(&self) -> Result<Book, RegistryError> {
        let path = self.folder.join("book.json");
        let unusable = |reason: String| RegistryError::Book {
            path: path.clone(),
            reason,
        };
        let bytes = match std::fs::metadata(&path) {
            Ok(found) if found.len() > BOOK_BYTES => {
                return Err(unusable("it is too large to be the book of models".into()));
            }
            _ => std::fs::read(&path),
        };
        match bytes {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Book::default()),
            Err(e) => Err(io_at(&path)(e)),
            Ok(bytes) => {
                let book: Book = serde_json::from_slice(&bytes).map_err(|e| {
                    unusable(format!(
                        "{e}; restore a copy, or move it away and lose the history of models"
                    ))
                })?;
                if book.version != VERSION {
                    return Err(unusable(format!(
                        "it has version {}, and this mailweir knows {VERSION}; update mailweir",
                        book.version
                    )));
                }
                Ok(book)
            }
        }
    }

    /// Locks the folder, waiting for others, and reads the book. Makes the folder where there is none, and
    /// enters what happened without the book's knowledge.
    ///
    /// # Errors
    /// What the system says, or a book that cannot be used.
    pub fn change(&self) -> Result<Changing<'_>, RegistryError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(io_at(&self.folder))?;
        self.hand_over(&self.folder)?;
        let path = self.folder.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io_at(&path))?;
        self.hand_over(&path)?;
        lock.lock().map_err(io_at(&path))?;
        let mut changing = Changing {
            registry: self,
            book: self.book()?,
            _lock: lock,
        };
        changing.find_live()?;
        Ok(changing)
    }

    /// Gives a file that root made to whom the data folder belongs: the daemon must be able to read it.
    ///
    /// # Errors
    /// What the system says.
    pub fn hand_over(&self, path: &Path) -> Result<(), RegistryError> {
        let beside = self.pointer.parent().filter(|p| !p.as_os_str().is_empty());
        let beside = beside.unwrap_or(Path::new("."));
        let owner = std::fs::metadata(beside).map_err(io_at(beside))?;
        let made = std::fs::metadata(path).map_err(io_at(path))?;
        if made.uid() == 0 && owner.uid() != 0 {
            chown(path, Some(owner.uid()), Some(owner.gid())).map_err(io_at(path))?;
        }
        Ok(())
    }

    /// The id of the model that `name` means: an id or the beginning of one, `live`, or `previous`.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] when it means none or several.
    pub fn resolve(&self, book: &Book, name: &str) -> Result<String, RegistryError> {
        let unknown = |text: String| Err(RegistryError::Unknown(text));
        let live = self.live();
        match name {
            "live" => {
                return live
                    .map_or_else(|| unknown("no model of the folder is in force".into()), Ok);
            }
            "previous" => {
                let previous = live.and_then(|l| book.before(&l));
                return previous.map_or_else(
                    || unknown("there is no model before the one in force".into()),
                    Ok,
                );
            }
            _ => {}
        }
        let mut found = book.models.iter().filter(|m| m.id.starts_with(name));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.id.clone()),
            (Some(_), Some(_)) => unknown(format!("more than one model begins with {name:?}")),
            (None, _) => unknown(format!(
                "there is no model {name:?}; `mailweir model list` names them"
            )),
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

impl Changing<'_> {
    /// Writes the book, durably.
    ///
    /// # Errors
    /// What the system says; the old book is then untouched.
    pub fn write(&mut self) -> Result<(), RegistryError> {
        let excess = self.book.history.len().saturating_sub(HISTORY);
        self.book.history.drain(..excess);
        let path = self.registry.folder.join("book.json");
        let mut bytes =
            serde_json::to_vec_pretty(&self.book).map_err(|e| io_at(&path)(e.into()))?;
        bytes.push(b'\n');
        durable::replace(&path, &bytes).map_err(io_at(&path))?;
        self.registry.hand_over(&path)
    }

    /// Takes the model in `path` into the folder, if it is not there yet, and gives its id.
    ///
    /// # Errors
    /// A model that cannot be read or used.
    pub fn add(&mut self, path: &Path) -> Result<String, RegistryError> {
        let engine = Engine::open(path)?;
        let bytes = std::fs::read(path).map_err(io_at(path))?;
        let digest = blake3::hash(&bytes).to_hex().to_string();
        let id = id(engine.facts(), &digest);
        if self.book.entry(&id).is_none() {
            let file = self.registry.file(&id);
            durable::replace(&file, &bytes).map_err(io_at(&file))?;
            self.registry.hand_over(&file)?;
            let facts = engine.facts();
            self.book.models.push(Entry {
                id: id.clone(),
                digest,
                engine: engine.kind().name().to_owned(),
                trained_at: facts.trained_at,
                ham: facts.ham,
                spam: facts.spam,
                added_at: now(),
                trial: None,
            });
            self.write()?;
        }
        Ok(id)
    }

    /// Loads a model of the folder and checks that it is what was taken in.
    ///
    /// # Errors
    /// A file that is gone, damaged or another one.
    pub fn load(&self, id: &str) -> Result<Engine, RegistryError> {
        let file = self.registry.file(id);
        let bytes = std::fs::read(&file).map_err(io_at(&file))?;
        let digest = blake3::hash(&bytes).to_hex().to_string();
        if self.book.entry(id).is_some_and(|e| e.digest != digest) {
            return Err(RegistryError::Book {
                path: file,
                reason: "the file is not the one that was taken in; restore a copy".into(),
            });
        }
        Ok(Engine::open(&file)?)
    }

    /// Puts a model of the folder into force and writes that down. What lies at the daemon's path and is not of
    /// the folder is taken in first.
    ///
    /// # Errors
    /// What the system says; the model before stays in force then.
    pub fn put_in_force(&mut self, id: &str, why: Why) -> Result<(), RegistryError> {
        let from = self.registry.live();
        let pointer = &self.registry.pointer;
        let folder = pointer.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut name = pointer.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.link", std::process::id()));
        let temporary = folder.join(name);
        // What another process left when it died; the lock is ours, so nobody needs it.
        let _ = std::fs::remove_file(&temporary);
        let target = Path::new("models").join(format!("{id}.mwb"));
        // A daemon that folds lessons into its model must not put it over this one.
        let swapped = Journal::of(pointer).while_not_folded(|| {
            symlink(&target, &temporary)
                .and_then(|()| std::fs::rename(&temporary, pointer))
                .and_then(|()| File::open(folder)?.sync_all())
        })?;
        if let Err(error) = swapped {
            let _ = std::fs::remove_file(&temporary);
            return Err(io_at(pointer)(error));
        }
        self.book.history.push(Change {
            at: now(),
            from,
            to: id.to_owned(),
            why,
        });
        self.write()
    }

    /// Removes the oldest models past `keep`, but never the one in force nor the one before it.
    ///
    /// # Errors
    /// What the system says.
    pub fn prune(&mut self, keep: usize) -> Result<Vec<String>, RegistryError> {
        let live = self.registry.live();
        let before = live.as_deref().and_then(|l| self.book.before(l));
        let needed = |id: &str| live.as_deref() == Some(id) || before.as_deref() == Some(id);
        let excess = self.book.models.len().saturating_sub(keep);
        let gone: Vec<String> = self
            .book
            .models
            .iter()
            .map(|m| m.id.clone())
            .filter(|id| !needed(id))
            .take(excess)
            .collect();
        self.book.models.retain(|m| !gone.contains(&m.id));
        if !gone.is_empty() {
            self.write()?;
        }
        for id in &gone {
            let file = self.registry.file(id);
            std::fs::remove_file(&file).map_err(io_at(&file))?;
        }
        Ok(gone)
    }

    /// Makes the book agree with what lies at the daemon's path.
    fn find_live(&mut self) -> Result<(), RegistryError> {
        let known = self.book.history.last().map(|c| c.to.clone());
        let pointer = self.registry.pointer.clone();
        let found = match self.registry.live() {
            Some(id) => id,
            None if pointer.exists() => {
                let id = self.add(&pointer)?;
                if known.as_deref() != Some(&id) || std::fs::read_link(&pointer).is_err() {
                    return self.put_in_force_found(&id, known);
                }
                id
            }
            None => return Ok(()),
        };
        if known.as_deref() != Some(&found) {
            self.book.history.push(Change {
                at: now(),
                from: known,
                to: found,
                why: Why::Found,
            });
            self.write()?;
        }
        Ok(())
    }

    fn put_in_force_found(&mut self, id: &str, from: Option<String>) -> Result<(), RegistryError> {
        self.put_in_force(id, Why::Found)?;
        if let Some(last) = self.book.history.last_mut() {
            last.from = from.filter(|f| f != id);
        }
        self.write()
    }
}

fn id(facts: &Facts, digest: &str) -> String {
    let at =
        Timestamp::from_second(i64::try_from(facts.trained_at).unwrap_or(0)).unwrap_or_default();
    format!(
        "{}-{}",
        at.strftime("%Y%m%d"),
        digest.get(..8).unwrap_or_default()
    )
}
