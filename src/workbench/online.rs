//! Evaluation in the order in which mail came: each message is judged, then learned, as in the TREC spam track
//! with immediate feedback (Cormack and Lynam 2005).

use std::path::{Path, PathBuf};

use crate::filter::bayes::Class;

/// The messages of an evaluation, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Class and file, resolved against the folder of the list.
    pub messages: Vec<(Class, PathBuf)>,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The list.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line that says something else.
    #[error("{}:{line}: expected a path, a tab, and `ham` or `spam`; found {found:?}", path.display())]
    Line {
        /// The list.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What stands there, at most 80 characters of it.
        found: String,
    },
    /// No line at all.
    #[error("{}: the list is empty", .0.display())]
    Empty(PathBuf),
}

impl List {
    /// Reads a list: one message a line, path and label separated by a tab. The path may hold tabs itself: the
    /// last one counts. Empty lines are passed over.
    ///
    /// # Errors
    /// What cannot be read, or the first line that is not of this form.
    pub fn read(path: &Path) -> Result<List, ListError> {
        let text = std::fs::read_to_string(path).map_err(|error| ListError::Io {
            path: path.to_owned(),
            error,
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut messages = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.is_empty()) {
            let parsed = line.rsplit_once('\t').and_then(|(file, label)| {
                let class = match label {
                    "ham" => Class::Ham,
                    "spam" => Class::Spam,
                    _ => return None,
                };
                (!file.is_empty()).then(|| (class, folder.join(file)))
            });
            messages.push(parsed.ok_or_else(|| ListError::Line {
                path: path.to_owned(),
                line: number + 1,
                found: line.chars().take(80).collect(),
            })?);
        }
        if messages.is_empty() {
            return Err(ListError::Empty(path.to_owned()));
        }
        Ok(List { messages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<List, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        std::fs::write(&path, text).unwrap();
        List::read(&path)
            .map_err(|e| e.to_string())
            .map(|mut list| {
                for (_, file) in &mut list.messages {
                    *file = file
                        .strip_prefix(dir.path())
                        .map_or(file.clone(), Path::to_owned);
                }
                list
            })
    }

    #[test]
    fn paths_are_relative_to_the_list_and_keep_their_order() {
        let list = read("spam/2.eml\tspam\nham/1\t.eml\tham\r\n\n/abs.eml\tham\n").unwrap();
        assert_eq!(
            list.messages,
            [
                (Class::Spam, "spam/2.eml".into()),
                (Class::Ham, "ham/1\t.eml".into()),
                (Class::Ham, "/abs.eml".into()),
            ]
        );
    }

    #[test]
    fn a_line_of_another_form_is_named() {
        for text in ["a\tham\nspam b\n", "a\tham\nb\tSPAM\n", "a\tham\n\tham\n"] {
            let error = read(text).unwrap_err();
            assert!(error.contains("list:2: expected a path, a tab"), "{error}");
        }
        assert!(read("\n").unwrap_err().contains("empty"));
    }
}
