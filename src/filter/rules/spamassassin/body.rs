//! The `body` and `rawbody` views.

use super::charset;
use super::html::{self, Rendered};
use super::message::Message;
use super::part::Part;

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
    let mut whole = subject.map(|f| f.decoded()).unwrap_or_default();
    whole.push(b'\n');
    let wide = message.rendered().iter().flatten().any(|r| r.wide);
    let text = paragraphs(&text, wide);
    match wide {
        true => whole.extend(text.into_bytes()),
        false => whole.extend(text.chars().filter_map(|c| u8::try_from(u32::from(c)).ok())),
    }
    let mut lines = Vec::new();
    for line in whole.split_inclusive(|b| *b == b'\n') {
        let mut line = line;
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

/// White space with two line ends is one line end, other white space one space. White space beyond ASCII is
/// some only where text is characters (`wide`).
fn paragraphs(text: &str, wide: bool) -> String {
    let is_space = |c: char| match wide {
        true => c.is_whitespace(),
        false => c.is_ascii_whitespace() || c == '\u{b}',
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| is_space(c) || c == '\0') {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        if let Some(tail) = tail.strip_prefix('\0') {
            out.push('\n');
            rest = tail;
            continue;
        }
        let end = tail.find(|c: char| !is_space(c)).unwrap_or(tail.len());
        let (run, tail) = tail.split_at(end);
        rest = tail;
        match (run.find('\n'), run.rfind('\n')) {
            (Some(first), Some(last)) if first < last => {
                if first > 0 {
                    out.push(' ');
                }
                out.push('\n');
                if last + 1 < run.len() {
                    out.push(' ');
                }
            }
            _ => out.push(' '),
        }
    }
    out.push_str(rest);
    out
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
        let shown = part.shown_as();
        let text = shown.starts_with("text/") || shown.starts_with("message/");
        if !text || part.kind == "text/calendar" {
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
