//! Tags, comments and text of an HTML source, cut as Perl's HTML::Parser cuts them.
//!
//! It is more literal than browsers are: a tag ends at the first `>` outside of quotes, a name is all that is
//! no white space, what is no tag is text.

use std::borrow::Cow;

use super::entity;

/// One piece of the source.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text between tags; `raw` within script and style, where references mean nothing.
    Text { text: &'a str, raw: bool },
    /// A start tag: its name as written. Its attributes are [`Pieces::attributes`] until the next piece.
    Start(&'a str),
    /// An end tag: its name as written.
    End(&'a str),
    /// `<!...>`, comments and processing instructions.
    Other,
}

/// An attribute of a tag, as written.
#[derive(Debug)]
pub(super) struct Attribute<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Attribute<'a> {
    /// Whether it has this name, or one that ends with it behind a slash.
    pub(super) fn is(&self, wanted: &str) -> bool {
        let before = self.name.len().checked_sub(wanted.len());
        let Some((before, name)) = before.and_then(|at| self.name.split_at_checked(at)) else {
            return false;
        };
        name.eq_ignore_ascii_case(wanted) && (before.is_empty() || before.ends_with('/'))
    }

    /// Its value with references replaced. One without is its own name.
    pub(super) fn value(&self) -> Cow<'a, str> {
        match self.value {
            Some(value) => entity::decode(value),
            None => Cow::Owned(self.name.to_ascii_lowercase()),
        }
    }
}

/// Elements whose content is text up to their end tag, and whether references in it mean nothing.
const LITERAL: &[(&str, bool)] = &[
    ("script", true),
    ("style", true),
    ("xmp", true),
    ("iframe", true),
    ("plaintext", true),
    ("title", false),
    ("textarea", false),
];

/// Goes through a source.
pub(super) struct Pieces<'a> {
    text: &'a str,
    /// Those of the start tag that came last.
    attributes: Vec<Attribute<'a>>,
    /// The literal element that is open.
    literal: Option<(&'static str, bool)>,
    /// Set when a construct that never ends was found: no later one of its kind can end either.
    no_comment_end: bool,
}

impl<'a> Pieces<'a> {
    /// Begins at the start of `text`.
    pub(super) fn new(text: &'a str) -> Pieces<'a> {
        Pieces {
            text,
            attributes: Vec::new(),
            literal: None,
            no_comment_end: false,
        }
    }

    /// The attributes of the start tag that came last. Of several with one name the last counts.
    pub(super) fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self
            .text
            .split_at_checked(length)
            .unwrap_or((self.text, ""));
        self.text = rest;
        taken
    }

    fn literal_text(&mut self, name: &'static str, raw: bool) -> Piece<'a> {
        let mut from = 0;
        while let Some(at) = self.text.get(from..).and_then(|t| t.find("</")) {
            let at = from + at;
            let behind = self.text.get(at + 2..).unwrap_or_default();
            let named = behind
                .get(..name.len())
                .is_some_and(|n| n.eq_ignore_ascii_case(name));
            let ends = behind
                .get(name.len()..)
                .is_some_and(|r| r.trim_ascii_start().starts_with('>'));
            if named && ends {
                self.literal = None;
                if at == 0 {
                    return self.end_tag().unwrap_or(Piece::Other);
                }
                return Piece::Text {
                    text: self.take(at),
                    raw,
                };
            }
            from = at + 2;
        }
        self.literal = None;
        Piece::Text {
            text: self.take(self.text.len()),
            raw,
        }
    }

    /// The end tag at the start of the rest.
    fn end_tag(&mut self) -> Option<Piece<'a>> {
        let rest = self.text.strip_prefix("</")?;
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            // `</` before anything else is a comment up to `>`.
            let end = self.text.find('>')?;
            self.take(end + 1);
            return Some(Piece::Other);
        }
        let end = rest.bytes().position(|b| ends_name(b) && b != b'=')?;
        let name = rest.get(..end)?;
        let close = rest.get(end..)?.find('>')?;
        self.take(2 + end + close + 1);
        Some(Piece::End(name))
    }

    fn start_tag(&mut self) -> Option<Piece<'a>> {
        let mut rest = self.text.get(1..)?;
        self.attributes.clear();
        let end = rest.bytes().position(|b| ends_name(b) && b != b'=')?;
        let name = rest.get(..end)?;
        rest = without_space(rest.get(end..)?);
        while !rest.starts_with('>') {
            let end = 1 + rest.bytes().skip(1).position(ends_name)?;
            let attribute = rest.get(..end)?;
            rest = without_space(rest.get(end..)?);
            let value = match rest.strip_prefix('=') {
                None => None,
                Some(after) => {
                    let after = without_space(after);
                    let (value, behind) = match *after.as_bytes().first()? {
                        quote @ (b'"' | b'\'') => {
                            let inner = after.get(1..)?;
                            let end = memchr::memchr(quote, inner.as_bytes())?;
                            (inner.get(..end)?, inner.get(end + 1..)?)
                        }
                        _ => {
                            let unquoted = |b| ends_name(b) && b != b'=';
                            after.split_at_checked(after.bytes().position(unquoted)?)?
                        }
                    };
                    rest = behind;
                    Some(value)
                }
            };
            rest = without_space(rest);
            self.attributes.push(Attribute {
                name: attribute,
                value,
            });
        }
        self.take(self.text.len() - rest.len() + 1);
        self.literal = LITERAL
            .iter()
            .copied()
            .find(|(literal, _)| name.eq_ignore_ascii_case(literal));
        Some(Piece::Start(name))
    }

    /// `<!...>`
    fn declaration(&mut self) -> Option<Piece<'a>> {
        if let Some(comment) = self.text.strip_prefix("<!--")
            && !self.no_comment_end
        {
            match comment_end(comment) {
                Some(end) => {
                    self.take(4 + end);
                    return Some(Piece::Other);
                }
                None => self.no_comment_end = true,
            }
        }
        let end = self.text.find('>')?;
        self.take(end + 1);
        Some(Piece::Other)
    }
}

/// Where a comment ends: behind `--`, white space and `>`.
fn comment_end(comment: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = comment.get(from..)?.find("--") {
        let behind = comment.get(from + at + 2..)?;
        let tail = without_space(behind);
        if tail.starts_with('>') {
            return Some(comment.len() - tail.len() + 1);
        }
        from += at + 1;
    }
    None
}

/// White space within tags.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn without_space(text: &str) -> &str {
    let blank = text.bytes().take_while(|b| is_space(*b)).count();
    text.get(blank..).unwrap_or_default()
}

/// Whether the byte ends the name of an attribute.
fn ends_name(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b'=' | b'>')
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.text.is_empty() {
            return None;
        }
        if let Some((name, raw)) = self.literal {
            return Some(self.literal_text(name, raw));
        }
        let text = match memchr::memchr(b'<', self.text.as_bytes()) {
            Some(0) => {
                let next = self.text.as_bytes().get(1);
                let found = match next {
                    Some(b) if b.is_ascii_alphabetic() => self.start_tag(),
                    Some(b'/') => self.end_tag(),
                    Some(b'!' | b'?') => self.declaration(),
                    _ => None,
                };
                if found.is_some() {
                    return found;
                }
                if next.is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'!' | b'?'))
                {
                    // A tag that never ends hides all that follows.
                    self.text = "";
                    return Some(Piece::Other);
                }
                let behind = self.text.get(1..).unwrap_or_default();
                let open = memchr::memchr(b'<', behind.as_bytes());
                self.take(1 + open.unwrap_or(behind.len()))
            }
            Some(at) => self.take(at),
            None => self.take(self.text.len()),
        };
        Some(Piece::Text { text, raw: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(source: &str) -> Vec<String> {
        let mut pieces = Pieces::new(source);
        let mut shapes = Vec::new();
        while let Some(piece) = pieces.next() {
            let attributes = pieces.attributes().iter();
            shapes.push(match piece {
                Piece::Text { text, raw } => format!("{}{text}", if raw { "raw " } else { "" }),
                Piece::Start(name) => {
                    let named = attributes.map(|a| (a.name.to_ascii_lowercase(), a.value()));
                    let name = name.to_ascii_lowercase();
                    format!("<{name} {:?}>", named.collect::<Vec<_>>())
                }
                Piece::End(name) => format!("</{name}>"),
                Piece::Other => "!".to_owned(),
            });
        }
        shapes
    }

    #[test]
    fn tags_end_outside_of_quotes_and_the_rest_is_text() {
        assert_eq!(
            shape("a<A HREF='x>y' b=1 c>t</a >1 < 2"),
            [
                "a",
                r#"<a [("href", "x>y"), ("b", "1"), ("c", "c")]>"#,
                "t",
                "</a>",
                "1 ",
                "< 2"
            ]
        );
        assert_eq!(shape("x<a href=\"y> z"), ["x", "!"]);
    }

    #[test]
    fn scripts_comments_and_titles() {
        assert_eq!(
            shape("<style>a<b</style><!-- x > y --><!x><title>&amp;</title>z"),
            [
                "<style []>",
                "raw a<b",
                "</style>",
                "!",
                "!",
                "<title []>",
                "&amp;",
                "</title>",
                "z"
            ]
        );
        assert_eq!(shape("<!-- never > ends"), ["!", " ends"]);
    }

    #[test]
    fn a_megabyte_of_open_constructs_is_one_pass() {
        for open in ["<!--", "<a b='", "</", "<"] {
            let source = open.repeat((1 << 17) / open.len());
            assert!(Pieces::new(&source).count() <= source.len());
        }
    }
}
