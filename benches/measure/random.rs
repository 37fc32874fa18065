//! Numbers that look like chance and are the same on every run.

/// A generator (xorshift); its seed is not 0.
pub(crate) struct Random(pub(crate) u64);

#[allow(dead_code, reason = "a bench takes of it what it needs")]
impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One of 0 to `of`, all as often.
    pub(crate) fn any(&mut self, of: u64) -> u64 {
        self.next() % of
    }

    /// One of 0 to `of`, small ones more often: like senders, words and rules.
    pub(crate) fn skewed(&mut self, of: u64) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((of as f64).powf(unit) - 1.0) as u64
    }
}
