//! MIME parts as SpamAssassin finds them: a queue instead of recursion, boundaries line by line.

use std::collections::VecDeque;

use super::content_type::{content_type, disposition_name, read_content_type, value};
use super::field::{Field, is_space};
use super::message::{self, first_line, is_field};
use super::transfer;

/// Longest line of a multipart before it is broken, bytes.
const LINE_BYTES: usize = 2048;
/// Most parts of one multipart.
const PARTS: usize = 1000;
/// Containers in containers.
const DEPTH: usize = 20;

/// A part without children.
#[derive(Debug)]
pub(super) struct Part {
    /// `type/subtype`, lower case; plain for text types that are not shown in a way of their own.
    pub(super) kind: String,
    pub(super) charset: Option<String>,
    pub(super) name: Option<String>,
    /// The content, transfer encoding undone; nothing of what no view shows.
    pub(super) content: Vec<u8>,
}

impl Part {
    /// The type by which it is shown: a file name that ends as HTML makes it HTML.
    pub(super) fn shown_as(&self) -> &str {
        shown_as(&self.kind, self.name.as_deref())
    }
}

fn shown_as<'k>(kind: &'k str, name: Option<&str>) -> &'k str {
    let html = name.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        [".html", ".htm", ".shtml", ".shtm"]
            .iter()
            .any(|end| name.ends_with(end))
    });
    if html { "text/html" } else { kind }
}

/// Whether it is text, or a message.
pub(super) fn is_text(kind: &str) -> bool {
    kind.starts_with("text/") || kind.starts_with("message/")
}

/// A node of the tree while it is built.
#[derive(Default)]
struct Node {
    fields: Vec<Field>,
    children: Vec<usize>,
    leaf: Option<Part>,
}

struct Task {
    node: usize,
    /// The type that is assumed when the part declares none.
    kind: String,
    boundary: Option<Vec<u8>>,
    body: Vec<u8>,
    depth: usize,
}

/// The leaves of a message in document order, and the header fields of every part below it.
pub(super) fn leaves(fields: &[Field], body: Vec<u8>) -> (Vec<Part>, Vec<Vec<Field>>) {
    // The message itself is the root; its own fields stay with the caller.
    let root: Vec<Field> = fields
        .iter()
        .filter(|f| {
            [
                "content-type",
                "content-transfer-encoding",
                "content-disposition",
            ]
            .iter()
            .any(|n| f.is(n))
        })
        .cloned()
        .collect();
    let mut nodes = vec![Node::default()];
    let mut queue = VecDeque::from([task(0, &root, body, DEPTH)]);
    if let Some(node) = nodes.first_mut() {
        node.fields = root;
    }
    while let Some(task) = queue.pop_front() {
        if task.kind.starts_with("multipart/")
            && task.depth > 0
            && let Some(boundary) = task.boundary.clone()
        {
            multipart(&mut nodes, &mut queue, task, &boundary);
        } else {
            leaf(&mut nodes, &mut queue, task);
        }
    }
    in_order(nodes)
}

/// The work that a message or attached message gives.
fn task(node: usize, fields: &[Field], body: Vec<u8>, depth: usize) -> Task {
    let declared = content_type(fields);
    let mut body = body;
    let starts_with_boundary = declared
        .boundary
        .as_deref()
        .is_some_and(|b| body.strip_prefix(b"--").is_some_and(|r| r.starts_with(b)));
    let first = first_line(&body);
    if declared.kind.starts_with("multipart/")
        && first.len() < body.len()
        && !first.iter().all(|b| is_space(*b))
        && !starts_with_boundary
    {
        body.insert(0, b'\n');
    }
    Task {
        node,
        kind: declared.kind,
        boundary: declared.boundary,
        body,
        depth,
    }
}

/// Whether `line` is a delimiter of `boundary`, and whether it is the last one.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    let blank = |rest: &[u8]| rest.iter().all(|b| is_space(*b));
    if blank(rest) {
        return Some(false);
    }
    rest.strip_prefix(b"--").is_some_and(blank).then_some(true)
}

fn multipart(nodes: &mut Vec<Node>, queue: &mut VecDeque<Task>, task: Task, boundary: &[u8]) {
    let mut lines: Vec<&[u8]> = task.body.split_inclusive(|b| *b == b'\n').collect();
    if let Some(first) = lines
        .iter()
        .position(|l| delimiter(l, boundary) == Some(false))
    {
        lines.drain(..=first);
    }
    let mut part = Growing::default();
    let mut nested = false;
    let mut left = lines.len();
    let mut found = 0;
    for line in lines {
        let mut end = delimiter(line, boundary);
        if nested && let Some(last) = end {
            nested = !last;
            end = None;
        }
        left -= 1;
        if left == 0 || end.is_some() {
            if end.is_none() {
                part.content(line);
            } else {
                part.trim();
            }
            let mut kind = content_type(&part.fields);
            if kind.missing && task.kind == "multipart/digest" {
                kind.kind = "message/rfc822".to_owned();
            }
            let node = nodes.len();
            let done = std::mem::take(&mut part);
            nodes.push(Node {
                fields: done.fields,
                ..Node::default()
            });
            if let Some(parent) = nodes.get_mut(task.node) {
                parent.children.push(node);
            }
            queue.push_back(Task {
                node,
                kind: kind.kind,
                boundary: kind.boundary.or_else(|| Some(boundary.to_vec())),
                body: done.body,
                depth: task.depth - 1,
            });
            found += 1;
            if end == Some(true) || found == PARTS {
                return;
            }
            continue;
        }
        if !part.in_body {
            match part.header_line(line) {
                Line::Taken => continue,
                Line::EndsHeader => {
                    let declared = part.finish_header();
                    nested |= declared.is_some_and(|b| b == boundary);
                    if line == b"\n" || line == b"\r\n" {
                        continue;
                    }
                }
            }
        }
        part.content(line);
    }
}

/// A part whose lines are still coming.
#[derive(Default)]
struct Growing {
    fields: Vec<Field>,
    open: Option<Vec<u8>>,
    in_body: bool,
    body: Vec<u8>,
}

enum Line {
    Taken,
    EndsHeader,
}

impl Growing {
    fn header_line(&mut self, line: &[u8]) -> Line {
        if is_field(line) {
            self.close();
            self.open = Some(line.to_vec());
            return Line::Taken;
        }
        match (&mut self.open, line.first()) {
            (Some(open), Some(b' ' | b'\t')) => {
                open.extend_from_slice(line);
                Line::Taken
            }
            _ => Line::EndsHeader,
        }
    }

    fn close(&mut self) -> Option<&Field> {
        let open = self.open.take()?;
        let colon = memchr::memchr(b':', &open)?;
        let (name, value) = open.split_at_checked(colon)?;
        let value = value.get(1..).unwrap_or_default();
        self.fields
            .push(Field::new(name, value.trim_ascii_start().to_vec()));
        self.fields.last()
    }

    /// Ends the header; gives the boundary where its last field is a Content-Type that declares one.
    fn finish_header(&mut self) -> Option<Vec<u8>> {
        self.in_body = true;
        let field = self.close()?;
        let declared = field
            .is("content-type")
            .then(|| read_content_type(field.decoded()));
        declared.and_then(|d| d.boundary)
    }

    fn content(&mut self, line: &[u8]) {
        let mut line = line;
        while let Some((piece, rest)) = line
            .split_at_checked(LINE_BYTES)
            .filter(|(_, r)| !r.is_empty())
        {
            self.body.extend_from_slice(piece);
            self.body.push(b'\n');
            line = rest;
        }
        self.body.extend_from_slice(line);
    }

    /// Takes away the line end that belongs to the delimiter.
    fn trim(&mut self) {
        if self.body.last() == Some(&b'\n') {
            self.body.pop();
        }
    }
}

fn leaf(nodes: &mut Vec<Node>, queue: &mut VecDeque<Task>, task: Task) {
    let Some(node) = nodes.get(task.node) else {
        return;
    };
    let declared = content_type(&node.fields);
    let kind = match declared.missing {
        true => task.kind,
        false if declared.kind.starts_with("multipart/") && task.boundary.is_none() => {
            "text/plain".to_owned()
        }
        false => declared.kind,
    };
    let disposition = value(&node.fields, "content-disposition");
    let name = disposition
        .as_deref()
        .and_then(disposition_name)
        .or(declared.name);
    let content = match is_text(shown_as(&kind, name.as_deref())) || is_text(&kind) {
        true => decoded(&node.fields, &kind, task.body),
        false => Vec::new(),
    };
    if matches!(kind.as_str(), "message/rfc822" | "message/global")
        && task.depth > 0
        && !content.is_empty()
    {
        let head = message::read(&content);
        let child = nodes.len();
        queue.push_back(self::task(
            child,
            &head.fields,
            head.body.to_vec(),
            task.depth - 1,
        ));
        nodes.push(Node {
            fields: head.fields,
            ..Node::default()
        });
        if let Some(node) = nodes.get_mut(task.node) {
            node.children.push(child);
        }
        return;
    }
    if let Some(node) = nodes.get_mut(task.node) {
        node.leaf = Some(Part {
            kind,
            charset: declared.charset,
            name,
            content,
        });
    }
}

/// The tree in document order.
fn in_order(mut nodes: Vec<Node>) -> (Vec<Part>, Vec<Vec<Field>>) {
    let (mut leaves, mut fields) = (Vec::new(), Vec::new());
    let mut stack = vec![0];
    while let Some(number) = stack.pop() {
        let Some(node) = nodes.get_mut(number) else {
            continue;
        };
        leaves.extend(node.leaf.take());
        fields.push(std::mem::take(&mut node.fields));
        stack.extend(node.children.iter().rev());
    }
    (leaves, fields)
}

fn decoded(fields: &[Field], kind: &str, body: Vec<u8>) -> Vec<u8> {
    let encoding = value(fields, "content-transfer-encoding").unwrap_or_default();
    match encoding.to_ascii_lowercase().as_str() {
        "quoted-printable" => transfer::line_feeds(transfer::quoted_printable(&body)),
        "base64" => {
            let content = transfer::base64(&body);
            match is_text(kind) {
                true => transfer::line_feeds(content),
                false => content,
            }
        }
        _ => body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(raw: &str) -> Vec<(String, String)> {
        let head = message::read(raw.as_bytes());
        let (leaves, _) = leaves(&head.fields, head.body.to_vec());
        leaves
            .into_iter()
            .map(|p| (p.kind, String::from_utf8_lossy(&p.content).into_owned()))
            .collect()
    }

    #[test]
    fn nested_multiparts_and_messages_give_leaves_in_order() {
        let raw = "Content-Type: multipart/mixed; boundary=\"a\"\n\npre\n--a\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n<b>=41</b>\n--b--\n--a\nContent-Type: message/rfc822\n\nSubject: in\n\ninner\n--a\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\naGk=\n--a--\nepilogue\n";
        assert_eq!(
            parts(raw),
            [
                ("text/plain".into(), "one".into()),
                ("text/html".into(), "<b>A</b>".into()),
                ("text/plain".into(), "inner".into()),
                // No view shows it.
                ("application/pdf".into(), "".into()),
            ]
        );
    }

    #[test]
    fn a_boundary_that_never_comes_leaves_one_part() {
        let raw = "Content-Type: multipart/mixed; boundary=x\n\nbody\nmore\n";
        assert_eq!(parts(raw), [("text/plain".into(), "body\nmore\n".into())]);
        assert_eq!(
            parts("Content-Type: text/enriched; name=a.html\n\nx\n"),
            [("text/plain".into(), "x\n".into())]
        );
    }

    #[test]
    fn a_hundred_thousand_containers_end_at_the_limit() {
        let raw = "Content-Type: message/rfc822\n\n".repeat(100_000);
        assert_eq!(parts(&raw).len(), 1);
    }
}
