//! Tags, comments and text of an HTML source, cut as Perl's HTML::Parser cuts them.
//!
//! It is more literal than browsers are: a tag ends at the first `>` outside of quotes, a name is all that is
//! no white space, what is no tag is text.

use super::entity;

/// One piece of the source.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text between tags; `raw` within script and style, where references mean nothing.
    Text { text: &'a str, raw: bool },
    /// A start tag: name in lower case, and its attributes.
    Start(String, Vec<(String, String)>),
    /// An end tag: name in lower case.
    End(String),
    /// `<!...>`, comments and processing instructions.
    Other,
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
            literal: None,
            no_comment_end: false,
        }
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
        let end = rest.find(|c: char| is_space(c) || c == '>')?;
        let name = rest.get(..end)?.to_ascii_lowercase();
        let close = rest.get(end..)?.find('>')?;
        self.take(2 + end + close + 1);
        Some(Piece::End(name))
    }

    fn start_tag(&mut self) -> Option<Piece<'a>> {
        let mut rest = self.text.get(1..)?;
        let end = rest.find(|c: char| is_space(c) || c == '>')?;
        let name = rest.get(..end)?.to_ascii_lowercase();
        rest = rest.get(end..)?.trim_start_matches(is_space);
        let mut attributes: Vec<(String, String)> = Vec::new();
        while !rest.starts_with('>') {
            let end = rest
                .char_indices()
                .skip(1)
                .find(|(_, c)| is_space(*c) || matches!(c, '=' | '>'))
                .map(|(at, _)| at)?;
            let attribute = rest.get(..end)?.to_ascii_lowercase();
            rest = rest.get(end..)?.trim_start_matches(is_space);
            let value = match rest.strip_prefix('=') {
                None => attribute.clone(),
                Some(after) => {
                    let after = after.trim_start_matches(is_space);
                    let (value, behind) = match after.chars().next()? {
                        quote @ ('"' | '\'') => after.get(1..)?.split_once(quote)?,
                        _ => {
                            let end = after.find(|c: char| is_space(c) || c == '>')?;
                            after.split_at_checked(end)?
                        }
                    };
                    rest = behind;
                    entity::decode(value).into_owned()
                }
            };
            rest = rest.trim_start_matches(is_space);
            attributes.retain(|(name, _)| *name != attribute);
            attributes.push((attribute, value));
        }
        self.take(self.text.len() - rest.len() + 1);
        self.literal = LITERAL
            .iter()
            .copied()
            .find(|(literal, _)| *literal == name);
        Some(Piece::Start(name, attributes))
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
        let tail = behind.trim_start_matches(is_space);
        if tail.starts_with('>') {
            return Some(comment.len() - tail.len() + 1);
        }
        from += at + 1;
    }
    None
}

/// White space within tags.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}' | '\u{b}')
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
        let text = match self.text.find('<') {
            Some(0) => {
                let next = self.text.chars().nth(1);
                let found = match next {
                    Some(c) if c.is_ascii_alphabetic() => self.start_tag(),
                    Some('/') => self.end_tag(),
                    Some('!' | '?') => self.declaration(),
                    _ => None,
                };
                if found.is_some() {
                    return found;
                }
                if next.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
                    // A tag that never ends hides all that follows.
                    self.text = "";
                    return Some(Piece::Other);
                }
                let behind = self.text.get(1..).unwrap_or_default();
                self.take(1 + behind.find('<').unwrap_or(behind.len()))
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
        Pieces::new(source)
            .map(|piece| match piece {
                Piece::Text { text, raw } => format!("{}{text}", if raw { "raw " } else { "" }),
                Piece::Start(name, attributes) => format!("<{name} {attributes:?}>"),
                Piece::End(name) => format!("</{name}>"),
                Piece::Other => "!".to_owned(),
            })
            .collect()
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
