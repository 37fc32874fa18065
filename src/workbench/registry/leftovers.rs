//! What a process that died left in the folder of models, and models that a daemon has folded lessons into and that have a
//! successor. Nobody can choose them any more: the book does not know them.

use std::io;
use std::path::{Path, PathBuf};

use super::evaluated::SUFFIX;
use super::{Changing, RegistryError, io_at};
use crate::filter::bayes::Journal;

impl Changing<'_> {
    /// Removes them, and gives the names of the files. Files of other names are somebody's own; where the book knows no model
    /// at all it may have been lost, and everything stays.
    ///
    /// # Errors
    /// What the system says.
    pub fn sweep(&self) -> Result<Vec<String>, RegistryError> {
        if self.book.models.is_empty() {
            return Ok(Vec::new());
        }
        let folder = &self.registry.folder;
        // A daemon that folds lessons makes the file first and the link after it.
        Journal::of(&self.registry.pointer)
            .while_not_folded(|| self.remove_leftovers(folder))?
            .map_err(io_at(folder))
    }

    fn remove_leftovers(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut gone = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|n| self.is_leftover(n)) else {
                continue;
            };
            std::fs::remove_file(entry.path())?;
            gone.push(name.to_owned());
        }
        gone.sort();
        Ok(gone)
    }

    fn is_leftover(&self, name: &str) -> bool {
        if let Some(rest) = name.strip_prefix("candidate.") {
            let process = rest.split('.').next().unwrap_or_default();
            return process.parse::<u32>().is_ok() && !is_alive(process);
        }
        let temporary = name.ends_with(".tmp");
        match name.split_once('.') {
            Some(("book", rest)) => temporary && rest.starts_with("json."),
            Some((id, "mwb")) if is_id(id) => {
                self.book.entry(id).is_none() && self.registry.live().as_deref() != Some(id)
            }
            Some((id, SUFFIX)) if is_id(id) => self.book.entry(id).is_none(),
            Some((id, rest)) => {
                let ours = rest.starts_with("mwb.") || rest.starts_with(SUFFIX);
                is_id(id) && temporary && ours
            }
            None => false,
        }
    }
}

fn is_alive(process: &str) -> bool {
    PathBuf::from("/proc").join(process).exists()
}

/// Whether a model of the folder could be named so: `20260131-0123abcd`.
fn is_id(name: &str) -> bool {
    let Some((day, digest)) = name.split_once('-') else {
        return false;
    };
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    day.len() == 8
        && day.bytes().all(|b| b.is_ascii_digit())
        && digest.len() == 8
        && digest.bytes().all(hexadecimal)
}
