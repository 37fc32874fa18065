//! The program with a folder of files.

use std::path::Path;
use std::process::{Command, Output};

/// What a run of the program said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}{}", self.out, self.err))
    }
}

/// Runs the program in a folder.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Said {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_mailweir"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    Said {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// The same, and it must succeed.
pub(crate) fn done(folder: &Path, args: &[&str]) -> Said {
    let said = run(folder, args);
    assert_eq!(said.code, 0, "{args:?}: {}{}", said.out, said.err);
    said
}
