//! A folder of a test's own, and the binary run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) struct Place(tempfile::TempDir);

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// The command, to be run in the folder: words are separated by spaces.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailweir"));
        command
            .args(line.split_whitespace())
            .current_dir(self.0.path());
        command
    }

    /// Runs the command, whatever comes of it.
    pub(crate) fn run(&self, line: &str) -> Said {
        self.command(line).output().unwrap().into()
    }

    /// Runs the command, which must succeed, and gives what it printed.
    pub(crate) fn ok(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, 0, "{line}\n{}{}", said.out, said.err);
        said.out
    }

    pub(crate) fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.ok(line)).unwrap()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
