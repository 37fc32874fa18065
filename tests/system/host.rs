//! What only tests of a whole host look at: who runs them, processes, the address as a mail server writes it.

use super::daemon::Daemon;

/// Whether the test may start servers that change their user; says that it is skipped if not.
pub(crate) fn root() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        println!("skipped: needs root");
    }
    root
}

impl Daemon {
    /// Its process id.
    pub(crate) fn pid(&self) -> String {
        self.process.pid()
    }

    /// The value of `smtpd_milters` for the port.
    pub(crate) fn inet(&self) -> String {
        format!("inet:127.0.0.1:{}", self.milter)
    }
}
