//! A message taken apart as SpamAssassin does it: header fields, then MIME parts as a list of leaves.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::body;
use super::field::{Field, is_space};
use super::html::Rendered;
use super::part::{self, Part};
use super::relay::Relays;
use super::transfer;
use super::uri;
use crate::mail::Envelope;

/// Lines that are no header field and are skipped before the header counts as over.
const BROKEN_LINES: usize = 3;
/// Empty lines in a row that are kept in a body.
const EMPTY_LINES: usize = 20;

/// A message.
pub(crate) struct Message<'a> {
    /// The message without an mbox line, line ends LF: rules are written for the form in which mail is stored.
    pub(super) whole: Cow<'a, [u8]>,
    /// The header as it stands, its empty line included.
    pub(super) header: &'a [u8],
    pub(super) fields: Vec<Field>,
    /// The MIME parts that hold no others, in document order.
    pub(super) leaves: Vec<Part>,
    /// Header fields of every part below the message, in document order.
    pub(super) part_fields: Vec<Vec<Field>>,
    rendered: OnceCell<Vec<Option<Rendered>>>,
    body: OnceCell<Vec<Vec<u8>>>,
    uris: OnceCell<Vec<Vec<u8>>>,
    relays: OnceCell<Relays>,
}

impl<'a> Message<'a> {
    /// Takes a message apart.
    pub(crate) fn parse(raw: &'a [u8]) -> Message<'a> {
        let head = read(raw);
        let (leaves, part_fields) = part::leaves(&head.fields, head.body.to_vec());
        Message {
            whole: match head.crlf {
                true => Cow::Owned(transfer::line_feeds(head.whole.to_vec())),
                false => Cow::Borrowed(head.whole),
            },
            header: head.header,
            fields: head.fields,
            leaves,
            part_fields,
            rendered: OnceCell::new(),
            body: OnceCell::new(),
            uris: OnceCell::new(),
            relays: OnceCell::new(),
        }
    }

    /// The text of each leaf as a reader sees it; `None` for what is no text.
    pub(super) fn rendered(&self) -> &[Option<Rendered>] {
        self.rendered
            .get_or_init(|| self.leaves.iter().map(body::rendered).collect())
    }

    /// The lines of the `body` view.
    pub(super) fn body(&self) -> &[Vec<u8>] {
        self.body.get_or_init(|| body::lines(self))
    }

    /// The `uri` view.
    pub(super) fn uris(&self) -> &[Vec<u8>] {
        self.uris.get_or_init(|| uri::all(self))
    }

    /// The hops that the message has taken.
    pub(super) fn relays(&self, envelope: &Envelope) -> &Relays {
        self.relays.get_or_init(|| Relays::read(self, envelope))
    }

    /// The fields of that name, ASCII case ignored.
    pub(super) fn named<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Field> + 'm {
        self.fields.iter().filter(move |f| f.is(name))
    }
}

/// A header, read.
pub(super) struct Head<'a> {
    whole: &'a [u8],
    header: &'a [u8],
    crlf: bool,
    pub(super) fields: Vec<Field>,
    pub(super) body: Cow<'a, [u8]>,
}

/// Reads the header of a message or of an attached message.
pub(super) fn read(raw: &[u8]) -> Head<'_> {
    let whole = match first_line(raw) {
        line if is_mbox_line(line) => raw.get(line.len()..).unwrap_or_default(),
        _ => raw,
    };
    let last = whole
        .strip_suffix(b"\n")
        .map_or(whole, |w| w.strip_suffix(b"\r").unwrap_or(w));
    let last_line = memchr::memrchr(b'\n', last).map_or(0, |at| at + 1);
    let crlf = first_line(whole).ends_with(b"\r\n")
        || whole
            .get(last_line..)
            .unwrap_or_default()
            .ends_with(b"\r\n");
    let mut fields = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    let mut broken = 0;
    let mut at = 0;
    loop {
        let rest = whole.get(at..).unwrap_or_default();
        let line = first_line(rest);
        if matches!(line.first(), Some(b' ' | b'\t')) {
            open.get_or_insert_default().extend_from_slice(line);
            at += line.len();
            continue;
        }
        if let Some(field) = open.take() {
            fields.extend(split(&field, crlf));
        }
        let empty = match crlf {
            true => line == b"\r\n" || line == b"\n",
            false => line == b"\n",
        };
        if empty || line.is_empty() {
            at += line.len();
            break;
        }
        if line.starts_with(b"--") {
            break;
        }
        if !is_field(line) {
            broken += 1;
            if broken > BROKEN_LINES {
                break;
            }
        }
        open = Some(line.to_vec());
        at += line.len();
    }
    Head {
        whole,
        header: whole.get(..at).unwrap_or_default(),
        fields,
        crlf,
        body: tidied(whole.get(at..).unwrap_or_default(), crlf),
    }
}

/// The first line with its line end.
pub(super) fn first_line(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |n| n + 1);
    bytes.get(..end).unwrap_or_default()
}

fn is_mbox_line(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From") else {
        return false;
    };
    let spaces = rest.iter().take_while(|b| is_space(**b)).count();
    match rest.get(spaces) {
        Some(b':') => spaces > 1,
        _ => spaces > 0,
    }
}

/// Whether a line begins as `Name:` or `Name :`.
pub(super) fn is_field(line: &[u8]) -> bool {
    let name = name_length(line);
    let after = line.get(name..).unwrap_or_default();
    let blank = after
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    name > 0 && after.get(blank) == Some(&b':')
}

/// How many bytes at the start may be a field name.
pub(super) fn name_length(line: &[u8]) -> usize {
    line.iter()
        .take_while(|b| b.is_ascii_graphic() && **b != b':')
        .count()
}

fn split(field: &[u8], crlf: bool) -> Option<Field> {
    let colon = memchr::memchr(b':', field)?;
    let (name, value) = field.split_at_checked(colon)?;
    let value = value.get(1..).unwrap_or_default().to_vec();
    let value = match crlf {
        true => transfer::line_feeds(value),
        false => value,
    };
    Some(Field::new(name, value))
}

/// The body with LF line ends and no more than [`EMPTY_LINES`] empty lines in a row.
fn tidied(body: &[u8], crlf: bool) -> Cow<'_, [u8]> {
    let mut long_gap = false;
    let mut gap = 0;
    for line in body.split_inclusive(|b| *b == b'\n') {
        gap = if line.iter().all(|b| is_space(*b)) {
            gap + 1
        } else {
            0
        };
        long_gap |= gap > EMPTY_LINES;
    }
    if !crlf && !long_gap {
        return Cow::Borrowed(body);
    }
    let mut out = Vec::with_capacity(body.len());
    let mut gap = 0;
    for line in body.split_inclusive(|b| *b == b'\n') {
        let blank = line.iter().all(|b| is_space(*b));
        gap = if blank { gap + 1 } else { 0 };
        if gap > EMPTY_LINES {
            continue;
        }
        match line {
            [text @ .., b'\r', b'\n'] if crlf => {
                out.extend_from_slice(text);
                out.push(b'\n');
            }
            other => out.extend_from_slice(other),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(raw: &str) -> (Vec<String>, String) {
        let head = read(raw.as_bytes());
        let names = head
            .fields
            .iter()
            .map(|f| String::from_utf8_lossy(&f.name).into_owned())
            .collect();
        (names, String::from_utf8_lossy(&head.body).into_owned())
    }

    #[test]
    fn three_broken_lines_are_skipped_and_the_fourth_ends_the_header() {
        let (fields, body) = names("From x@y Mon\nA: 1\nbroken\nB : 2\n\tmore\n\nbody\n");
        assert_eq!(fields, ["A", "B"]);
        assert_eq!(body, "body\n");
        let (fields, body) = names("A: 1\nb1\nb2\nb3\nb4\nB: 2\n\n");
        assert_eq!(fields, ["A"]);
        assert_eq!(body, "b4\nB: 2\n\n");
        assert_eq!(names("A: 1\n--x\nB: 2\n").1, "--x\nB: 2\n");
    }

    #[test]
    fn crlf_becomes_lf_and_long_gaps_shrink() {
        let (fields, body) = names("A: 1\r\n\r\nx\r\ny\r\n");
        assert_eq!((fields.len(), body.as_str()), (1, "x\ny\n"));
        let gap = format!("A: 1\n\nx\n{}y\n", "\n".repeat(30));
        assert_eq!(names(&gap).1, format!("x\n{}y\n", "\n".repeat(20)));
    }
}
