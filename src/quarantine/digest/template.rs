//! Templates of digests: text with `{{name}}` in it, and sections `{{#name}}...{{/name}}`.
//!
//! Names of values: `recipient`, `count`, `more`, and within `{{#messages}}`: `id`, `from`, `subject`,
//! `received`, `size`, `score`, `reason`, `link`. The section `messages` stands once for each message,
//! `more` where not all are listed, `link` where there are links. A template can call nothing, so whoever
//! writes one can do no more than change the words.

use std::fmt::Write as _;
use std::ops::Range;

/// Names that stand for a value anywhere.
const VALUES: &[&str] = &["recipient", "count", "more"];
/// Names that stand for a value in the section `messages`.
const MESSAGE_VALUES: &[&str] = &[
    "id", "from", "subject", "received", "size", "score", "reason", "link",
];
const SECTIONS: &[&str] = &["messages", "more", "link"];

/// A template that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(String),
    Section(String, Vec<Piece>),
}

/// What is wrong with a template, and at which bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TemplateError {
    pub(super) place: Range<usize>,
    pub(super) what: String,
}

/// What a digest says.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) recipient: String,
    /// All messages that it tells of.
    pub(super) count: usize,
    /// Of which it lists the first.
    pub(super) messages: Vec<Item>,
}

/// What a digest says of one message.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) from: String,
    pub(super) subject: String,
    pub(super) received: String,
    pub(super) size: String,
    pub(super) score: String,
    pub(super) reason: String,
    pub(super) link: Option<String>,
}

impl Template {
    /// Reads a template.
    pub(super) fn parse(text: &str) -> Result<Template, TemplateError> {
        // The sections that are open, with what they hold so far.
        let mut open: Vec<(String, usize, Vec<Piece>)> = vec![(String::new(), 0, Vec::new())];
        let mut at = 0;
        while let Some(found) = text.get(at..).and_then(|rest| rest.find("{{")) {
            let start = at + found;
            let wrong = |what: String, end: usize| TemplateError {
                place: start..end,
                what,
            };
            let Some(length) = text.get(start..).and_then(|rest| rest.find("}}")) else {
                return Err(wrong("`{{` without `}}`".to_owned(), start + 2));
            };
            let end = start + length + 2;
            push(
                &mut open,
                Piece::Text(text.get(at..start).unwrap_or_default().to_owned()),
            );
            let tag = text.get(start + 2..end - 2).unwrap_or_default().trim();
            let inside = open.iter().any(|(name, ..)| name == "messages");
            if let Some(name) = tag.strip_prefix('#') {
                if !SECTIONS.contains(&name) || open.iter().any(|(n, ..)| n == name) {
                    let known = SECTIONS.join(", ");
                    return Err(wrong(
                        format!("no section can begin here by that name; there are: {known}"),
                        end,
                    ));
                }
                open.push((name.to_owned(), start, Vec::new()));
            } else if let Some(name) = tag.strip_prefix('/') {
                match open.pop() {
                    Some((opened, _, pieces)) if opened == name && !open.is_empty() => {
                        push(&mut open, Piece::Section(opened, pieces));
                    }
                    _ => return Err(wrong(format!("no section {name:?} is open here"), end)),
                }
            } else if VALUES.contains(&tag) || inside && MESSAGE_VALUES.contains(&tag) {
                push(&mut open, Piece::Value(tag.to_owned()));
            } else {
                let mut known = VALUES.to_vec();
                known.extend(MESSAGE_VALUES);
                let known = known.join(", ");
                let text = format!(
                    "no value of that name here; there are: {known} (from id on within messages)"
                );
                return Err(wrong(text, end));
            }
            at = end;
        }
        push(
            &mut open,
            Piece::Text(text.get(at..).unwrap_or_default().to_owned()),
        );
        match open.as_slice() {
            [(_, _, pieces)] => Ok(Template(pieces.clone())),
            [.., (name, start, _)] => Err(TemplateError {
                place: *start..*start + 2,
                what: format!("the section {name:?} has no end"),
            }),
            [] => Ok(Template(Vec::new())),
        }
    }

    /// Fills it in, each value through `escape`.
    pub(super) fn fill(&self, content: &Content, escape: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        fill(&self.0, content, None, &escape, &mut out);
        out
    }
}

fn push(open: &mut [(String, usize, Vec<Piece>)], piece: Piece) {
    if let Some((_, _, pieces)) = open.last_mut()
        && !matches!(&piece, Piece::Text(text) if text.is_empty())
    {
        pieces.push(piece);
    }
}

fn fill(
    pieces: &[Piece],
    content: &Content,
    item: Option<&Item>,
    escape: &impl Fn(&str) -> String,
    out: &mut String,
) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Value(name) => out.push_str(&escape(&value(name, content, item))),
            Piece::Section(name, inner) => match (name.as_str(), item) {
                ("messages", _) => {
                    for item in &content.messages {
                        fill(inner, content, Some(item), escape, out);
                    }
                }
                ("more", _) if content.messages.len() < content.count => {
                    fill(inner, content, item, escape, out);
                }
                ("link", Some(item)) if item.link.is_some() => {
                    fill(inner, content, Some(item), escape, out);
                }
                ("link", None) if content.messages.iter().any(|i| i.link.is_some()) => {
                    fill(inner, content, None, escape, out);
                }
                _ => {}
            },
        }
    }
}

fn value(name: &str, content: &Content, item: Option<&Item>) -> String {
    let mut text = String::new();
    match (name, item) {
        ("recipient", _) => text.push_str(&content.recipient),
        ("count", _) => {
            let _ = write!(text, "{}", content.count);
        }
        ("more", _) => {
            let _ = write!(text, "{}", content.count - content.messages.len());
        }
        (name, Some(item)) => text.push_str(match name {
            "id" => &item.id,
            "from" => &item.from,
            "subject" => &item.subject,
            "received" => &item.received,
            "size" => &item.size,
            "score" => &item.score,
            "reason" => &item.reason,
            "link" => item.link.as_deref().unwrap_or_default(),
            _ => "",
        }),
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::markup;

    fn content() -> Content {
        let item = |subject: &str, link: Option<&str>| Item {
            subject: subject.to_owned(),
            link: link.map(str::to_owned),
            ..Item::default()
        };
        Content {
            recipient: "a@b".to_owned(),
            count: 3,
            messages: vec![
                item("<b>{{count}}", Some("https://x/\"")),
                item("two", None),
            ],
        }
    }

    #[test]
    fn values_are_escaped_and_never_read_as_a_template() {
        let text = "{{recipient}}:{{#messages}}[{{ subject }}{{#link}} {{link}}{{/link}}]{{/messages}}\
            {{#more}} and {{more}} more{{/more}}{{#link}} click{{/link}}";
        let template = Template::parse(text).unwrap();
        assert_eq!(
            template.fill(&content(), markup),
            "a@b:[&lt;b&gt;{{count}} https://x/&quot;][two] and 1 more click"
        );
        let mut whole = content();
        whole.count = 2;
        whole.messages.remove(0);
        whole.count = 1;
        assert_eq!(template.fill(&whole, str::to_owned), "a@b:[two]");
    }

    #[test]
    fn what_is_wrong_is_said_where_it_stands() {
        for (text, start, part) in [
            ("ab {{nonsense}}", 3, "no value"),
            ("{{subject}}", 0, "within messages"),
            ("a{{", 1, "without"),
            ("{{#messages}}x", 0, "no end"),
            ("x{{/messages}}", 1, "is open"),
            ("{{#more}}{{#messages}}{{/more}}", 22, "is open"),
            ("{{#if}}", 0, "no section"),
            ("{{#more}}{{#more}}{{/more}}{{/more}}", 9, "no section"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert_eq!(error.place.start, start, "{text}: {error:?}");
            assert!(error.what.contains(part), "{text}: {error:?}");
        }
    }

    #[test]
    fn the_shipped_templates_are_good() {
        for text in [include_str!("digest.txt"), include_str!("digest.html")] {
            let filled = Template::parse(text).unwrap().fill(&content(), markup);
            assert!(filled.contains("two") && filled.contains("https://x/&quot;"));
            assert!(!filled.contains("{{/") && !filled.contains("<b>{{"));
        }
    }
}
