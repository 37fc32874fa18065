//! The attributes of one tag, and what they refer to.

use super::Raw;

/// Attributes that are kept of one tag.
const ATTRIBUTES: usize = 64;
/// Longest reference that is handed on, bytes.
const REFERENCE_BYTES: usize = 8192;

/// The attributes of one tag.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    list: Vec<(Vec<u8>, Vec<u8>)>,
    full: bool,
}

impl Attributes {
    /// The name of the next attribute.
    pub(super) fn name(&mut self, name: &[u8]) {
        self.full = self.list.len() >= ATTRIBUTES;
        if !self.full {
            self.list.push((name.to_ascii_lowercase(), Vec::new()));
        }
    }

    /// The value of the attribute named last.
    pub(super) fn value(&mut self, value: &[u8]) {
        if let Some((_, kept)) = self.list.last_mut().filter(|_| !self.full) {
            kept.extend_from_slice(value);
        }
    }

    /// Name and value of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.list.iter().map(|(n, v)| (n.as_slice(), v.as_slice()))
    }

    fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let mut found = self.iter().filter(|(n, _)| *n == name);
        found.next().map(|(_, value)| value)
    }

    /// Whether an attribute has this value.
    pub(super) fn is(&self, name: &[u8], value: &[u8]) -> bool {
        self.get(name)
            .is_some_and(|v| v.trim_ascii().eq_ignore_ascii_case(value))
    }

    /// What the content of a script element is, by its declared type.
    pub(super) fn script_kind(&self) -> Raw {
        let kind = self.get(b"type").unwrap_or_default().trim_ascii();
        let kind = kind.to_ascii_lowercase();
        let runs = kind.is_empty()
            || [
                &b"javascript"[..],
                b"ecmascript",
                b"jscript",
                b"vbs",
                b"module",
                b"babel",
            ]
            .iter()
            .any(|word| memchr::memmem::find(&kind, word).is_some());
        if runs { Raw::Script } else { Raw::Passive }
    }

    /// Where a meta refresh leads, if elsewhere.
    pub(super) fn refresh(&self) -> Option<&[u8]> {
        let content = self.get(b"content")?;
        let content = content.get(..REFERENCE_BYTES).unwrap_or(content);
        let lower = content.to_ascii_lowercase();
        let at = memchr::memmem::find(&lower, b"url")?;
        let rest = content
            .get(at + 3..)?
            .trim_ascii_start()
            .strip_prefix(b"=")?;
        let target = rest.trim_ascii();
        Some(
            target
                .strip_prefix(b"'")
                .or(target.strip_prefix(b"\""))
                .unwrap_or(target),
        )
        .map(|t| t.strip_suffix(b"'").or(t.strip_suffix(b"\"")).unwrap_or(t))
        .filter(|t| !t.is_empty())
    }
}

/// Whether an attribute of that name holds a script (`onload`, ...).
pub(super) fn is_handler(name: &[u8]) -> bool {
    name.strip_prefix(b"on")
        .is_some_and(|event| event.len() > 2 && event.iter().all(u8::is_ascii_lowercase))
}

/// What a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A script in the reference itself.
    Script(Vec<u8>),
    /// A page in the reference itself, not in base64, which is found like any other literal.
    Page(Vec<u8>),
    /// Another place.
    Elsewhere(String),
    /// The message, the page itself, or data.
    Other,
}

/// Schemes that lead nowhere else.
const INNER: &[&str] = &[
    "data",
    "cid",
    "mid",
    "about",
    "blob",
    "javascript",
    "vbscript",
    "tel",
    "sms",
    "x-apple-data-detectors",
];

impl Target {
    /// Reads a reference. Browsers leave out white space and control characters before the scheme and line ends in it.
    pub(super) fn of(value: &[u8]) -> Target {
        let value = value.trim_ascii_start();
        let start: Vec<u8> = value
            .iter()
            .take(64)
            .filter(|b| !b.is_ascii_control() && **b != b' ')
            .map(u8::to_ascii_lowercase)
            .collect();
        if start.starts_with(b"javascript:") || start.starts_with(b"vbscript:") {
            let at = memchr::memchr(b':', value).unwrap_or(0);
            return Target::Script(unescape(value.get(at + 1..).unwrap_or_default()));
        }
        if start.starts_with(b"data:") {
            return Target::of_data(value);
        }
        let text = value.get(..REFERENCE_BYTES).unwrap_or(value);
        let text = String::from_utf8_lossy(text);
        let text: String = text.trim().chars().filter(|c| !c.is_control()).collect();
        if text.starts_with("//") || text.starts_with("\\\\") {
            return Target::Elsewhere(text);
        }
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        let is_scheme = scheme.is_some_and(|s| {
            s.len() > 1
                && s.starts_with(|c: char| c.is_ascii_alphabetic())
                && s.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b))
                && !INNER.iter().any(|inner| s.eq_ignore_ascii_case(inner))
        });
        if is_scheme {
            Target::Elsewhere(text)
        } else {
            Target::Other
        }
    }

    fn of_data(value: &[u8]) -> Target {
        let comma = memchr::memchr(b',', value).unwrap_or(value.len());
        let (head, data) = value.split_at_checked(comma).unwrap_or_default();
        let head = head.to_ascii_lowercase();
        let has = |word: &[u8]| memchr::memmem::find(&head, word).is_some();
        let markup = has(b"html") || has(b"svg") || has(b"xml");
        if markup && !has(b"base64") {
            return Target::Page(unescape(data.get(1..).unwrap_or_default()));
        }
        if has(b"javascript") && !has(b"base64") {
            return Target::Script(unescape(data.get(1..).unwrap_or_default()));
        }
        Target::Other
    }
}

/// Undoes the escapes of URLs.
fn unescape(text: &[u8]) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = match tail {
            [high, low, after @ ..] if *first == b'%' => digit(*high)
                .zip(digit(*low))
                .and_then(|(high, low)| Some((u8::try_from(high << 4 | low).ok()?, after))),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, tail));
        out.push(byte);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_apart() {
        let elsewhere = |url: &str| Target::Elsewhere(url.to_owned());
        for (value, expected) in [
            (" http://a.example/x ", elsewhere("http://a.example/x")),
            ("//a.example", elsewhere("//a.example")),
            ("\\\\srv\\share", elsewhere("\\\\srv\\share")),
            ("search-ms:query=x", elsewhere("search-ms:query=x")),
            ("ht\ntp://a", elsewhere("http://a")),
            ("page.html", Target::Other),
            ("#top", Target::Other),
            ("cid:1@a", Target::Other),
            ("C:\\x", Target::Other),
            (" java\nscript:a(%22)", Target::Script(b"a(\")".to_vec())),
            ("data:text/html,%3Cp%3E", Target::Page(b"<p>".to_vec())),
            ("data:image/png;base64,AAAA", Target::Other),
        ] {
            assert_eq!(Target::of(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn a_refresh_is_read_in_every_notation() {
        for content in [
            "0;url=http://a",
            "5; URL = 'http://a'",
            "0,url=\"http://a\"",
        ] {
            let mut attributes = Attributes::default();
            attributes.name(b"Content");
            attributes.value(content.as_bytes());
            assert_eq!(attributes.refresh(), Some(&b"http://a"[..]), "{content}");
        }
    }
}
