//! One examination in progress: what was found so far, and what may still be spent on it.
//!
//! Everything that a reader of a format unpacks, copies or hands out goes through here, so that one place
//! bounds memory and time. Where a bound cuts something off, [`Findings::limit`] says so.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use flate2::read::{DeflateDecoder, ZlibDecoder};

use super::traits::Trait;
use super::{Bounds, Embedded, Findings};

/// Longest URL that is handed out, bytes; longer ones are cut.
const URL_BYTES: usize = 2048;
/// Longest name of an embedded file, characters; longer ones are cut.
const NAME_CHARS: usize = 255;
/// Passwords that are tried.
const PASSWORDS: usize = 64;
/// Schemes of URLs that are looked for in texts; the longer of two with the same end stands first.
const SCHEMES: &[&str] = &["https", "http", "ftp"];
/// Read from a decoder at one time.
const CHUNK: usize = 16 << 10;

/// How packed data begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapper {
    /// A zlib header (RFC 1950).
    Zlib,
    /// Nothing: deflate data (RFC 1951).
    Bare,
}

/// The state of one examination.
pub(super) struct Examination {
    bounds: Bounds,
    passwords: Arc<[String]>,
    depth: usize,
    seen: BTreeSet<String>,
    findings: Findings,
}

impl Examination {
    /// Nothing found yet, for tests.
    #[cfg(test)]
    pub(super) fn new(bounds: &Bounds) -> Examination {
        Examination::with_passwords(bounds, &[])
    }

    /// Nothing found yet; `passwords` are words that may open what is encrypted.
    pub(super) fn with_passwords(bounds: &Bounds, passwords: &[String]) -> Examination {
        Examination {
            bounds: *bounds,
            passwords: passwords.iter().take(PASSWORDS).cloned().collect(),
            depth: 0,
            seen: BTreeSet::new(),
            findings: Findings::default(),
        }
    }

    /// Words that may open what is encrypted.
    pub(super) fn passwords(&self) -> Arc<[String]> {
        Arc::clone(&self.passwords)
    }

    /// What was found.
    pub(super) fn finish(self) -> Findings {
        self.findings
    }

    /// Whether it was found already.
    pub(super) fn has(&self, found: Trait) -> bool {
        self.findings.traits.contains(&found)
    }

    /// Records a trait.
    pub(super) fn note(&mut self, found: Trait) {
        self.findings.traits.insert(found);
    }

    /// Records that a bound cut something off.
    pub(super) fn limit(&mut self) {
        self.findings.limit = true;
    }

    /// Takes one of `Bounds::entries`; `false`, and the limit is told, when there are none left.
    pub(super) fn entry(&mut self) -> bool {
        let left = self.bounds.entries.checked_sub(1);
        match left {
            Some(left) => self.bounds.entries = left,
            None => self.limit(),
        }
        left.is_some()
    }

    /// Takes `wanted` of the bytes that may be unpacked or copied, or what is left of them.
    pub(super) fn spend(&mut self, wanted: usize) -> usize {
        let granted = wanted.min(self.bounds.bytes);
        self.bounds.bytes -= granted;
        self.findings.used += granted;
        if granted < wanted {
            self.limit();
        }
        granted
    }

    /// Runs `inner` one level deeper, unless that is too deep.
    pub(super) fn deeper(&mut self, inner: impl FnOnce(&mut Examination)) {
        if self.depth >= self.bounds.depth {
            self.limit();
            return;
        }
        self.depth += 1;
        inner(self);
        self.depth -= 1;
    }

    /// A copy of `bytes`, counted.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Vec<u8> {
        let granted = self.spend(bytes.len());
        bytes.get(..granted).unwrap_or_default().to_vec()
    }

    /// Unpacks deflate data as far as it goes: what stands before damage is what programs show.
    pub(super) fn inflate(&mut self, wrapper: Wrapper, packed: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match wrapper {
            Wrapper::Zlib => self.drain(ZlibDecoder::new(packed), &mut out),
            Wrapper::Bare => self.drain(DeflateDecoder::new(packed), &mut out),
        }
        out
    }

    fn drain(&mut self, mut from: impl Read, out: &mut Vec<u8>) {
        let mut chunk = [0_u8; CHUNK];
        while let Ok(read) = from.read(&mut chunk) {
            let granted = self.spend(read);
            out.extend_from_slice(chunk.get(..granted).unwrap_or_default());
            if read == 0 || granted < read {
                break;
            }
        }
    }

    /// Records a URL or another reference, as far as it is printable, once.
    pub(super) fn url(&mut self, text: &str) {
        let text: String = text
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(URL_BYTES)
            .collect();
        let mut end = text.len().min(URL_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let Some(text) = text.get(..end).filter(|t| !t.is_empty()) else {
            return;
        };
        if self.seen.contains(text) {
            return;
        }
        if self.findings.urls.len() >= self.bounds.urls {
            self.findings.urls_cut = true;
            return;
        }
        self.seen.insert(text.to_owned());
        self.findings.urls.push(text.to_owned());
    }

    /// Records the URLs with a scheme of the web in a text, such as a script.
    pub(super) fn urls_in(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = memchr::memmem::find(rest.as_bytes(), b"://") {
            let (before, after) = rest.split_at_checked(at).unwrap_or_default();
            let scheme = SCHEMES.iter().find(|scheme| {
                let start = before.len().checked_sub(scheme.len());
                start
                    .and_then(|start| before.as_bytes().get(start..))
                    .is_some_and(|word| word.eq_ignore_ascii_case(scheme.as_bytes()))
            });
            let Some(scheme) = scheme else {
                rest = after.get("://".len()..).unwrap_or_default();
                continue;
            };
            let end = after
                .find(|c: char| c.is_whitespace() || c.is_control() || "\"'<>`\\)]}".contains(c))
                .unwrap_or(after.len());
            let (found, tail) = after.split_at_checked(end).unwrap_or_default();
            if found.len() > "://".len() {
                self.url(&format!("{scheme}{found}"));
            }
            rest = tail;
        }
    }

    /// Hands out an embedded file. `bytes` were counted when they were unpacked or copied.
    pub(super) fn file(&mut self, name: &str, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        if self.findings.files.len() >= self.bounds.files {
            self.limit();
            return;
        }
        let name = name.trim_matches('\0').chars().take(NAME_CHARS).collect();
        self.findings.files.push(Embedded { name, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn unpacking_stops_at_the_bound_and_says_so() {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![0; 10 << 20]).unwrap();
        let packed = packer.finish().unwrap();
        let bounds = Bounds {
            bytes: 100_000,
            ..Bounds::default()
        };
        let mut examination = Examination::new(&bounds);
        assert_eq!(examination.inflate(Wrapper::Zlib, &packed).len(), 100_000);
        assert!(examination.inflate(Wrapper::Zlib, &packed).is_empty());
        assert!(examination.finish().limit);
    }

    #[test]
    fn damaged_data_is_unpacked_up_to_the_damage() {
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), Default::default());
        packer.write_all(b"hello hello hello").unwrap();
        let mut packed = packer.finish().unwrap();
        packed.truncate(packed.len() - 2);
        let mut examination = Examination::new(&Bounds::default());
        let out = examination.inflate(Wrapper::Bare, &packed);
        assert!(out.starts_with(b"hello"), "{out:?}");
        assert!(!examination.finish().limit);
    }

    #[test]
    fn urls_are_bounded_in_length_and_number_and_come_once() {
        let bounds = Bounds {
            urls: 2,
            ..Bounds::default()
        };
        let mut examination = Examination::new(&bounds);
        examination.url(" http://a.example/\r\nb ");
        examination.url("http://a.example/b");
        examination.url(&"\u{e4}".repeat(URL_BYTES));
        examination.url("\0\u{7}");
        let findings = {
            assert!(!examination.findings.urls_cut);
            examination.url("http://c.example");
            examination.finish()
        };
        assert!(findings.urls_cut && !findings.limit);
        assert_eq!(findings.urls.len(), 2);
        assert_eq!(findings.urls[0], "http://a.example/b");
        assert_eq!(findings.urls[1].len(), URL_BYTES);
    }

    #[test]
    fn urls_are_found_in_scripts() {
        let mut examination = Examination::new(&Bounds::default());
        examination.urls_in(
            "a='HTTPS://a.example/x?y';b=\"http://b.example\";c://no;(ftp://c.example)://",
        );
        let urls = examination.finish().urls;
        assert_eq!(
            urls,
            [
                "https://a.example/x?y",
                "http://b.example",
                "ftp://c.example"
            ]
        );
    }

    #[test]
    fn depth_files_and_entries_are_bounded() {
        let bounds = Bounds {
            depth: 1,
            files: 1,
            entries: 2,
            ..Bounds::default()
        };
        let mut examination = Examination::new(&bounds);
        let mut reached = 0;
        examination.deeper(|e| {
            reached += 1;
            e.deeper(|_| reached += 10);
        });
        assert_eq!(reached, 1);
        for _ in 0..2 {
            examination.file("a", vec![1]);
        }
        assert!(examination.entry() && examination.entry() && !examination.entry());
        let findings = examination.finish();
        assert!(findings.limit && findings.files.len() == 1);
    }
}
