//! [`Timed`]: packed bytes that end when the time is over, for decoders that pass over empty streams without a word.

use std::io::{self, Read};

use super::limits::Time;

/// Bytes after which the time is looked at again.
const STEP: usize = 16 << 10;

/// Packed bytes; [`io::ErrorKind::TimedOut`] when the time is over.
pub(super) struct Timed<'b, 'm> {
    rest: &'b [u8],
    /// How many were left when the time was looked at.
    looked_at: usize,
    time: Time<'m>,
}

impl<'b, 'm> Timed<'b, 'm> {
    pub(super) fn new(bytes: &'b [u8], time: Time<'m>) -> Timed<'b, 'm> {
        Timed {
            rest: bytes,
            looked_at: bytes.len(),
            time,
        }
    }
}

impl Read for Timed<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.looked_at - self.rest.len() >= STEP {
            if self.time.is_over() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.looked_at = self.rest.len();
        }
        self.rest.read(into)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use bzip2::read::MultiBzDecoder;

    use super::super::limits::{Budget, Limits};
    use super::*;

    #[test]
    fn empty_streams_end_when_the_time_is_over() {
        let bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        let bzip2 = bzip2.finish().unwrap().repeat(10_000);
        let (limits, cancelled) = (Limits::default(), AtomicBool::new(false));
        let budget = Budget::new(&limits, &cancelled);
        let read = || MultiBzDecoder::new(Timed::new(&bzip2, budget.time)).read(&mut [0; 16]);
        assert_eq!(read().unwrap(), 0);
        cancelled.store(true, Ordering::Relaxed);
        assert_eq!(read().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
