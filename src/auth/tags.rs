//! Tag lists (RFC 6376, section 3.2): what signatures, seals, keys and policies are written in.
//!
//! In: the bytes of a header field or of a TXT record. Out: tags with their values, white space around
//! them taken off, in order; or why the list is none. A tag that stands twice makes the whole list invalid.

/// Most tags of a list that are read.
const TAGS: usize = 64;

/// Tags and their values.
#[derive(Clone, Debug)]
pub(super) struct Tags<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Tags<'a> {
    /// Reads a list by the letter of the RFC.
    pub(super) fn read(list: &'a [u8]) -> Result<Tags<'a>, &'static str> {
        let mut tags: Vec<(&[u8], &[u8])> = Vec::new();
        let mut specs = list.split(|b| *b == b';').peekable();
        while let Some(spec) = specs.next() {
            if specs.peek().is_none() && spec.trim_ascii().is_empty() && !tags.is_empty() {
                break;
            }
            let at = memchr::memchr(b'=', spec).ok_or("a tag without a value")?;
            let (name, value) = spec.split_at_checked(at).ok_or("a tag without a value")?;
            let name = name.trim_ascii();
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let good = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
            if !name.first().is_some_and(u8::is_ascii_alphabetic) || !name.iter().all(good) {
                return Err("a tag with an impossible name");
            }
            // Bytes beyond ASCII: RFC 8616.
            let control = |b: &u8| *b < b' ' && !matches!(b, b'\r' | b'\n' | b'\t') || *b == 0x7f;
            if value.iter().any(control) {
                return Err("a tag with a control character");
            }
            if tags.iter().any(|(known, _)| *known == name) {
                return Err("a tag that stands twice");
            }
            if tags.len() == TAGS {
                return Err("too many tags");
            }
            tags.push((name, value));
        }
        Ok(Tags(tags))
    }

    /// Reads what can be read: malformed tags are left out, and of a tag that stands twice the first counts.
    pub(super) fn lenient(list: &'a [u8]) -> Tags<'a> {
        let mut tags: Vec<(&[u8], &[u8])> = Vec::new();
        for spec in list.split(|b| *b == b';').take(TAGS) {
            if let Some(at) = memchr::memchr(b'=', spec)
                && let Some((name, value)) = spec.split_at_checked(at)
            {
                let name = name.trim_ascii();
                if !tags.iter().any(|(known, _)| *known == name) {
                    tags.push((name, value.get(1..).unwrap_or_default().trim_ascii()));
                }
            }
        }
        Tags(tags)
    }

    /// The value of a tag.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.0.iter().find(|(n, _)| *n == name.as_bytes())?;
        Some(found.1)
    }

    /// The value of a tag as text, lower case.
    pub(super) fn word(&self, name: &str) -> Option<String> {
        let value = std::str::from_utf8(self.get(name)?).ok()?;
        Some(value.to_ascii_lowercase())
    }

    /// The value of a tag as a number; `Err` for one that is none.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ()> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(());
        }
        // The RFC allows 76 digits; beyond 64 bits all numbers are the largest.
        let text = std::str::from_utf8(value).map_err(|_| ())?;
        Ok(Some(text.parse().unwrap_or(u64::MAX)))
    }

    /// The items of a value that is divided by colons.
    pub(super) fn items(&self, name: &str) -> Option<impl Iterator<Item = &'a [u8]>> {
        let value = self.get(name)?;
        Some(value.split(|b| *b == b':').map(<[u8]>::trim_ascii))
    }

    /// Name and value of the first tag.
    pub(super) fn first(&self) -> Option<(&'a [u8], &'a [u8])> {
        self.0.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_trimmed_and_names_are_case_sensitive() {
        let tags = Tags::read(b" v=1 ;\r\n\tA = x y;a=2; ").unwrap();
        assert_eq!(tags.get("v"), Some(&b"1"[..]));
        assert_eq!(tags.get("A"), Some(&b"x y"[..]));
        assert_eq!(tags.number("a"), Ok(Some(2)));
        assert_eq!(tags.number("b"), Ok(None));
        assert_eq!(tags.number("A"), Err(()));
        assert_eq!(tags.first(), Some((&b"v"[..], &b"1"[..])));
    }

    #[test]
    fn a_broken_list_is_none() {
        for bad in [
            "", ";", "a", "a=1;;b=2", "a=1;a=2", "1=a", "a b=1", "=1", "a=1\x01",
        ] {
            assert!(Tags::read(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let tags = Tags::lenient(b"v=DMARC1;; p = none; rubbish; p=reject");
        assert_eq!(tags.word("p").as_deref(), Some("none"));
    }
}
