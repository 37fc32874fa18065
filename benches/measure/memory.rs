//! Memory of this process.

#![allow(dead_code, reason = "a bench takes of it what it needs")]

/// What is in memory now, KiB.
pub(crate) fn resident_kib() -> u64 {
    of_status("VmRSS:")
}

/// The most that ever was in memory, KiB.
pub(crate) fn peak_kib() -> u64 {
    of_status("VmHWM:")
}

fn of_status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with(field));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}
