//! Messages with something attached, in every way that mail knows.

use std::fmt::Write as _;
use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use crate::real_clamd::tar_header;

/// An attachment: fields of its header, an empty line, its body.
fn part(fields: &str, body: &[u8]) -> Vec<u8> {
    [fields.as_bytes(), b"\r\n\r\n", body].concat()
}

/// A message with a text and these parts.
fn mixed(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"From: a@example.net\r\nTo: user@example.org\r\nSubject: test\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        .to_vec();
    for part in parts {
        // A boundary of its own for each level.
        out.extend(b"--outer\r\n");
        out.extend(part);
        out.extend(b"\r\n");
    }
    out.extend(b"--outer--\r\n");
    out
}

/// A message with one attachment in base64.
pub(super) fn mail(base64: &[u8]) -> Vec<u8> {
    mixed(&[attached("base64", base64)])
}

/// A message with these attachments in base64.
pub(super) fn attachments(contents: &[&[u8]]) -> Vec<u8> {
    let parts: Vec<_> = contents
        .iter()
        .map(|c| attached("base64", &base64(c)))
        .collect();
    mixed(&parts)
}

fn attached(encoding: &str, body: &[u8]) -> Vec<u8> {
    let fields = format!(
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: {encoding}\r\n\
Content-Disposition: attachment; filename=a.com"
    );
    part(&fields, body)
}

/// Base64 in lines of 76 characters (RFC 2045).
pub(super) fn base64(bytes: &[u8]) -> Vec<u8> {
    data_encoding::BASE64_MIME.encode(bytes).into_bytes()
}

/// Quoted-printable with every byte escaped and a soft line break after each ten.
fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = String::new();
    for ten in bytes.chunks(10) {
        for byte in ten {
            let _ = write!(out, "={byte:02X}");
        }
        out += "=\r\n";
    }
    out.into_bytes()
}

/// Uuencode, with its first and last line.
fn uuencode(bytes: &[u8]) -> Vec<u8> {
    let one = |six: u8| if six == 0 { b'`' } else { six + 32 };
    let mut out = b"begin 644 a.com\r\n".to_vec();
    for line in bytes.chunks(45) {
        out.push(one(u8::try_from(line.len()).unwrap()));
        for three in line.chunks(3) {
            let byte = |n: usize| three.get(n).copied().unwrap_or(0);
            let (a, b, c) = (byte(0), byte(1), byte(2));
            out.extend(
                [
                    a >> 2,
                    (a & 3) << 4 | b >> 4,
                    (b & 15) << 2 | c >> 6,
                    c & 63,
                ]
                .map(one),
            );
        }
        out.extend(b"\r\n");
    }
    out.extend(b"`\r\nend\r\n");
    out
}

/// How a file lies in a zip archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packed {
    Stored,
    Deflated,
    /// Marked as encrypted.
    Encrypted,
}

/// A zip archive with one file (APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16).
pub(super) fn packed(how: Packed, name: &str, content: &[u8]) -> Vec<u8> {
    let data = match how {
        Packed::Stored | Packed::Encrypted => content.to_vec(),
        Packed::Deflated => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
    };
    let mut sum = flate2::Crc::new();
    sum.update(content);
    let long = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let short = |n: usize| u16::try_from(n).unwrap().to_le_bytes();
    let mut common = Vec::new();
    common.extend(short(20));
    common.extend(short(usize::from(how == Packed::Encrypted)));
    common.extend(short(if how == Packed::Deflated { 8 } else { 0 }));
    common.extend([0, 0, 0x21, 0x5c]);
    common.extend(sum.sum().to_le_bytes());
    common.extend(long(data.len()));
    common.extend(long(content.len()));
    common.extend(short(name.len()));
    common.extend(short(0));
    let mut out = [b"PK\x03\x04", &common[..], name.as_bytes(), &data].concat();
    let directory = out.len();
    out.extend(b"PK\x01\x02\x14\0");
    out.extend(&common);
    out.extend([0; 14]);
    // The offset of the file is the last of these, and 0.
    out.extend(name.as_bytes());
    let size = out.len() - directory;
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([short(1), short(1)].concat());
    out.extend(long(size));
    out.extend(long(directory));
    out.extend(short(0));
    out
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut out = tar_header(name, content.len()).to_vec();
    out.extend(content);
    out.resize(out.len().next_multiple_of(512) + 1024, 0);
    out
}

fn message_part(encoding: &str, message: &[u8]) -> Vec<u8> {
    let fields = format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}");
    part(&fields, message)
}

/// A message in a message, so often.
fn forwarded(mut message: Vec<u8>, times: usize) -> Vec<u8> {
    for level in 0..times {
        let outer = mixed(&[message_part("7bit", &message)]);
        // Each level has its own boundary.
        let own = format!("level{level}");
        let outer = String::from_utf8(outer).unwrap();
        let inner = String::from_utf8(message).unwrap();
        let (head, tail) = outer.split_once(&inner).unwrap();
        let rename = |text: &str| text.replace("outer", &own);
        message = [rename(head), inner.clone(), rename(tail)]
            .concat()
            .into_bytes();
    }
    message
}

/// The content in every encoding and nesting: a name, the message, and what is said of it.
pub(super) fn messages(bad: &[u8], found: &'static str) -> Vec<(String, Vec<u8>, &'static str)> {
    let encoded = base64(bad);
    let one_line = data_encoding::BASE64.encode(bad).into_bytes();
    let spaced: Vec<u8> = one_line.iter().flat_map(|b| [*b, b' ', b'!']).collect();
    let unpadded: Vec<u8> = one_line.iter().copied().filter(|b| *b != b'=').collect();
    let plain = |body: &[u8]| {
        part(
            "From: a@example.net\r\nTo: user@example.org\r\nSubject: test",
            body,
        )
    };
    let zip = packed(Packed::Deflated, "a.com", bad);
    let zips = |levels: usize| {
        (0..levels).fold(bad.to_vec(), |inner, _| {
            packed(Packed::Deflated, "a.zip", &inner)
        })
    };
    let whole = |content: &[u8]| mail(&base64(content));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing bad", whole(b"nothing bad"), "Clean"),
        (
            "nothing bad in a zip",
            whole(&packed(Packed::Deflated, "a.txt", b"nothing bad")),
            "Clean",
        ),
        ("plain body", plain(bad), found),
        (
            "plain body between lines",
            plain(&[b"hello\r\n", bad, b"\r\nbye\r\n"].concat()),
            found,
        ),
        (
            "uuencode in a plain body",
            plain(&[b"hello\r\n", &uuencode(bad)[..]].concat()),
            found,
        ),
        ("attachment, 7bit", mixed(&[attached("7bit", bad)]), found),
        ("attachment, 8bit", mixed(&[attached("8bit", bad)]), found),
        (
            "attachment, binary",
            mixed(&[attached("binary", bad)]),
            found,
        ),
        ("attachment, base64", mail(&encoded), found),
        ("attachment, base64 in one line", mail(&one_line), found),
        (
            "attachment, base64 with other characters",
            mail(&spaced),
            found,
        ),
        ("attachment, base64 without padding", mail(&unpadded), found),
        (
            "attachment, BASE64 in capitals",
            mixed(&[attached("BASE64", &encoded)]),
            found,
        ),
        (
            "attachment, quoted-printable",
            mixed(&[attached("quoted-printable", &quoted_printable(bad))]),
            found,
        ),
        (
            "attachment, x-uuencode",
            mixed(&[attached("x-uuencode", &uuencode(bad))]),
            found,
        ),
        (
            "second attachment",
            mixed(&[
                attached("base64", &base64(b"good")),
                attached("base64", &encoded),
            ]),
            found,
        ),
        (
            "message in the message",
            forwarded(mail(&encoded), 1),
            found,
        ),
        (
            "message in the message, five times",
            forwarded(mail(&encoded), 5),
            found,
        ),
        (
            "message in the message, base64",
            mixed(&[message_part("base64", &base64(&plain(bad)))]),
            found,
        ),
        ("message attached as a file", whole(&mail(&encoded)), found),
        (
            "zip, stored",
            whole(&packed(Packed::Stored, "a.com", bad)),
            found,
        ),
        ("zip", whole(&zip), found),
        (
            "zip in quoted-printable",
            mixed(&[attached("quoted-printable", &quoted_printable(&zip))]),
            found,
        ),
        ("zip in uuencode", plain(&uuencode(&zip)), found),
        ("zip in a zip", whole(&zips(2)), found),
        ("zip in a zip, five times", whole(&zips(6)), found),
        ("gzip", whole(&gzip(bad)), found),
        ("tar", whole(&tar("a.com", bad)), found),
        ("tar.gz", whole(&gzip(&tar("a.com", bad))), found),
        ("zip in a tar.gz", whole(&gzip(&tar("a.zip", &zip))), found),
        (
            "zip in a message in a zip",
            whole(&packed(Packed::Deflated, "a.eml", &whole(&zip))),
            found,
        ),
        (
            "zip, encrypted",
            whole(&packed(Packed::Encrypted, "a.com", b"secret bytes")),
            "Unscanned (encrypted)",
        ),
        (
            "message in the message, forty times",
            forwarded(mail(&encoded), 40),
            found,
        ),
        (
            "zip in a zip, thirty times",
            whole(&zips(31)),
            "Unscanned (limit)",
        ),
    ];
    cases
        .into_iter()
        .map(|(name, message, expected)| (name.to_owned(), message, expected))
        .collect()
}
