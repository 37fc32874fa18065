//! What time it is, as numbers that are stored and compared: since 1970, by the wall clock. For display and retention only;
//! deadlines use the monotonic clock.

use jiff::Timestamp;

/// Seconds since 1970.
pub(crate) fn seconds() -> i64 {
    Timestamp::now().as_second()
}

/// The same for what counts without a sign; 0 on a machine whose clock stands before 1970.
pub(crate) fn unsigned_seconds() -> u64 {
    seconds().try_into().unwrap_or_default()
}

/// Milliseconds since 1970.
pub(crate) fn milliseconds() -> i64 {
    Timestamp::now().as_millisecond()
}
