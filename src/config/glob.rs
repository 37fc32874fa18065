//! Patterns with `*` (any characters, also none) and `?` (one character), as people write them for names.
//!
//! The time of a comparison is at most the product of both lengths.

/// Longest pattern, bytes.
pub const GLOB_BYTES: usize = 128;

/// A pattern that is compared with names of printable ASCII, upper and lower case alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(Box<str>);

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It can fit no name, or says the same as a simpler one; in a few words.
    pub fn read(text: &str) -> Result<Glob, &'static str> {
        if text.is_empty() {
            Err("an empty pattern fits nothing")
        } else if text.len() > GLOB_BYTES {
            Err("a pattern has at most 128 bytes")
        } else if !text.bytes().all(|b| (b'!'..=b'~').contains(&b)) {
            Err("only printable ASCII without blanks stands in names")
        } else if text.contains("**") {
            Err("two stars in a row say no more than one")
        } else {
            Ok(Glob(text.to_ascii_lowercase().into()))
        }
    }

    /// Whether it fits all of `name`.
    pub fn fits(&self, name: &str) -> bool {
        fits(self.0.as_bytes(), name.to_ascii_lowercase().as_bytes())
    }

    /// Whether it fits every name.
    pub fn fits_all(&self) -> bool {
        &*self.0 == "*"
    }

    /// What each name begins with that it fits, in lower case.
    pub fn beginning(&self) -> &str {
        let end = self.0.find(['*', '?']).unwrap_or(self.0.len());
        self.0.get(..end).unwrap_or_default()
    }
}

/// Whether a name fits a pattern, byte by byte.
pub(crate) fn fits(glob: &[u8], name: &[u8]) -> bool {
    // Positions to go back to: behind the last `*`, and in the name.
    let (mut g, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some(b'*') => {
                back = Some((g + 1, n));
                g += 1;
            }
            Some(c) if *c == b'?' || Some(c) == name.get(n) => {
                g += 1;
                n += 1;
            }
            _ => match back {
                Some((after, from)) => {
                    back = Some((after, from + 1));
                    g = after;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    glob.get(g..)
        .is_some_and(|rest| rest.iter().all(|c| *c == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_fit_whole_names_in_any_case() {
        for (pattern, good, bad) in [
            ("PUA.*", "pua.Win.Packer-1", "XPUA.Win"),
            ("*.Spam.*", "Email.Spam.x", "Email.Spamx"),
            ("a?c", "abc", "ac"),
            ("a*b*c", "aXbXbXc", "aXbXbX"),
            ("*", "anything", ""),
            ("exact", "EXACT", "exactly"),
        ] {
            let glob = Glob::read(pattern).unwrap();
            assert!(glob.fits(good), "{pattern} {good}");
            assert!(!glob.fits(bad) || glob.fits_all(), "{pattern} {bad}");
        }
        assert_eq!(
            Glob::read("Heuristics.Enc*").unwrap().beginning(),
            "heuristics.enc"
        );
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "a b", "a\n", "\u{e9}", "a**b", &"x".repeat(129)] {
            assert!(Glob::read(bad).is_err(), "{bad:?}");
        }
    }
}
