//! CPU time.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// CPU time of this process so far, its own and the kernel's for it.
pub(crate) fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let (user, system) = (usage.user_time(), usage.system_time());
    let micros = (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec();
    Duration::from_micros(micros.try_into().unwrap())
}
