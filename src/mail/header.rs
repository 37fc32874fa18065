//! Header fields with their exact bytes, and their decoded reading (RFC 5322, RFC 2047).
//!
//! In: bytes that start with a header. Out: where each field lies, and where the body starts. A
//! field is what an MTA takes for one: a name of printable characters, optional white space, a
//! colon; continuation lines start with a space or tab. The first line that is neither ends the
//! header and belongs to the body (Postfix does the same in `is_header`).

use std::borrow::Cow;
use std::ops::Range;

use super::address::{self, Mailbox};
use super::encoded_word;
use super::flag::{Flag, Flags};

/// Where one header field lies in the raw message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderField {
    /// The field name, without the colon.
    pub name: Range<usize>,
    /// Everything after the colon up to, not including, the final line end; folding kept.
    pub value: Range<usize>,
}

/// One header field of a [`Mail`](super::Mail): a view into its raw bytes.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The field name as received.
    pub name: &'a [u8],
    /// The raw value, with leading white space and folding.
    pub raw: &'a [u8],
}

impl<'a> Header<'a> {
    /// The name as text; bytes that are not UTF-8 are replaced.
    pub fn name_text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.name)
    }

    /// Whether the name equals `name`, ASCII case ignored.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value as a person reads it: unfolded, encoded words decoded (RFC 2047), trimmed.
    /// Raw 8-bit text is taken as UTF-8, and where it is not, as windows-1252. A broken encoded
    /// word stays as it is written.
    pub fn decoded(&self) -> String {
        encoded_word::decode(self.raw, &mut Flags::default())
    }

    /// The mailboxes of an address field (`From`, `Resent-To`, ...), groups flattened.
    pub fn mailboxes(&self) -> Vec<Mailbox> {
        address::mailboxes(self.raw)
    }

    /// The value without line ends and outer white space, encoded words left as they are. Bytes that
    /// are not UTF-8 are taken as windows-1252.
    pub fn unfolded(&self) -> String {
        let bytes: Vec<u8> = self
            .raw
            .iter()
            .copied()
            .filter(|b| !matches!(b, b'\r' | b'\n'))
            .collect();
        encoded_word::text(&bytes).trim().to_owned()
    }
}

/// How a header ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With an empty line, which is skipped.
    Blank,
    /// With a line that is no header field; the body starts with it.
    Broken,
    /// With a line that the caller claimed (a MIME boundary); the body is empty and starts with it.
    Claimed,
    /// With the end of the bytes.
    Eof,
}

/// Walks over the header that starts at `start` and hands each field to `field`. `claims` is asked
/// about each line that starts with `--`. Returns where the body starts and how the header ended.
pub(super) fn split(
    bytes: &[u8],
    start: usize,
    claims: impl Fn(&[u8]) -> bool,
    mut field: impl FnMut(HeaderField),
) -> (usize, End) {
    let mut open: Option<HeaderField> = None;
    let mut at = start;
    let end = loop {
        let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) else {
            break End::Eof;
        };
        let (length, next) = match memchr::memchr(b'\n', rest) {
            Some(n) => (n, at + n + 1),
            None => (rest.len(), bytes.len()),
        };
        let line = rest.get(..length).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.first() {
            None => {
                at = next;
                break End::Blank;
            }
            Some(b' ' | b'\t') if open.is_some() => {
                if let Some(open) = &mut open {
                    open.value.end = at + line.len();
                }
            }
            Some(b'-') if line.starts_with(b"--") && claims(line) => break End::Claimed,
            Some(_) => match name_length(line) {
                Some((name, colon)) => {
                    if let Some(complete) = open.take() {
                        field(complete);
                    }
                    open = Some(HeaderField {
                        name: at..at + name,
                        value: at + colon + 1..at + line.len(),
                    });
                }
                None => break End::Broken,
            },
        }
        at = next;
    };
    if let Some(complete) = open.take() {
        field(complete);
    }
    (at, end)
}

/// Every field of the header that a message begins with, however many, and where its body starts: behind the empty
/// line, or at the first line that is no field.
pub fn fields(raw: &[u8]) -> (Vec<HeaderField>, usize) {
    let mut fields = Vec::new();
    let (body, _) = split(raw, 0, |_| false, |field| fields.push(field));
    (fields, body)
}

/// Lengths of the field name and of all that precedes the colon; `None` for what is no field.
fn name_length(line: &[u8]) -> Option<(usize, usize)> {
    let name = line
        .iter()
        .position(|b| !(33..=126).contains(b) || *b == b':')?;
    let gap = line
        .get(name..)?
        .iter()
        .position(|b| !matches!(b, b' ' | b'\t'))?;
    (name > 0 && line.get(name + gap) == Some(&b':')).then_some((name, name + gap))
}

/// The length of an mbox separator line (`From ` at the very start, as in files), with its end.
pub(super) fn mbox_line(bytes: &[u8]) -> usize {
    if !bytes.starts_with(b"From ") && !bytes.starts_with(b">From ") {
        return 0;
    }
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |n| n + 1);
    match bytes.get(..end).and_then(name_length) {
        Some(_) => 0,
        None => end,
    }
}

/// Damage that shows in the raw bytes of one field.
pub(super) fn inspect(name: &[u8], between: &[u8], value: &[u8], flags: &mut Flags) {
    if !between.is_empty() {
        flags.set(Flag::SpaceBeforeColon);
    }
    if !value.is_ascii() || !name.is_ascii() {
        flags.set(Flag::EightBitHeader);
    }
    if memchr::memchr(0, value).is_some() {
        flags.set(Flag::NulInHeader);
    }
    for at in memchr::memchr_iter(b'\r', value) {
        if value.get(at + 1) != Some(&b'\n') {
            flags.set(Flag::BareCrInHeader);
            break;
        }
    }
    if memchr::memmem::find(value, b"=?").is_some() {
        encoded_word::decode(value, flags);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

    fn fields(bytes: &[u8]) -> (Pairs<'_>, usize, End) {
        let mut found = Vec::new();
        let (body, end) = split(
            bytes,
            0,
            |l| l == b"--edge",
            |f| found.push((&bytes[f.name], &bytes[f.value])),
        );
        (found, body, end)
    }

    #[test]
    fn fields_keep_their_exact_bytes() {
        let raw = b"Subject: one\r\n\ttwo\r\nX:\r\nBody-Next : v\r\n\r\nbody";
        let (found, body, end) = fields(raw);
        assert_eq!(
            found,
            [
                (&b"Subject"[..], &b" one\r\n\ttwo"[..]),
                (b"X", b""),
                (b"Body-Next", b" v"),
            ]
        );
        assert_eq!((&raw[body..], end), (&b"body"[..], End::Blank));
    }

    #[test]
    fn a_line_that_is_no_field_ends_the_header_and_belongs_to_the_body() {
        for (raw, rest, how) in [
            (
                &b"A: 1\nno colon here\nB: 2\n"[..],
                &b"no colon here\nB: 2\n"[..],
                End::Broken,
            ),
            (b"A: 1\n: empty name\n", b": empty name\n", End::Broken),
            (b"A: 1\nb\xe4d: 1\n", b"b\xe4d: 1\n", End::Broken),
            (b"A: 1\n--edge\nB: 2\n", b"--edge\nB: 2\n", End::Claimed),
            (b"A: 1", b"", End::Eof),
        ] {
            let (found, body, end) = fields(raw);
            assert_eq!(found, [(&b"A"[..], &b" 1"[..])]);
            assert_eq!((&raw[body..], end), (rest, how));
        }
        assert_eq!(fields(b" folded first\nA: 1\n").2, End::Broken);
        assert_eq!(fields(b"").2, End::Eof);
    }

    #[test]
    fn a_line_of_white_space_continues_the_field() {
        let (found, _, _) = fields(b"A: 1\n \n 2\nB: 3\n\n");
        assert_eq!(found, [(&b"A"[..], &b" 1\n \n 2"[..]), (b"B", b" 3")]);
    }

    #[test]
    fn an_mbox_separator_is_not_a_field() {
        assert_eq!(mbox_line(b"From a@b Mon Jan 1 00:00:00\nA: 1\n"), 28);
        assert_eq!(mbox_line(b"From : a@b\n"), 0);
        assert_eq!(mbox_line(b"From: a@b\n"), 0);
    }

    #[test]
    fn unfolded_keeps_encoded_words() {
        let header = Header {
            name: b"subject",
            raw: b" =?utf-8?q?a?=\r\n b\xe4 ",
        };
        assert_eq!(header.unfolded(), "=?utf-8?q?a?= b\u{e4}");
        assert!(header.is("Subject"));
    }
}
