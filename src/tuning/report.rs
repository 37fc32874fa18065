//! The profile of a set of rules: what each rule hit in sorted mail, what it decided and what it cost. It is printed, and
//! kept in a file of the data folder for those who look at the rules later.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::filter::bayes::durable;

/// The name of the file below the daemon's folder.
const FILE: &str = "rules-profile.json";
/// Longest file that is read, bytes; a rule takes some 250.
const BYTES: u64 = 64 << 20;

/// What a set of rules came to on sorted mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// When it was made, seconds since 1970.
    pub at: i64,
    /// Version of the set.
    pub version: String,
    /// Score from which on a rule could decide.
    pub threshold: f64,
    /// Ham that was read.
    pub ham: usize,
    /// Spam that was read.
    pub spam: usize,
    /// Items that could not be read.
    pub left_out: usize,
    /// Microseconds a message for what rules share.
    pub shared_us: f64,
    /// Microseconds a message for all rules together, beside that.
    pub rules_us: f64,
    /// The rules.
    pub rules: Vec<Profiled>,
    /// Pairs that hit nearly the same messages.
    pub overlaps: Vec<Pair>,
    /// Rules that hit nothing and were to.
    pub never_hit: Vec<String>,
}

/// What a rule came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profiled {
    /// Its id.
    pub rule: String,
    /// What it does, in a word: `scored`, `decisive`, `shadow`, `silent`, `disabled`.
    pub mode: Cow<'static, str>,
    /// Its points.
    pub score: f64,
    /// Spam that it hit.
    pub spam: usize,
    /// Ham that it hit.
    pub ham: usize,
    /// Of the shares of spam and ham that it hit, the part of the spam share; `None` where it hit nothing.
    pub so: Option<f64>,
    /// Spam that reached the threshold with it and would not have without.
    pub decides_spam: usize,
    /// Ham that did.
    pub decides_ham: usize,
    /// Microseconds for an average message.
    pub us: f64,
    /// How much of each message it looks at: `gated`, `short`, `long`.
    pub cost: Cow<'static, str>,
}

/// Two rules that hit nearly the same messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The one.
    pub first: String,
    /// The other.
    pub second: String,
    /// Messages that both hit.
    pub both: usize,
    /// Of the messages that one of them hit, the share that both did.
    pub jaccard: f64,
}

/// Why a profile cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What stands in it.
    #[error(
        "{}: {reason}; `mailweir rules profile --keep` writes a new one", path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Profile {
    /// Where the profile of a daemon with this data folder is kept.
    pub fn file(data_dir: &Path) -> PathBuf {
        data_dir.join(FILE)
    }

    /// Keeps it in the data folder, in place of the one before; the file belongs to whom the folder belongs.
    ///
    /// # Errors
    /// What the system says; the profile before is then untouched.
    pub fn keep(&self, data_dir: &Path) -> Result<PathBuf, ProfileError> {
        let path = Profile::file(data_dir);
        let write = || {
            let mut bytes = serde_json::to_vec(self)?;
            bytes.push(b'\n');
            durable::replace(&path, &bytes)?;
            durable::hand_over(&path, data_dir)
        };
        match write() {
            Ok(()) => Ok(path),
            Err(error) => Err(ProfileError::Io { path, error }),
        }
    }

    /// Reads a file; `None` where there is none.
    ///
    /// # Errors
    /// A file that cannot be read or understood.
    pub fn read(path: &Path) -> Result<Option<Profile>, ProfileError> {
        let damaged = |reason: String| ProfileError::Damaged {
            path: path.to_owned(),
            reason,
        };
        let bytes = match std::fs::metadata(path) {
            Ok(found) if found.len() > BYTES => {
                return Err(damaged("it is too large to be a profile".to_owned()));
            }
            _ => std::fs::read(path),
        };
        match bytes {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| damaged(e.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ProfileError::Io {
                path: path.to_owned(),
                error,
            }),
        }
    }

    /// What it knows of a rule.
    pub fn rule(&self, id: &str) -> Option<&Profiled> {
        self.rules.iter().find(|rule| rule.rule == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            at: 1_700_000_000,
            version: "abc".to_owned(),
            threshold: 5.0,
            ham: 10,
            spam: 20,
            left_out: 0,
            shared_us: 12.5,
            rules_us: 100.0,
            rules: vec![Profiled {
                rule: "LOTTERY".to_owned(),
                mode: "scored".into(),
                score: 2.0,
                spam: 5,
                ham: 0,
                so: Some(1.0),
                decides_spam: 1,
                decides_ham: 0,
                us: 0.25,
                cost: "gated".into(),
            }],
            overlaps: Vec::new(),
            never_hit: Vec::new(),
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = Profile::file(folder.path());
        assert_eq!(Profile::read(&path).unwrap(), None);
        assert_eq!(profile().keep(folder.path()).unwrap(), path);
        let read = Profile::read(&path).unwrap().unwrap();
        assert_eq!(read, profile());
        assert_eq!(read.rule("LOTTERY").unwrap().spam, 5);
        assert_eq!(read.rule("OTHER"), None);
    }

    #[test]
    fn what_is_damaged_or_cannot_be_written_is_said_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = Profile::file(folder.path());
        std::fs::write(&path, "{ \"at\": 1 }").unwrap();
        let told = Profile::read(&path).unwrap_err().to_string();
        assert!(
            told.contains("rules-profile.json") && told.contains("--keep"),
            "{told}"
        );
        let nowhere = folder.path().join("nowhere");
        let told = profile().keep(&nowhere).unwrap_err().to_string();
        assert!(told.contains("nowhere"), "{told}");
    }
}
