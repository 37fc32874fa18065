//! The hash of the body (RFC 6376, sections 3.4.3, 3.4.4 and 3.7), as the body arrives.
//!
//! In: which canonicalisations and lengths the signatures ask for, then the bytes, in pieces of any size. Out:
//! the SHA-256 hash for each. One canonicalisation is hashed once; a length (`l=`) is a look at the hash on
//! the way. Memory does not grow with the body.

use sha2::{Digest, Sha256};

use super::Canonicalization;

/// Canonical bytes that are collected before they are hashed.
const BUFFER: usize = 8 << 10;

/// Hashes a body.
#[derive(Debug, Default)]
pub struct BodyHasher {
    simple: Option<Canonical>,
    relaxed: Option<Canonical>,
    /// Whether a bare LF ends a line, as in files.
    bare_lf: bool,
    last: u8,
}

/// The hashes of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyHashes(Vec<BodyHash>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct BodyHash {
    canonicalization: Canonicalization,
    /// `None` for the whole body.
    length: Option<u64>,
    hash: [u8; 32],
    /// Whether the whole body is covered.
    whole: bool,
}

impl BodyHasher {
    /// A hasher for what signatures ask for. `bare_lf`: the message has LF where the wire has CRLF.
    pub fn new(
        wanted: impl IntoIterator<Item = (Canonicalization, Option<u64>)>,
        bare_lf: bool,
    ) -> BodyHasher {
        let mut hasher = BodyHasher {
            bare_lf,
            ..BodyHasher::default()
        };
        for (canonicalization, length) in wanted {
            let place = match canonicalization {
                Canonicalization::Simple => &mut hasher.simple,
                Canonicalization::Relaxed => &mut hasher.relaxed,
            };
            let canonical = place.get_or_insert_with(|| Canonical::new(canonicalization));
            if let Some(length) = length
                && !canonical.lengths.contains(&length)
            {
                canonical.lengths.push(length);
            }
        }
        for canonical in [&mut hasher.simple, &mut hasher.relaxed]
            .into_iter()
            .flatten()
        {
            // The next one to come stands last.
            canonical.lengths.sort_unstable_by(|a, b| b.cmp(a));
            canonical.take_lengths();
        }
        hasher
    }

    /// Whether nothing is asked for, so that the body need not be read.
    pub fn is_idle(&self) -> bool {
        self.simple.is_none() && self.relaxed.is_none()
    }

    /// Takes the next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        if !self.bare_lf {
            self.feed(bytes);
            return;
        }
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let before = line.len().checked_sub(2).and_then(|at| line.get(at));
            match line.strip_suffix(b"\n") {
                Some(text) if *before.unwrap_or(&self.last) != b'\r' => {
                    self.feed(text);
                    self.feed(b"\r\n");
                }
                _ => self.feed(line),
            }
            self.last = line.last().copied().unwrap_or(self.last);
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        for canonical in [&mut self.simple, &mut self.relaxed].into_iter().flatten() {
            canonical.update(bytes);
        }
    }

    /// The body is complete.
    pub fn finish(self) -> BodyHashes {
        let mut hashes = Vec::new();
        for canonical in [self.simple, self.relaxed].into_iter().flatten() {
            hashes.extend(canonical.finish());
        }
        BodyHashes(hashes)
    }
}

impl BodyHashes {
    /// The hash for a canonicalisation and a length, and whether it covers the whole body; `None` where the body
    /// is shorter than the length.
    pub(in crate::auth) fn get(
        &self,
        canonicalization: Canonicalization,
        length: Option<u64>,
    ) -> Option<(&[u8], bool)> {
        let fits = |h: &&BodyHash| h.canonicalization == canonicalization && h.length == length;
        let found = self.0.iter().find(fits)?;
        Some((&found.hash, found.whole))
    }
}

/// One canonicalisation at work.
#[derive(Debug)]
struct Canonical {
    canonicalization: Canonicalization,
    hash: Sha256,
    buffer: Vec<u8>,
    /// Canonical bytes so far.
    count: u64,
    /// Lengths not reached yet, the nearest last.
    lengths: Vec<u64>,
    reached: Vec<(u64, [u8; 32])>,
    /// Line ends that count only when something follows.
    line_ends: u64,
    /// White space that counts only when something follows on its line.
    space: bool,
    /// A CR of which it is not known yet whether it belongs to a line end.
    cr: bool,
}

impl Canonical {
    fn new(canonicalization: Canonicalization) -> Canonical {
        Canonical {
            canonicalization,
            hash: Sha256::new(),
            buffer: Vec::with_capacity(BUFFER),
            count: 0,
            lengths: Vec::new(),
            reached: Vec::new(),
            line_ends: 0,
            space: false,
            cr: false,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if self.cr
            && let Some((first, tail)) = rest.split_first()
        {
            self.cr = false;
            if *first == b'\n' {
                self.line_end();
                rest = tail;
            } else {
                self.text(b"\r");
            }
        }
        let relaxed = self.canonicalization == Canonicalization::Relaxed;
        while !rest.is_empty() {
            let special = match relaxed {
                true => rest.iter().position(|b| matches!(b, b'\r' | b' ' | b'\t')),
                false => memchr::memchr(b'\r', rest),
            };
            let (text, tail) = rest
                .split_at_checked(special.unwrap_or(rest.len()))
                .unwrap_or((rest, &[]));
            if !text.is_empty() {
                self.text(text);
            }
            rest = match tail {
                [b'\r', b'\n', tail @ ..] => {
                    self.line_end();
                    tail
                }
                [b'\r'] => {
                    self.cr = true;
                    &[]
                }
                [b'\r', tail @ ..] => {
                    self.text(b"\r");
                    tail
                }
                [_, tail @ ..] => {
                    self.space = true;
                    tail
                }
                [] => &[],
            };
        }
    }

    fn line_end(&mut self) {
        self.space = false;
        self.line_ends += 1;
    }

    fn text(&mut self, text: &[u8]) {
        while self.line_ends > 0 {
            self.line_ends -= 1;
            self.emit(b"\r\n");
        }
        if std::mem::take(&mut self.space) {
            self.emit(b" ");
        }
        self.emit(text);
    }

    fn emit(&mut self, mut bytes: &[u8]) {
        while let Some(next) = self.lengths.last().copied() {
            let room = usize::try_from(next - self.count).unwrap_or(usize::MAX);
            let Some((head, tail)) = bytes.split_at_checked(room) else {
                break;
            };
            self.take(head);
            bytes = tail;
            self.take_lengths();
        }
        self.take(bytes);
    }

    fn take(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush();
        }
        match bytes.len() < BUFFER {
            true => self.buffer.extend_from_slice(bytes),
            false => self.hash.update(bytes),
        }
    }

    fn flush(&mut self) {
        self.hash.update(&self.buffer);
        self.buffer.clear();
    }

    /// Looks at the hash where a length is reached.
    fn take_lengths(&mut self) {
        while self.lengths.last() == Some(&self.count) {
            self.flush();
            self.reached
                .push((self.count, self.hash.clone().finalize().into()));
            self.lengths.pop();
        }
    }

    fn finish(mut self) -> Vec<BodyHash> {
        if std::mem::take(&mut self.cr) {
            self.text(b"\r");
        }
        let simple = self.canonicalization == Canonicalization::Simple;
        // White space at the very end, without a line end, is one at the end of a line. What is left of the body,
        // if anything is, ends with one CRLF; an empty one is a CRLF, or nothing (section 3.4.4).
        if simple || self.count > 0 {
            self.line_ends = 0;
            self.emit(b"\r\n");
        }
        self.flush();
        let all: [u8; 32] = self.hash.finalize().into();
        let mut hashes = vec![BodyHash {
            canonicalization: self.canonicalization,
            length: None,
            hash: all,
            whole: true,
        }];
        hashes.extend(self.reached.into_iter().map(|(length, hash)| BodyHash {
            canonicalization: self.canonicalization,
            length: Some(length),
            hash,
            whole: length == self.count,
        }));
        hashes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: [Canonicalization; 2] = [Canonicalization::Simple, Canonicalization::Relaxed];

    fn sha256(bytes: &[u8]) -> Vec<u8> {
        Sha256::digest(bytes).to_vec()
    }

    fn hashed(body: &[u8], how: Canonicalization, cuts: usize, bare_lf: bool) -> Vec<u8> {
        let mut hasher = BodyHasher::new([(how, None)], bare_lf);
        for piece in body.chunks(cuts) {
            hasher.update(piece);
        }
        hasher.finish().get(how, None).unwrap().0.to_vec()
    }

    /// The RFC by its words: line by line, on the whole body.
    fn by_the_letter(body: &[u8], how: Canonicalization) -> Vec<u8> {
        let text: String = body.iter().map(|b| char::from(*b)).collect();
        let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
        if how == Canonicalization::Relaxed {
            let space = regex::Regex::new("[ \t]+").unwrap();
            for line in &mut lines {
                let squeezed = space.replace_all(line, " ");
                *line = squeezed.trim_end_matches(' ').to_owned();
            }
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        let mut out = lines.join("\r\n");
        if !lines.is_empty() || how == Canonicalization::Simple {
            out.push_str("\r\n");
        }
        out.chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect()
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // Section 3.4.5.
        let body = b" C \r\nD \t E\r\n\r\n\r\n";
        assert_eq!(
            hashed(body, Canonicalization::Relaxed, 100, false),
            sha256(b" C\r\nD E\r\n")
        );
        assert_eq!(
            hashed(body, Canonicalization::Simple, 100, false),
            sha256(b" C \r\nD \t E\r\n")
        );
        // Sections 3.4.3 and 3.4.4: the hashes of an empty body.
        assert_eq!(
            hashed(b"", Canonicalization::Simple, 1, false),
            sha256(b"\r\n")
        );
        assert_eq!(
            hashed(b"", Canonicalization::Relaxed, 1, false),
            sha256(b"")
        );
        assert_eq!(
            hashed(b"\r\n \r\n", Canonicalization::Relaxed, 1, false),
            sha256(b"")
        );
    }

    #[test]
    fn a_length_is_a_look_on_the_way() {
        let wanted = [0, 3, 4, 5, 9].map(|l| (Canonicalization::Relaxed, Some(l)));
        let mut hasher = BodyHasher::new(wanted, false);
        hasher.update(b"a  b\r");
        hasher.update(b"\n");
        let hashes = hasher.finish();
        let of = |l| hashes.get(Canonicalization::Relaxed, Some(l));
        assert_eq!(of(0), Some((&sha256(b"")[..], false)));
        assert_eq!(of(3), Some((&sha256(b"a b")[..], false)));
        assert_eq!(of(4), Some((&sha256(b"a b\r")[..], false)));
        assert_eq!(of(5), Some((&sha256(b"a b\r\n")[..], true)));
        assert_eq!(of(9), None);
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_hash_as_the_rfc_says(
            body in "[ab \t\r\n]{0,40}(\r\n)?[ab \t\r\n]{0,40}(\r\n){0,3}",
            cuts in 1_usize..9,
        ) {
            for how in BOTH {
                prop_assert_eq!(
                    hashed(body.as_bytes(), how, cuts, false),
                    sha256(&by_the_letter(body.as_bytes(), how))
                );
            }
        }

        #[test]
        fn a_file_hashes_as_it_travelled(body in "[ab \t\n]{0,60}", cuts in 1_usize..9) {
            let wire = body.replace('\n', "\r\n");
            for how in BOTH {
                prop_assert_eq!(
                    hashed(body.as_bytes(), how, cuts, true),
                    hashed(wire.as_bytes(), how, 100, false)
                );
                prop_assert_eq!(
                    hashed(wire.as_bytes(), how, cuts, true),
                    hashed(wire.as_bytes(), how, 100, false)
                );
            }
        }
    }
}
