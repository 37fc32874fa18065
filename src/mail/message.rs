//! [`Mail`]: a complete message, parsed once, read by every filter.
//!
//! In: the raw bytes. Out: header fields with exact bytes, flat MIME parts, text, URLs, flags.
//! Promises: never fails, never panics, linear in the size, bounded depth and number of parts, no
//! recursion (a message of a million nested parts costs one pass).

use std::ops::Range;

use bytes::Bytes;

use super::flag::{Flag, Flags};
use super::header::{self, End};
use super::url::{self, Urls};
use super::{Header, HeaderField, Mailbox, Part, PartKind, Url, address, html, walk};

/// Bounds of parsing. What lies beyond one is left out and flagged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Header fields of the message.
    pub fields: usize,
    /// Containers in containers.
    pub depth: usize,
    /// MIME parts.
    pub parts: usize,
    /// Bytes of rendered text over all parts.
    pub text_bytes: usize,
    /// URLs.
    pub urls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            fields: 10_000,
            depth: 50,
            parts: 1_000,
            text_bytes: 1 << 20,
            urls: 1_000,
        }
    }
}

/// Most mailboxes that one call gives.
const MAILBOXES: usize = 10_000;

/// Reads the header of the message itself: its fields and where its body starts.
fn read_header(
    raw: &[u8],
    start: usize,
    limits: &Limits,
    flags: &mut Flags,
) -> (Vec<HeaderField>, usize, End) {
    let mut fields = Vec::new();
    let mut too_many = false;
    let (body, end) = header::split(
        raw,
        start,
        |_| false,
        |field| {
            let between = field.name.end..field.value.start.saturating_sub(1);
            header::inspect(
                raw.get(field.name.clone()).unwrap_or_default(),
                raw.get(between).unwrap_or_default(),
                raw.get(field.value.clone()).unwrap_or_default(),
                flags,
            );
            if fields.len() < limits.fields {
                fields.push(field);
            } else {
                too_many = true;
            }
        },
    );
    if too_many {
        flags.set(Flag::TooManyFields);
    }
    if fields.is_empty() {
        flags.set(Flag::NoHeader);
    } else if end == End::Broken {
        flags.set(Flag::BrokenHeaderLine);
    }
    (fields, body, end)
}

/// Flags NUL bytes and line ends that are not what the rest of the message has.
fn line_ends(raw: &[u8], flags: &mut Flags) {
    if memchr::memchr(0, raw).is_some() {
        flags.set(Flag::Nul);
    }
    let (mut bare_lf, mut crlf) = (false, false);
    for at in memchr::memchr_iter(b'\n', raw) {
        match at.checked_sub(1).and_then(|before| raw.get(before)) {
            Some(b'\r') => crlf = true,
            _ => bare_lf = true,
        }
        if bare_lf && crlf {
            flags.set(Flag::BareLf);
            break;
        }
    }
    if memchr::memchr_iter(b'\r', raw).any(|at| raw.get(at + 1) != Some(&b'\n')) {
        flags.set(Flag::BareCr);
    }
}

/// Text that grows up to a limit.
struct Bounded {
    text: String,
    limit: usize,
    truncated: bool,
}

impl Bounded {
    fn new(limit: usize) -> Bounded {
        Bounded {
            text: String::new(),
            limit,
            truncated: false,
        }
    }

    /// Adds `more` on lines of its own; gives back what found room.
    fn add<'a>(&mut self, more: &'a str) -> &'a str {
        if more.trim().is_empty() {
            return "";
        }
        let mut room = self.limit.saturating_sub(self.text.len());
        if room > 0 && !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
            room -= 1;
        }
        let added = url::cut(more, room);
        self.truncated |= added.len() < more.len();
        self.text.push_str(added);
        added
    }

    /// Where the last so many bytes lie.
    fn last(&self, length: usize) -> Range<usize> {
        self.text.len() - length..self.text.len()
    }
}

/// A parsed message.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    raw: Bytes,
    fields: Vec<HeaderField>,
    body: usize,
    parts: Vec<Part>,
    text: String,
    /// Where the text of each part lies in `text`: number of the part, bytes.
    pieces: Vec<(usize, Range<usize>)>,
    hidden: String,
    urls: Vec<Url>,
    flags: Vec<Flag>,
}

impl Mail {
    /// Parses a message with CRLF or LF line ends.
    pub fn parse(raw: Bytes, limits: &Limits) -> Mail {
        let mut flags = Flags::default();
        let start = header::mbox_line(&raw);
        let (fields, body, _) = read_header(&raw, start, limits, &mut flags);
        line_ends(&raw, &mut flags);
        let parts = walk::parts(&raw, start, limits, &mut flags);
        let mut mail = Mail {
            raw,
            fields,
            body,
            parts,
            ..Mail::default()
        };
        mail.read_text(limits, &mut flags);
        mail.look_for_doubles(&mut flags);
        mail.flags = flags.into_sorted();
        mail
    }

    /// Parses the header alone, from the beginning of a message whose body may still be on its way. Everything
    /// behind the header is left out. `None` where the bytes end before the header does.
    pub fn parse_header(raw: &Bytes, limits: &Limits) -> Option<Mail> {
        let mut flags = Flags::default();
        let start = header::mbox_line(raw);
        let (fields, body, end) = read_header(raw, start, limits, &mut flags);
        (end != End::Eof).then(|| Mail {
            raw: raw.slice(..body),
            fields,
            body,
            flags: flags.into_sorted(),
            ..Mail::default()
        })
    }

    /// Collects text, hidden text and URLs of all parts.
    fn read_text(&mut self, limits: &Limits, flags: &mut Flags) {
        let mut text = Bounded::new(limits.text_bytes);
        let mut hidden = Bounded::new(limits.text_bytes);
        let mut urls = Urls::new(limits.urls);
        let (mut rendered_cut, mut links_cut) = (false, false);
        for (number, part) in self.parts.iter().enumerate() {
            match &part.kind {
                PartKind::Text(content) if !part.attachment => {
                    let added = text.add(content);
                    urls.add_text(added);
                    let length = added.len();
                    self.pieces.push((number, text.last(length)));
                }
                PartKind::Html(content) => {
                    let rendered = html::render(content, limits);
                    rendered_cut |= rendered.text_cut;
                    links_cut |= rendered.links_cut;
                    for (target, shown) in &rendered.links {
                        urls.add_link(target, shown);
                    }
                    if !part.attachment {
                        let added = text.add(&rendered.visible);
                        urls.add_text(added);
                        let length = added.len();
                        self.pieces.push((number, text.last(length)));
                        hidden.add(&rendered.hidden);
                    }
                }
                _ => {}
            }
        }
        if text.truncated || hidden.truncated || rendered_cut {
            flags.set(Flag::TextTruncated);
        }
        if urls.truncated || links_cut {
            flags.set(Flag::UrlsTruncated);
        }
        self.text = text.text;
        self.hidden = hidden.text;
        self.urls = urls.into_list();
    }

    /// Flags fields that may stand once and stand several times (RFC 5322, section 3.6).
    fn look_for_doubles(&self, flags: &mut Flags) {
        for (name, flag) in [
            ("From", Flag::SeveralFrom),
            ("Sender", Flag::SeveralSender),
            ("Reply-To", Flag::SeveralReplyTo),
            ("To", Flag::SeveralTo),
            ("Cc", Flag::SeveralCc),
            ("Subject", Flag::SeveralSubject),
            ("Date", Flag::SeveralDate),
            ("Message-ID", Flag::SeveralMessageId),
        ] {
            if self.headers_named(name).nth(1).is_some() {
                flags.set(flag);
            }
        }
        for from in self.headers_named("From").take(8) {
            if address::mailboxes(from.raw).len() > 1 {
                flags.set(Flag::SeveralFromAddresses);
            }
        }
    }

    /// The exact bytes.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The bytes after the empty line that ends the header.
    pub fn raw_body(&self) -> &[u8] {
        self.raw.get(self.body..).unwrap_or_default()
    }

    /// Header fields of the message itself, in order.
    pub fn headers(&self) -> impl DoubleEndedIterator<Item = Header<'_>> + '_ {
        self.fields.iter().map(|f| Header {
            name: self.raw.get(f.name.clone()).unwrap_or_default(),
            raw: self.raw.get(f.value.clone()).unwrap_or_default(),
        })
    }

    /// The same fields with their names, whole: what a signature is made over. Without the final line end.
    pub fn header_lines(&self) -> impl DoubleEndedIterator<Item = &[u8]> + '_ {
        let whole = |f: &HeaderField| self.raw.get(f.name.start..f.value.end);
        self.fields
            .iter()
            .map(move |f| whole(f).unwrap_or_default())
    }

    /// Header fields of one name, ASCII case ignored, in order.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Header<'a>> + 'a {
        self.headers().filter(move |h| h.is(name))
    }

    /// The first header field of that name, decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers_named(name).next().map(|h| h.decoded())
    }

    /// The decoded subject; empty when there is none.
    pub fn subject(&self) -> String {
        self.header("Subject").unwrap_or_default()
    }

    /// Mailboxes of every address header of that name (`From`, `To`, `Reply-To`, ...), groups flattened.
    pub fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        self.headers_named(name)
            .flat_map(|header| address::mailboxes(header.raw))
            .take(MAILBOXES)
            .collect()
    }

    /// All MIME parts, flat, in document order, containers included.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Parts that a mail client shows as files: named, or of disposition `attachment`.
    pub fn attachments(&self) -> impl Iterator<Item = &Part> {
        self.parts
            .iter()
            .filter(|p| (p.attachment || p.name.is_some()) && p.kind != PartKind::Multipart)
    }

    /// Text that a reader sees: all text parts, HTML rendered, in order, separated by line ends.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, part by part: each text part that a reader sees, with its text.
    pub fn texts(&self) -> impl Iterator<Item = (&Part, &str)> {
        self.pieces.iter().filter_map(|(number, range)| {
            Some((self.parts.get(*number)?, self.text.get(range.clone())?))
        })
    }

    /// Text of HTML parts that a reader does not see.
    pub fn hidden_text(&self) -> &str {
        &self.hidden
    }

    /// URLs of text and HTML, each once, in order of appearance.
    pub fn urls(&self) -> &[Url] {
        &self.urls
    }

    /// Damage found, each once, sorted.
    pub fn flags(&self) -> &[Flag] {
        &self.flags
    }
}
