//! What a part declares about its content: Content-Type, Content-Transfer-Encoding,
//! Content-Disposition and Content-ID (RFC 2045, RFC 2183, RFC 2231).
//!
//! Where a part declares a thing several times, the readings differ between mail clients. All
//! boundaries are kept, so that the parts of every reading are found; of the rest the first counts.
//! All of it is flagged.

use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};

use super::encoded_word;
use super::flag::{Flag, Flags};

/// Bytes of one field that are read; parameters are matched pairwise, so this bounds the time.
const FIELD_BYTES: usize = 16 * 1024;
/// Fields of one kind that are read per part.
const FIELDS: usize = 8;
/// Boundaries that are taken per part.
const BOUNDARIES: usize = 4;
/// Longest boundary; RFC 2046 allows 70, a line 998.
const BOUNDARY_BYTES: usize = 998;

/// How the content is encoded for transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, or nothing declared.
    #[default]
    Identity,
    Base64,
    QuotedPrintable,
    Uuencode,
    Unknown,
}

/// The raw values of the content fields of one part.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    types: Vec<&'a [u8]>,
    encodings: Vec<&'a [u8]>,
    dispositions: Vec<&'a [u8]>,
    id: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// Takes notice of one header field.
    pub(super) fn add(&mut self, name: &[u8], value: &'a [u8]) {
        let mut buffer = [0; 32];
        let Some((b"content-", rest)) = lower(name, &mut buffer).split_at_checked(8) else {
            return;
        };
        let list = match rest {
            b"type" => &mut self.types,
            b"transfer-encoding" => &mut self.encodings,
            b"disposition" => &mut self.dispositions,
            b"id" => {
                self.id.get_or_insert(value);
                return;
            }
            _ => return,
        };
        if list.len() < FIELDS {
            list.push(value);
        }
    }
}

/// `name` in lower case, cut to the size of `buffer`.
fn lower<'b, const N: usize>(name: &[u8], buffer: &'b mut [u8; N]) -> &'b [u8] {
    let length = name.len().min(N);
    for (to, from) in buffer.iter_mut().zip(name) {
        *to = from.to_ascii_lowercase();
    }
    buffer.get(..length).unwrap_or_default()
}

/// What one part declares.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// Whether there is a readable Content-Type.
    pub(super) typed: bool,
    pub(super) main: String,
    pub(super) sub: String,
    pub(super) charset: Option<String>,
    pub(super) boundaries: Vec<Vec<u8>>,
    pub(super) name: Option<String>,
    /// Another name that some client may show.
    pub(super) other_name: Option<String>,
    pub(super) disposition: Option<String>,
    pub(super) content_id: Option<String>,
    pub(super) encoding: Encoding,
    /// Another encoding that some client may undo.
    pub(super) other_encoding: Option<Encoding>,
}

impl Declared {
    /// Reads the fields of one part.
    pub(super) fn read(fields: &Fields<'_>, flags: &mut Flags) -> Declared {
        let mut declared = Declared::default();
        for (list, flag) in [
            (&fields.types, Flag::SeveralContentTypes),
            (&fields.encodings, Flag::SeveralTransferEncodings),
            (&fields.dispositions, Flag::SeveralDispositions),
        ] {
            if list.len() > 1 {
                flags.set(flag);
            }
        }
        let mut names = Vec::new();
        let lines: Vec<Vec<u8>> = fields.dispositions.iter().map(|v| line(v, flags)).collect();
        for value in lines.iter().filter_map(|l| structured(l)) {
            declared
                .disposition
                .get_or_insert_with(|| value.c_type.to_ascii_lowercase());
            names.extend(attributes(&value, "filename"));
        }
        let lines: Vec<Vec<u8>> = fields.types.iter().map(|v| line(v, flags)).collect();
        for raw in &lines {
            declared.read_type(raw, &mut names, flags);
        }
        if declared.boundaries.len() > 1 {
            flags.set(Flag::SeveralBoundaries);
        }
        declared.take_name(names, flags);
        let mut encodings = fields.encodings.iter().map(|v| encoding(v, flags));
        declared.encoding = encodings.next().unwrap_or_default();
        declared.other_encoding = encodings.find(|other| *other != declared.encoding);
        declared.content_id = fields.id.map(|id| {
            let text = encoded_word::text(id.get(..BOUNDARY_BYTES).unwrap_or(id)).into_owned();
            text.trim().trim_matches(['<', '>']).to_owned()
        });
        declared
    }

    fn read_type(&mut self, raw: &[u8], names: &mut Vec<String>, flags: &mut Flags) {
        let Some(value) = structured(raw).filter(|v| is_token(&v.c_type)) else {
            flags.set(Flag::BadContentType);
            return;
        };
        let main = value.c_type.to_ascii_lowercase();
        let sub = match value.c_subtype.as_deref().filter(|s| is_token(s)) {
            Some(sub) => sub.to_ascii_lowercase(),
            None => {
                flags.set(Flag::BadContentType);
                match main.as_str() {
                    "text" => "plain".to_owned(),
                    "multipart" => "mixed".to_owned(),
                    _ => String::new(),
                }
            }
        };
        // A container wins over a leaf, because a client that reads it so shows what is inside.
        if !self.typed || (main == "multipart" && self.main != "multipart") {
            self.typed = true;
            self.main = main;
            self.sub = sub;
        }
        if self.charset.is_none() {
            self.charset = attributes(&value, "charset")
                .next()
                .map(|c| c.trim().to_ascii_lowercase());
        }
        names.extend(attributes(&value, "name"));
        if self.main == "multipart" {
            let mut found: Vec<String> = attributes(&value, "boundary").collect();
            if found.is_empty() {
                found.extend(unparsed_boundary(raw));
            }
            for boundary in found {
                self.add_boundary(boundary.trim_end());
            }
        }
    }

    fn add_boundary(&mut self, boundary: &str) {
        let bytes = boundary.as_bytes().to_vec();
        let fits = !bytes.is_empty() && bytes.len() <= BOUNDARY_BYTES;
        if fits && self.boundaries.len() < BOUNDARIES && !self.boundaries.contains(&bytes) {
            self.boundaries.push(bytes);
        }
    }

    /// The first name counts: Content-Disposition before Content-Type, as RFC 2183 wants it.
    fn take_name(&mut self, names: Vec<String>, flags: &mut Flags) {
        for name in &names {
            if name.chars().any(char::is_control) {
                flags.set(Flag::NameControl);
            }
            if name.chars().any(changes_direction) {
                flags.set(Flag::NameDirection);
            }
        }
        let mut names = names.into_iter().filter(|n| !n.is_empty());
        self.name = names.next();
        self.other_name = names.find(|other| Some(other) != self.name.as_ref());
        if self.other_name.is_some() {
            flags.set(Flag::NameConflict);
        }
    }
}

/// Whether `c` is one of Unicode's explicit marks of direction (UAX 9).
pub(crate) fn changes_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b))
}

/// One field, unfolded, bounded, with the line end that the library wants.
fn line(value: &[u8], flags: &mut Flags) -> Vec<u8> {
    let cut = match value.get(..FIELD_BYTES) {
        Some(cut) if value.len() > FIELD_BYTES => {
            flags.set(Flag::LongContentField);
            cut
        }
        _ => value,
    };
    let line = encoded_word::one_line(cut);
    // The library decodes encoded words without joining neighbours; that is left to our own decoder.
    encoded_word::guard(&line)
}

fn structured(line: &[u8]) -> Option<ContentType<'_>> {
    match MessageStream::new(line).parse_content_type() {
        HeaderValue::ContentType(value) => Some(value),
        _ => None,
    }
}

fn attributes(value: &ContentType<'_>, name: &str) -> impl Iterator<Item = String> {
    value
        .attributes
        .iter()
        .flatten()
        .filter(move |a| a.name.eq_ignore_ascii_case(name))
        .map(|a| encoded_word::unguard(&a.value))
        .take(FIELDS)
        .collect::<Vec<_>>()
        .into_iter()
}

/// A boundary in a field that is too broken for a parser, found as a careless client finds it.
fn unparsed_boundary(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let lower = text.to_ascii_lowercase();
    let at = lower.find("boundary")? + "boundary".len();
    let rest = text.get(at..)?.trim_start().strip_prefix('=')?.trim_start();
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split([';', ' ', '\t', '\n']).next(),
    };
    value.map(str::to_owned)
}

fn encoding(value: &[u8], flags: &mut Flags) -> Encoding {
    let start = value
        .iter()
        .position(|b| b.is_ascii_alphanumeric())
        .unwrap_or(value.len());
    let word: Vec<u8> = value
        .get(start..)
        .unwrap_or_default()
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'-')
        .take(32)
        .map(u8::to_ascii_lowercase)
        .collect();
    match word.as_slice() {
        b"7bit" | b"8bit" | b"binary" | b"7-bit" | b"8-bit" => Encoding::Identity,
        b"base64" | b"x-base64" => Encoding::Base64,
        b"quoted-printable" => Encoding::QuotedPrintable,
        b"x-uuencode" | b"uuencode" | b"x-uue" | b"uue" => Encoding::Uuencode,
        _ => {
            flags.set(Flag::UnknownTransferEncoding);
            Encoding::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> (Declared, Vec<Flag>) {
        let mut flags = Flags::default();
        let mut list = Fields::default();
        for (name, value) in fields {
            list.add(name.as_bytes(), value.as_bytes());
        }
        let declared = Declared::read(&list, &mut flags);
        (declared, flags.into_sorted())
    }

    #[test]
    fn a_file_name_is_read_in_every_notation() {
        for value in [
            "attachment; filename=report.exe",
            "attachment; filename=\"report.exe\"",
            "attachment; filename*=utf-8''report.exe",
            "attachment; filename*=utf-8'en'%72eport%2eexe",
            "attachment;\r\n filename*0=report;\r\n filename*1=.exe",
            "attachment;\r\n filename*1=\".exe\";\r\n filename*0=\"report\"",
            "attachment;\r\n filename*0*=utf-8''rep%6f;\r\n filename*1*=rt%2e;\r\n filename*2=exe",
            "attachment; filename==?utf-8?q?report=2Eexe?=",
            "attachment; filename=\"=?utf-8?b?cmVwb3J0LmV4ZQ==?=\"",
            "attachment; filename=\"=?utf-8?q?rep?= =?utf-8?q?ort=2Eexe?=\"",
            "attachment (a comment); filename=report.exe (filename=x)",
        ] {
            let (declared, flags) = read(&[("Content-Disposition", value)]);
            assert_eq!(declared.name.as_deref(), Some("report.exe"), "{value}");
            assert_eq!(declared.disposition.as_deref(), Some("attachment"));
            assert_eq!(flags, [], "{value}");
        }
    }

    #[test]
    fn hostile_file_names_are_flagged() {
        for (types, disposition, flag) in [
            (
                "application/pdf; name=a.pdf",
                "attachment; filename=a.exe",
                Flag::NameConflict,
            ),
            (
                "a/b",
                "attachment; filename=a; filename=b",
                Flag::NameConflict,
            ),
            (
                "a/b",
                "attachment; filename*=utf-8''x%E2%80%AEfdp.exe",
                Flag::NameDirection,
            ),
            (
                "a/b",
                "attachment; filename*=utf-8''x.exe%00.pdf",
                Flag::NameControl,
            ),
        ] {
            let (_, flags) = read(&[
                ("Content-Type", types),
                ("Content-Disposition", disposition),
            ]);
            assert_eq!(flags, [flag], "{disposition}");
        }
    }

    #[test]
    fn every_boundary_is_kept() {
        let (declared, flags) = read(&[(
            "Content-Type",
            "multipart/mixed; boundary=a; boundary=\"b c\"",
        )]);
        assert_eq!(declared.boundaries, [b"a".to_vec(), b"b c".to_vec()]);
        assert_eq!(flags, [Flag::SeveralBoundaries]);
        let (declared, flags) = read(&[
            ("Content-Type", "text/plain"),
            ("content-TYPE", "Multipart/Mixed; Boundary=x"),
        ]);
        assert_eq!(
            (declared.main.as_str(), declared.sub.as_str()),
            ("multipart", "mixed")
        );
        assert_eq!(declared.boundaries, [b"x".to_vec()]);
        assert_eq!(flags, [Flag::SeveralContentTypes]);
        let (declared, _) = read(&[(
            "Content-Type",
            "multipart/mixed;\r\n\tboundary=\r\n \"split\"",
        )]);
        assert_eq!(declared.boundaries, [b"split".to_vec()]);
    }

    #[test]
    fn a_bad_type_is_flagged_and_a_half_one_completed() {
        let (declared, flags) = read(&[("Content-Type", "text; charset=UTF-8")]);
        assert_eq!(
            (declared.main.as_str(), declared.sub.as_str()),
            ("text", "plain")
        );
        assert_eq!(declared.charset.as_deref(), Some("utf-8"));
        assert_eq!(flags, [Flag::BadContentType]);
        assert_eq!(read(&[("Content-Type", "")]).1, [Flag::BadContentType]);
        assert!(!read(&[("Content-Type", "<script>/x")]).0.typed);
    }

    #[test]
    fn transfer_encodings_are_read_leniently() {
        for (value, expected) in [
            (" Base64 ", Encoding::Base64),
            ("\"base64\"", Encoding::Base64),
            ("quoted-printable;", Encoding::QuotedPrintable),
            ("8BIT (really)", Encoding::Identity),
            ("x-uuencode", Encoding::Uuencode),
            ("rot13", Encoding::Unknown),
        ] {
            let (declared, _) = read(&[("Content-Transfer-Encoding", value)]);
            assert_eq!(declared.encoding, expected, "{value}");
        }
    }

    #[test]
    fn a_hostile_field_is_cut_and_read_in_bounded_time() {
        let started = std::time::Instant::now();
        for unit in [
            "; a*1=x",
            "=?a?q?",
            "; a= =?u",
            "(",
            "\\",
            "; boundary=x",
            "*",
            "\"",
        ] {
            let value = format!("multipart/mixed{}", unit.repeat(1_000_000 / unit.len()));
            let (declared, flags) = read(&[("Content-Type", &value)]);
            assert!(flags.contains(&Flag::LongContentField));
            assert!(declared.boundaries.len() <= BOUNDARIES);
        }
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }
}
