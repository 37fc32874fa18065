//! A process that ends with the test.

use std::process::{Child, Command, ExitStatus};

use super::place::wait_for;

/// A running process.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Process {
        Process(
            command
                .spawn()
                .unwrap_or_else(|e| panic!("{command:?}: {e}")),
        )
    }

    /// Sends a signal by name, `TERM`, `HUP`, `KILL`, `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.pid(), name);
    }

    pub(crate) fn pid(&self) -> String {
        self.0.id().to_string()
    }

    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the end of a process", || self.exited())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a signal to a process, or to a group when `target` begins with `-`.
pub(crate) fn signal(target: &str, name: &str) {
    let _ = Command::new("kill")
        .args(["-s", name, "--", target])
        .stderr(std::process::Stdio::null())
        .status();
}
