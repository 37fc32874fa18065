//! One release of a message at a time, over all processes.
//!
//! A lock on one byte of the file `sending`, at the place that the message's id gives. The kernel gives it up
//! when the process ends, however it ends, so a release that a crash has cut off can be taken up at once, and
//! one that is under way cannot.

use std::fs::File;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use tokio::time::Instant;
use ulid::Ulid;

use super::{Quarantine, QuarantineError, blocking};

/// Longest wait for another release of the same message.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at the lock.
const LOOK: Duration = Duration::from_millis(50);

/// The right to send a message; ends when it is dropped.
#[derive(Debug)]
pub(super) struct Sending {
    // Closing it gives the lock up.
    _file: File,
}

impl Quarantine {
    /// Waits for the right to send that message.
    ///
    /// # Errors
    /// [`QuarantineError::InProgress`] after a minute; the file system.
    pub(super) async fn sending(&self, id: Ulid) -> Result<Sending, QuarantineError> {
        let until = Instant::now() + PATIENCE;
        let folder = self.folder.clone();
        let mut file = blocking(move || folder.sending()).await??;
        loop {
            let (back, locked) = blocking(move || (lock(&file, id), file))
                .await
                .map(|(l, f)| (f, l))?;
            file = back;
            match locked {
                Ok(()) => return Ok(Sending { _file: file }),
                Err(Errno::EAGAIN | Errno::EACCES) if Instant::now() < until => {
                    tokio::time::sleep(LOOK).await;
                }
                Err(Errno::EAGAIN | Errno::EACCES) => {
                    return Err(QuarantineError::InProgress(id.to_string()));
                }
                Err(error) => {
                    return Err(QuarantineError::File {
                        what: "lock",
                        path: self.path().join("sending"),
                        error: error.into(),
                    });
                }
            }
        }
    }
}

/// An open file description lock: it belongs to this opening of the file, not to the process.
fn lock(file: &File, id: Ulid) -> Result<(), Errno> {
    let place = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        // The random part of the id, as far as a place in a file goes.
        l_start: (id.0 & (i64::MAX as u128 >> 1)) as libc::off_t,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&place)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_locked_once_and_others_are_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::options().write(true).open(file.path()).unwrap();
        let (one, other) = (Ulid::new(), Ulid::new());
        let (first, second) = (open(), open());
        lock(&first, one).unwrap();
        assert!(matches!(lock(&second, one), Err(Errno::EAGAIN)));
        lock(&second, other).unwrap();
        drop(first);
        lock(&second, one).unwrap();
    }
}
