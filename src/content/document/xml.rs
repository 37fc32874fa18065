//! XML as a row of tags and texts: no tree, no entities but the five that are built in, no document type.
//!
//! In: bytes. Out: tags by their local names in lower case, because prefixes may be anything. What is not well-formed ends the
//! reading, as it does in the programs that read such files.

use std::borrow::Cow;

/// Something in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// A start tag, or an empty element.
    Open(Tag<'a>),
    /// An end tag.
    Close(String),
    /// Text, references undone.
    Text(Cow<'a, str>),
}

/// A start tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// The local name, in lower case.
    pub(super) name: String,
    /// Whether the element ends with this tag.
    pub(super) empty: bool,
    attributes: &'a [u8],
}

impl Tag<'_> {
    /// The value of an attribute by its local name in lower case, references undone.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            let equals = memchr::memchr(b'=', rest)?;
            let (raw, after) = rest.split_at_checked(equals)?;
            let after = after.get(1..)?.trim_ascii_start();
            let (quote, value) = after.split_first()?;
            let end = memchr::memchr(*quote, value)?;
            if local(raw.trim_ascii()) == name {
                return Some(unescape(value.get(..end)?).into_owned());
            }
            rest = value.get(end + 1..)?;
        }
    }
}

/// The events of a document.
pub(super) fn events(text: &[u8]) -> Events<'_> {
    Events { rest: text }
}

/// Iterator over the events of a document.
pub(super) struct Events<'a> {
    rest: &'a [u8],
}

impl<'a> Events<'a> {
    /// Takes what stands before `end`, and leaves what follows it.
    fn until(&mut self, end: &[u8]) -> Option<&'a [u8]> {
        let at = memchr::memmem::find(self.rest, end)?;
        let (found, after) = self.rest.split_at_checked(at)?;
        self.rest = after.get(end.len()..)?;
        Some(found)
    }

    fn tag(&mut self) -> Option<&'a [u8]> {
        let mut quote = None;
        let end = self.rest.iter().position(|b| {
            match quote {
                Some(open) if open == *b => quote = None,
                Some(_) => {}
                None if matches!(b, b'"' | b'\'') => quote = Some(*b),
                None => return *b == b'>',
            }
            false
        })?;
        let (tag, after) = self.rest.split_at_checked(end)?;
        self.rest = after.get(1..)?;
        Some(tag)
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        loop {
            let Some(after) = self.rest.strip_prefix(b"<") else {
                let length = memchr::memchr(b'<', self.rest).unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                if text.is_empty() {
                    return None;
                }
                return Some(Event::Text(unescape(text)));
            };
            if let Some(inner) = after.strip_prefix(b"![CDATA[") {
                self.rest = inner;
                let text = self.until(b"]]>")?;
                return Some(Event::Text(String::from_utf8_lossy(text)));
            }
            if let Some(inner) = after.strip_prefix(b"!--") {
                self.rest = inner;
                self.until(b"-->")?;
                continue;
            }
            self.rest = after;
            let tag = self.tag()?;
            match tag {
                [b'?' | b'!', ..] => {}
                [b'/', name @ ..] => return Some(Event::Close(local(name.trim_ascii()))),
                _ => {
                    let (inner, empty) = match tag.strip_suffix(b"/") {
                        Some(inner) => (inner, true),
                        None => (tag, false),
                    };
                    let end = inner.iter().position(u8::is_ascii_whitespace);
                    let (name, attributes) = inner.split_at_checked(end.unwrap_or(inner.len()))?;
                    return Some(Event::Open(Tag {
                        name: local(name),
                        empty,
                        attributes,
                    }));
                }
            }
        }
    }
}

/// A name without its prefix, in lower case.
fn local(name: &[u8]) -> String {
    let name = name.rsplit(|b| *b == b':').next().unwrap_or_default();
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

/// Text with its references undone.
fn unescape(text: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(text);
    if !text.contains('&') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut pieces = text.split('&');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let reference = piece.split_once(';');
        match reference.and_then(|(name, rest)| Some((character(name)?, rest))) {
            Some((character, rest)) => {
                out.push(character);
                out.push_str(rest);
            }
            None => {
                out.push('&');
                out.push_str(piece);
            }
        }
    }
    Cow::Owned(out)
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_texts_come_in_order() {
        let text = b"<?xml version='1.0'?><!-- <no/> --><w:A x:B=\"1 &gt; '2'\" c='&#x41;>'>t&amp;u<![CDATA[<v>]]></w:A><d/>";
        let mut found = Vec::new();
        for event in events(text) {
            found.push(match event {
                Event::Open(tag) => format!(
                    "<{} {:?} {:?} {}",
                    tag.name,
                    tag.get("b"),
                    tag.get("c"),
                    tag.empty
                ),
                Event::Close(name) => format!("</{name}"),
                Event::Text(text) => text.into_owned(),
            });
        }
        assert_eq!(
            found,
            [
                "<a Some(\"1 > '2'\") Some(\"A>\") false",
                "t&u",
                "<v>",
                "</a",
                "<d None None true"
            ]
        );
    }

    #[test]
    fn garbage_ends() {
        for text in [
            "<",
            "<a",
            "<a b='",
            "<![CDATA[",
            "<!--",
            "a<b>&#99999999;&x",
            "<a b=></a>",
            "</>",
        ] {
            assert!(events(text.as_bytes()).count() < 5, "{text}");
        }
        let started = std::time::Instant::now();
        for unit in ["<a b=''", "<a>", "&", "<![CDATA[", "'>", "<a b='>"] {
            for event in events(unit.repeat(1_000_000 / unit.len()).as_bytes()) {
                if let Event::Open(tag) = event {
                    tag.get("zz");
                }
            }
        }
        assert!(started.elapsed().as_secs() < 20);
    }
}
