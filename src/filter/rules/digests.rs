//! A list of SHA-256 digests that may hold hundreds of thousands: 32 bytes each, sorted.

/// An immutable set of digests.
#[derive(Debug, Default)]
pub(super) struct Digests(Vec<[u8; 32]>);

impl Digests {
    /// A set of these.
    pub(super) fn new(digests: impl IntoIterator<Item = [u8; 32]>) -> Digests {
        let mut all: Vec<_> = digests.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        all.shrink_to_fit();
        Digests(all)
    }

    /// Number of different digests.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the digest, written as 64 hexadecimal digits, is one of them.
    pub(super) fn contains(&self, written: &[u8]) -> bool {
        read(written).is_some_and(|digest| self.0.binary_search(&digest).is_ok())
    }
}

/// A digest from 64 hexadecimal digits.
pub(super) fn read(written: &[u8]) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if written.len() != 2 * digest.len() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(written.chunks_exact(2)) {
        let digits = std::str::from_utf8(pair).ok()?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(digest)
}

/// A digest as 64 hexadecimal digits in lower case.
pub(super) fn written(digest: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(64);
    for byte in digest {
        // Writing to a string does not fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_in_either_case() {
        let one = "ab".repeat(32);
        let set = Digests::new([read(one.as_bytes()).unwrap(), [0; 32]]);
        assert_eq!(set.len(), 2);
        assert!(set.contains(one.as_bytes()) && set.contains(one.to_uppercase().as_bytes()));
        assert!(!set.contains("ac".repeat(32).as_bytes()));
        assert_eq!(written(&read(one.as_bytes()).unwrap()), one);
        for bad in ["", "ab", &"g".repeat(64), &"+a".repeat(32)] {
            assert!(read(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
