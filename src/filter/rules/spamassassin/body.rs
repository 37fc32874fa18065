//! The `body` and `rawbody` views.

use super::charset;
use super::html::{self, Rendered};
use super::message::{Message, first_line};
use super::part::{Part, is_text};

/// Longest line of `body`; pieces of `rawbody` have one to two times as many bytes.
const LINE_BYTES: usize = 2048;
/// Most characters of one part in `body`.
const PART_CHARS: usize = 50_000;
/// Most bytes of one part in `rawbody`.
const RAW_PART_BYTES: usize = 500_000;
/// How far behind the limit a cut may look for a good place.
const SLACK: usize = 1024;

/// What a reader sees of a part; `None` for what is neither plain text nor HTML.
pub(super) fn rendered(part: &Part) -> Option<Rendered> {
    let kind = part.shown_as();
    if kind != "text/plain" && kind != "text/html" {
        return None;
    }
    let declared = part.charset.as_deref().unwrap_or("us-ascii");
    let text = charset::guess(&part.content, declared);
    if kind == "text/html" && !part.content.is_empty() {
        let mut rendered = html::render(&text);
        rendered.wide |= !part.content.is_ascii();
        return Some(rendered);
    }
    Some(Rendered {
        wide: !text.is_ascii(),
        text,
        ..Rendered::default()
    })
}

/// The lines: the subject first, then the text with one line for each paragraph.
pub(super) fn lines(message: &Message<'_>) -> Vec<Vec<u8>> {
    let mut text = String::new();
    for rendered in message.rendered() {
        if !text.is_empty() {
            text.push('\n');
        }
        if let Some(rendered) = rendered {
            text.push_str(cut(&rendered.text));
        }
    }
    let subject = message.fields.iter().rev().find(|f| f.is("Subject"));
    let mut whole = subject.map_or_else(|| b"\n".to_vec(), |f| f.line().to_vec());
    let wide = message.rendered().iter().flatten().any(|r| r.wide);
    paragraphs(&text, wide, &mut whole);
    let mut lines = Vec::new();
    let mut rest = whole.as_slice();
    while !rest.is_empty() {
        let (mut line, behind) = rest.split_at(first_line(rest).len());
        rest = behind;
        while line.len() > LINE_BYTES {
            let window = line.get(..=LINE_BYTES).unwrap_or(line);
            let at = memchr::memrchr(b' ', window).map_or(LINE_BYTES, |n| n + 1);
            let (piece, rest) = line.split_at(at);
            lines.push(piece.to_vec());
            line = rest;
        }
        if !line.is_empty() {
            lines.push(line.to_vec());
        }
    }
    lines
}

/// Adds a text in which white space with two line ends is one line end, other white space one space. White space beyond
/// ASCII is some only where text is characters (`wide`); elsewhere characters are bytes.
fn paragraphs(text: &str, wide: bool, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let (mut at, mut copied) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        let single = *byte == b' ' && !matches!(bytes.get(at + 1), None | Some(0..=b' ' | 0x80..));
        if single || !(may_be_space(*byte, wide) || *byte == b'\0') {
            at += 1;
            continue;
        }
        let run = run_of_space(text.get(at..).unwrap_or_default(), wide);
        if run.is_empty() && *byte != b'\0' {
            at += 1;
            continue;
        }
        write(text.get(copied..at).unwrap_or_default(), wide, out);
        let first = memchr::memchr(b'\n', run.as_bytes());
        let last = memchr::memrchr(b'\n', run.as_bytes());
        match (first, last) {
            _ if run.is_empty() => out.push(b'\n'),
            (Some(first), Some(last)) if first < last => {
                if first > 0 {
                    out.push(b' ');
                }
                out.push(b'\n');
                if last + 1 < run.len() {
                    out.push(b' ');
                }
            }
            _ => out.push(b' '),
        }
        at += run.len().max(1);
        copied = at;
    }
    write(text.get(copied..).unwrap_or_default(), wide, out);
}

fn write(text: &str, wide: bool, out: &mut Vec<u8>) {
    match wide || text.is_ascii() {
        true => out.extend_from_slice(text.as_bytes()),
        false => out.extend(text.chars().filter_map(|c| u8::try_from(u32::from(c)).ok())),
    }
}

/// Whether white space begins with this byte, or may where text is characters.
fn may_be_space(byte: u8, wide: bool) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r') || wide && matches!(byte, 0xc2 | 0xe1..=0xe3)
}

/// The white space at the start.
fn run_of_space(text: &str, wide: bool) -> &str {
    let is_space = |c: char| match wide {
        true => c.is_whitespace(),
        false => c.is_ascii_whitespace() || c == '\u{b}',
    };
    let end = text.find(|c: char| !is_space(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn cut(text: &str) -> &str {
    if text.len() <= PART_CHARS {
        return text;
    }
    let Some((limit, _)) = text.char_indices().nth(PART_CHARS) else {
        return text;
    };
    let behind = text.get(limit..).unwrap_or_default();
    let window = behind
        .char_indices()
        .nth(SLACK + 1)
        .and_then(|(end, _)| behind.get(..end))
        .unwrap_or(behind);
    let at = ['\n', ' '].iter().find_map(|c| window.find(*c));
    text.get(..at.map_or(limit, |at| limit + at + 1))
        .unwrap_or(text)
}

/// The pieces of `rawbody`: each text part decoded and cut near line ends.
pub(super) fn raw(message: &Message<'_>) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    for part in &message.leaves {
        if !is_text(part.shown_as()) || part.kind == "text/calendar" {
            continue;
        }
        split(raw_cut(&part.content), &mut pieces);
    }
    pieces
}

fn raw_cut(bytes: &[u8]) -> &[u8] {
    let Some(behind) = bytes.get(RAW_PART_BYTES..) else {
        return bytes;
    };
    let window = behind.get(..=SLACK).unwrap_or(behind);
    let at = [b'\n', b'>', b' ']
        .iter()
        .find_map(|c| memchr::memchr(*c, window));
    bytes
        .get(..at.map_or(RAW_PART_BYTES, |at| RAW_PART_BYTES + at + 1))
        .unwrap_or(bytes)
}

fn split(bytes: &[u8], pieces: &mut Vec<Vec<u8>>) {
    let mut rest = bytes;
    if rest.len() <= LINE_BYTES {
        pieces.push(rest.to_vec());
        return;
    }
    while rest.len() > 2 * LINE_BYTES {
        let window = rest.get(LINE_BYTES..2 * LINE_BYTES).unwrap_or_default();
        let at = [b'\n', b'>', b' ']
            .iter()
            .find_map(|c| memchr::memchr(*c, window))
            .unwrap_or(0);
        let (piece, tail) = rest.split_at(LINE_BYTES + at + 1);
        pieces.push(piece.to_vec());
        rest = tail;
    }
    if !rest.is_empty() {
        pieces.push(rest.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(raw: &str) -> Vec<String> {
        let message = Message::parse(raw.as_bytes());
        message
            .body()
            .iter()
            .map(|l| String::from_utf8_lossy(l).into_owned())
            .collect()
    }

    #[test]
    fn the_subject_comes_first_and_a_paragraph_is_a_line() {
        assert_eq!(
            shown("Subject: Hi  there\n\none\ntwo  \n\n three\t\u{a0}four\n"),
            ["Hi  there\n", "one two \n", " three four "]
        );
        assert_eq!(shown("A: b\n\nx\n"), ["\n", "x "]);
    }

    #[test]
    fn long_lines_are_cut_at_a_space() {
        let lines = shown(&format!("A: b\n\n{}", "word ".repeat(1000)));
        assert_eq!(lines[1].len(), 2045);
        assert!(lines[1].ends_with(' '));
    }

    #[test]
    fn rawbody_is_cut_behind_line_ends() {
        let text = format!("{}\n", "x".repeat(99)).repeat(100);
        let raw_text = format!("A: b\n\n{text}");
        let message = Message::parse(raw_text.as_bytes());
        let pieces = raw(&message);
        assert_eq!(pieces.concat(), text.as_bytes());
        assert_eq!(pieces[0].len(), 2100);
    }
}
