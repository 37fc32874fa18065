//! The walk over the MIME structure of a message: bytes in, flat parts in document order out.
//!
//! Line by line, once, without recursion: the open containers are a stack whose height is
//! `Limits::depth`, so a message of a million nested parts costs one pass and no stack. Boundaries
//! are recognised as RFC 2046 (section 5.1.1) says: at the start of a line, by their beginning; where
//! several match, the longest and then the innermost wins. Why not mail-parser's own walk: it builds
//! messages in messages, whose drop recurses (35,000 levels in 1.1 MB of mail abort the process), and
//! it looks for each boundary to the end of the message, which makes boundaries that never occur
//! quadratic. Its field parsers, decoders and charsets are used.

use std::ops::Range;

use bytes::Bytes;

use super::charset;
use super::content::{Declared, Encoding, Fields};
use super::encoded_word;
use super::flag::{Flag, Flags};
use super::header::{self, End};
use super::{Limits, Part, PartKind};

/// Messages in messages that had to be decoded first; each level shrinks by the encoding.
const ENCODED_LEVELS: usize = 3;

/// An open container.
#[derive(Debug)]
struct Frame {
    /// Index into the parts.
    part: usize,
    /// Where its content starts.
    start: usize,
    /// Empty for an attached message, which ends with what surrounds it.
    boundaries: Vec<Vec<u8>>,
    /// Children without a type are messages (RFC 2046, section 5.1.5).
    digest: bool,
    /// How many delimiters were seen.
    seen: usize,
    /// Whether the final boundary was seen.
    closed: bool,
}

/// A delimiter line: which container it belongs to, and whether it is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Delimiter {
    frame: usize,
    last: bool,
    /// Whether nothing follows the boundary in its line.
    exact: bool,
}

/// One run of bytes that is walked: the message, or an attached message that had to be decoded.
struct Source {
    bytes: Bytes,
    /// Whether places in it are places in the raw message.
    raw: bool,
    at: usize,
    frames: Vec<Frame>,
    /// Containers around it.
    depth: usize,
    started: bool,
}

/// Takes the message apart.
pub(super) fn parts(raw: &Bytes, start: usize, limits: &Limits, flags: &mut Flags) -> Vec<Part> {
    let mut walk = Walk {
        parts: Vec::new(),
        limits,
        flags,
    };
    let mut sources = vec![Source {
        bytes: raw.clone(),
        raw: true,
        at: start,
        frames: Vec::new(),
        depth: 0,
        started: false,
    }];
    let mut levels = 0;
    while let Some(source) = sources.last_mut() {
        match walk.step(source, levels < ENCODED_LEVELS) {
            Step::Goes => {}
            Step::Inner(inner) => {
                levels += 1;
                sources.push(inner);
            }
            Step::Ends => {
                levels = levels.saturating_sub(1);
                sources.pop();
            }
        }
    }
    walk.parts
}

enum Step {
    Goes,
    Inner(Source),
    Ends,
}

struct Walk<'a> {
    parts: Vec<Part>,
    limits: &'a Limits,
    flags: &'a mut Flags,
}

impl Walk<'_> {
    /// Reads one part, and what follows it up to the header of the next.
    fn step(&mut self, source: &mut Source, may_decode: bool) -> Step {
        if source.started && source.at >= source.bytes.len() && source.frames.is_empty() {
            return Step::Ends;
        }
        if self.parts.len() >= self.limits.parts {
            self.flags.set(Flag::TooManyParts);
            for frame in &mut source.frames {
                // What was not looked for cannot be missing.
                (frame.seen, frame.closed) = (1, true);
            }
            self.close(source, 0, source.bytes.len());
            source.at = source.bytes.len();
            return Step::Ends;
        }
        source.started = true;
        let bytes = source.bytes.clone();
        let mut from = source.at;
        if source.frames.last().is_none_or(|f| f.boundaries.is_empty()) && from > 0 {
            // An attached message may bring the separator of the mailbox that it was taken from.
            from += header::mbox_line(bytes.get(from..).unwrap_or_default());
        }
        let mut fields = Fields::default();
        let (body, end) = header::split(
            &bytes,
            from,
            |line| delimiter(&source.frames, line).is_some(),
            |f| {
                fields.add(
                    bytes.get(f.name).unwrap_or_default(),
                    bytes.get(f.value).unwrap_or_default(),
                );
            },
        );
        let root = source.frames.is_empty();
        if end == End::Broken && !(root && source.raw) {
            self.flags.set(Flag::BrokenPartHeader);
        }
        let declared = Declared::read(&fields, self.flags);
        let depth = source.depth + source.frames.len();
        let digest = source.frames.last().is_some_and(|f| f.digest);
        let shape = self.shape(&declared, depth, digest, may_decode);
        let (content_type, charset) = labels(&declared, &shape);
        self.parts.push(Part {
            content_type,
            charset,
            attachment: declared.disposition.as_deref() == Some("attachment"),
            name: declared.name,
            other_name: declared.other_name,
            disposition: declared.disposition,
            content_id: declared.content_id,
            depth,
            size: 0,
            header: source.raw.then_some(from..body),
            body: source.raw.then_some(body..body),
            kind: PartKind::default(),
            encoding: declared.encoding,
            other_encoding: declared.other_encoding,
        });
        let part = self.parts.len() - 1;
        source.at = body;
        match shape {
            Shape::Message => {
                self.kind(part, PartKind::Message);
                source.frames.push(Frame {
                    part,
                    start: body,
                    boundaries: Vec::new(),
                    digest: false,
                    seen: 0,
                    closed: false,
                });
                Step::Goes
            }
            Shape::Multipart { digest } => {
                self.kind(part, PartKind::Multipart);
                source.frames.push(Frame {
                    part,
                    start: body,
                    boundaries: declared.boundaries,
                    digest,
                    seen: 0,
                    closed: false,
                });
                let (stop, found) = next_delimiter(&source.frames, &bytes, body);
                self.turn(source, stop, found)
            }
            Shape::Leaf(leaf) => {
                let (stop, found) = next_delimiter(&source.frames, &bytes, body);
                let inner = self.fill(part, &bytes, body..stop, leaf, declared.encoding);
                // What follows the delimiter waits until the inner message is done.
                let turned = self.turn(source, stop, found);
                match inner {
                    Some(inner) => Step::Inner(Source {
                        at: header::mbox_line(&inner),
                        bytes: inner,
                        raw: false,
                        frames: Vec::new(),
                        depth: depth + 1,
                        started: false,
                    }),
                    None => turned,
                }
            }
        }
    }

    /// Content ended at `stop`, with `found` or the end of the bytes: closes containers until one
    /// goes on, and moves to the header of its next part.
    fn turn(
        &mut self,
        source: &mut Source,
        stop: usize,
        found: Option<(Delimiter, usize)>,
    ) -> Step {
        let bytes = source.bytes.clone();
        let (mut stop, mut found) = (stop, found);
        loop {
            let Some((delimiter, after)) = found else {
                self.close(source, 0, stop);
                source.at = bytes.len();
                return Step::Ends;
            };
            self.close(source, delimiter.frame + 1, stop);
            let Some(frame) = source.frames.get_mut(delimiter.frame) else {
                return Step::Ends;
            };
            frame.seen += 1;
            if !delimiter.exact {
                self.flags.set(Flag::LooseBoundary);
            }
            if !delimiter.last {
                if after >= bytes.len() {
                    found = None;
                    continue;
                }
                if frame.closed {
                    self.flags.set(Flag::PartAfterEnd);
                    frame.closed = false;
                }
                source.at = after;
                return Step::Goes;
            }
            frame.closed = true;
            (stop, found) = next_delimiter(&source.frames, &bytes, after);
        }
    }

    /// Closes the containers from `keep` on, which end at `stop`.
    fn close(&mut self, source: &mut Source, keep: usize, stop: usize) {
        while source.frames.len() > keep {
            let Some(frame) = source.frames.pop() else {
                return;
            };
            let Some(part) = self.parts.get_mut(frame.part) else {
                continue;
            };
            let place = frame.start..stop.max(frame.start);
            part.size = place.len();
            if part.body.is_some() {
                part.body = Some(place.clone());
            }
            if frame.boundaries.is_empty() {
                continue;
            }
            if frame.seen == 0 {
                self.flags.set(Flag::BoundaryNeverOccurs);
                // Nothing could be taken out of it, so its text counts as text.
                let content = source.bytes.get(place).unwrap_or_default().to_vec();
                let text = charset::decode(content, None, &mut Flags::default());
                part.kind = PartKind::Text(text);
            } else if !frame.closed {
                self.flags.set(Flag::NoFinalBoundary);
            }
        }
    }

    fn kind(&mut self, part: usize, kind: PartKind) {
        if let Some(part) = self.parts.get_mut(part) {
            part.kind = kind;
        }
    }

    /// What to do with a part.
    fn shape(
        &mut self,
        declared: &Declared,
        depth: usize,
        digest: bool,
        may_decode: bool,
    ) -> Shape {
        let (main, sub) = match declared.typed {
            true => (declared.main.as_str(), declared.sub.as_str()),
            false if digest => ("message", "rfc822"),
            false => ("text", "plain"),
        };
        let identity = declared.encoding == Encoding::Identity;
        let fits = depth < self.limits.depth;
        match (main, sub) {
            ("multipart", _) => {
                if !identity {
                    self.flags.set(Flag::EncodedMultipart);
                }
                if declared.boundaries.is_empty() {
                    self.flags.set(Flag::NoBoundary);
                    return Shape::Leaf(Leaf::Text);
                }
                if !fits {
                    self.flags.set(Flag::TooDeep);
                    return Shape::Leaf(Leaf::Binary);
                }
                Shape::Multipart {
                    digest: sub == "digest",
                }
            }
            ("message", "rfc822" | "global" | "news") => {
                if !fits {
                    self.flags.set(Flag::TooDeep);
                    return Shape::Leaf(Leaf::Binary);
                }
                if identity || declared.encoding == Encoding::Unknown {
                    return Shape::Message;
                }
                self.flags.set(Flag::EncodedMessage);
                if may_decode {
                    return Shape::Leaf(Leaf::Message);
                }
                self.flags.set(Flag::TooDeep);
                Shape::Leaf(Leaf::Binary)
            }
            ("message", "partial") => {
                self.flags.set(Flag::PartialMessage);
                Shape::Leaf(Leaf::Binary)
            }
            ("message", "external-body") => {
                self.flags.set(Flag::ExternalBody);
                Shape::Leaf(Leaf::Text)
            }
            ("text", "html") | ("application", "xhtml+xml") => Shape::Leaf(Leaf::Html),
            ("text" | "message", _) => Shape::Leaf(Leaf::Text),
            _ => Shape::Leaf(Leaf::Binary),
        }
    }

    /// Decodes the content of a leaf into its part; gives the bytes of an encoded message back.
    fn fill(
        &mut self,
        part: usize,
        bytes: &Bytes,
        place: Range<usize>,
        leaf: Leaf,
        encoding: Encoding,
    ) -> Option<Bytes> {
        let content = bytes.get(place.clone()).unwrap_or_default();
        let mut uu_name = None;
        let decoded = match encoding {
            Encoding::Identity | Encoding::Unknown => content.to_vec(),
            _ if leaf == Leaf::Binary && self.is_container(part) => content.to_vec(),
            Encoding::Base64 => self.undo(super::transfer::base64(content), Flag::DamagedBase64),
            Encoding::QuotedPrintable => self.undo(
                super::transfer::quoted_printable(content),
                Flag::DamagedQuotedPrintable,
            ),
            Encoding::Uuencode => {
                let (decoded, name, whole) = super::transfer::uuencode(content);
                uu_name = name;
                self.undo((decoded, whole), Flag::DamagedUuencode)
            }
        };
        let part = self.parts.get_mut(part)?;
        part.body = part.body.is_some().then_some(place);
        part.size = decoded.len();
        if part.name.is_none() {
            part.name = uu_name.map(|n| encoded_word::text(&n).into_owned());
        }
        let charset = part.charset.as_deref();
        part.kind = match leaf {
            Leaf::Text => PartKind::Text(charset::decode(decoded, charset, self.flags)),
            Leaf::Html => PartKind::Html(charset::decode(decoded, charset, self.flags)),
            Leaf::Binary => PartKind::Binary(decoded),
            Leaf::Message => {
                part.kind = PartKind::Message;
                return Some(Bytes::from(decoded));
            }
        };
        None
    }

    /// Containers that are too deep stay as they stand in the message.
    fn is_container(&self, part: usize) -> bool {
        self.parts
            .get(part)
            .is_some_and(|p| p.content_type.starts_with("multipart/"))
    }

    fn undo(&mut self, (bytes, whole): (Vec<u8>, bool), damage: Flag) -> Vec<u8> {
        if !whole {
            self.flags.set(damage);
        }
        bytes
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaf {
    Text,
    Html,
    Binary,
    /// An attached message that must be decoded before it can be walked.
    Message,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Message,
    Multipart { digest: bool },
    Leaf(Leaf),
}

/// `content_type` and `charset` of a part.
fn labels(declared: &Declared, shape: &Shape) -> (String, Option<String>) {
    let content_type = match (declared.typed, shape) {
        (true, _) => format!("{}/{}", declared.main, declared.sub),
        (false, Shape::Message | Shape::Leaf(Leaf::Message)) => "message/rfc822".to_owned(),
        (false, _) => "text/plain".to_owned(),
    };
    (content_type, declared.charset.clone())
}

/// Whether `line` is a delimiter of one of the open containers.
fn delimiter(frames: &[Frame], line: &[u8]) -> Option<Delimiter> {
    let rest = line.strip_prefix(b"--")?;
    let mut best: Option<(usize, bool)> = None;
    let mut found = None;
    for (index, frame) in frames.iter().enumerate() {
        for boundary in &frame.boundaries {
            let Some(tail) = rest.strip_prefix(boundary.as_slice()) else {
                continue;
            };
            let (last, tail) = match tail.strip_prefix(b"--") {
                Some(tail) => (true, tail),
                None => (false, tail),
            };
            // Longest first, then containers that are still open, then the innermost.
            let rank = Some((boundary.len(), !frame.closed));
            if best <= rank {
                best = rank;
                found = Some(Delimiter {
                    frame: index,
                    last,
                    exact: tail.trim_ascii().is_empty(),
                });
            }
        }
    }
    found
}

/// The next delimiter line at or after `from`: where the content before it ends (its line end
/// belongs to the delimiter), the delimiter, and where the line after it starts.
fn next_delimiter(
    frames: &[Frame],
    bytes: &[u8],
    from: usize,
) -> (usize, Option<(Delimiter, usize)>) {
    if frames.iter().all(|f| f.boundaries.is_empty()) {
        return (bytes.len(), None);
    }
    let dashes = memchr::memmem::Finder::new(b"\n--");
    let mut at = from;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..length).unwrap_or_default();
            if let Some(found) = delimiter(frames, line.strip_suffix(b"\r").unwrap_or(line)) {
                let before = bytes.get(from..at).unwrap_or_default();
                let content = before.strip_suffix(b"\n").unwrap_or(before);
                let content = content.strip_suffix(b"\r").unwrap_or(content);
                let after = (at + length + 1).min(bytes.len());
                return (from + content.len(), Some((found, after)));
            }
        }
        match dashes.find(rest) {
            Some(next) => at += next + 1,
            None => return (bytes.len(), None),
        }
    }
}
