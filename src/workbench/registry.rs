//! The models of one filter: those that were in force, the one that is, and those that were kept aside.
//!
//! The daemon reads its model at one path. Here that path is a symbolic link to a file in the folder `models`
//! beside it; promotion puts another link in its place by rename, so that a reader finds the old model or the
//! new one, whole. The link alone says which model is in force; `models/book.json` says what happened and why, and
//! beside a model may lie what its training came to ([`Evaluated`]).
//! A model that was put at that path by other means is taken into the folder before it is replaced.
//!
//! Model files are named by time of training and contents and never change. One process at a time changes
//! anything: it holds the lock on `models/lock`. The book is replaced as a whole, durably; what it does not know
//! because a process died in between is found by looking at the link.

mod book;
mod evaluated;
mod leftovers;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::clock;
use crate::filter::bayes::{Engine, Journal, ModelError, durable, place};

pub use book::{Book, Change, Entry, Pinned, Trial, Why};
pub use evaluated::Evaluated;

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

impl Registry {
    /// The models of the filter that reads its model at `pointer`. Nothing is opened yet.
    pub fn of(pointer: &Path) -> Registry {
        Registry {
            pointer: pointer.to_owned(),
            folder: place::folder(pointer),
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
        place::file(&self.pointer, id)
    }

    /// The model in force: its id when the folder holds it. `None` also when a file that is no link of ours lies
    /// there.
    pub fn live(&self) -> Option<String> {
        place::linked(&self.pointer)
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
                if book.version != book::VERSION {
                    return Err(unusable(format!(
                        "it has version {}, and this mailweir knows {}; update mailweir",
                        book.version,
                        book::VERSION
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
        durable::hand_over(path, durable::folder(&self.pointer)).map_err(io_at(path))
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

    /// Takes the model in `path` into the folder, if it is not there yet, with what its training came to if that lies beside
    /// it, and gives its id.
    ///
    /// # Errors
    /// A model that cannot be read or used.
    pub fn add(&mut self, path: &Path) -> Result<String, RegistryError> {
        let engine = Engine::open(path)?;
        let bytes = std::fs::read(path).map_err(io_at(path))?;
        let digest = blake3::hash(&bytes).to_hex().to_string();
        let id = place::name(engine.facts(), &bytes);
        if let Some(evaluated) = Evaluated::found_beside(path, &digest) {
            self.keep(&id, &evaluated)?;
        }
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
                added_at: clock::seconds(),
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
        // A daemon that folds lessons into its model must not put it over this one.
        Journal::of(pointer)
            .while_not_folded(|| place::link(pointer, id))?
            .map_err(io_at(pointer))?;
        self.book.history.push(Change {
            at: clock::seconds(),
            from,
            to: id.to_owned(),
            why,
        });
        self.write()
    }

    /// Removes the oldest models past `keep`, but never the one in force, the one before it, nor `tried`.
    ///
    /// # Errors
    /// What the system says.
    pub fn prune(&mut self, keep: usize, tried: &str) -> Result<Vec<String>, RegistryError> {
        let live = self.registry.live();
        let before = live.as_deref().and_then(|l| self.book.before(l));
        let needed =
            |id: &str| [live.as_deref(), before.as_deref(), Some(tried)].contains(&Some(id));
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
            // Not every model has one.
            let _ = std::fs::remove_file(self.registry.evaluation(id));
            let file = self.registry.file(id);
            match std::fs::remove_file(&file) {
                // Somebody was faster.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(io_at(&file))?,
            }
        }
        Ok(gone)
    }

    /// Makes the book agree with what lies at the daemon's path.
    fn find_live(&mut self) -> Result<(), RegistryError> {
        let known = self.book.history.last().map(|c| c.to.clone());
        let pointer = self.registry.pointer.clone();
        let found = match self.registry.live() {
            Some(id) => {
                // A daemon has folded lessons into its model.
                if self.book.entry(&id).is_none() && pointer.exists() {
                    self.add(&pointer)?;
                }
                id
            }
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
                at: clock::seconds(),
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
