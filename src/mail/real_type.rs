//! What a file is by its content, whatever its name and its declared type say.
//!
//! The word is the usual extension of that kind of file: `exe`, `pdf`, `zip`, `docx`, `png`, ... Signatures
//! come from the `infer` library; beside it stand formats that matter in mail and that it does not know.
//! Only the beginning is looked at, so this takes microseconds. `None`: nothing known.

/// How much of a text is searched for a beginning, bytes.
const TEXT_BYTES: usize = 1 << 10;
/// Where an ISO 9660 image names itself.
const ISO_AT: usize = 0x8001;

/// Signatures at the beginning of a file, long enough that nothing else begins so.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"\x4C\x00\x00\x00\x01\x14\x02\x00", "lnk"),
    (b"\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D", "one"),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "ole"),
    (b"ITSF", "chm"),
    (b"MSCF", "cab"),
    (b"!BDN", "pst"),
    (b"\x78\x9f\x3e\x22", "tnef"),
    (b"vhdxfile", "vhdx"),
    (b"conectix", "vhd"),
    (b"{\\rtf", "rtf"),
    (b"Rar!\x1A\x07", "rar"),
    (b"MSWIM\x00\x00\x00", "wim"),
    (b"EGGA", "egg"),
    (b"ALZ\x01", "alz"),
    (b"KDMV", "vmdk"),
    (b"HSP\x01", "hlp"),
];

/// Signatures that other data may begin with by chance.
const SHORT_SIGNATURES: &[(&[u8], &str)] = &[
    (b"\x60\xEA", "arj"),
    (b"#!", "script"),
    (b"\x5D\x00\x00", "lzma"),
];

/// Words at the beginning of a text, in lower case, after white space and a byte order mark.
const BEGINNINGS: &[(&str, &str)] = &[
    ("<!doctype html", "html"),
    ("<html", "html"),
    ("<head", "html"),
    ("<body", "html"),
    ("<script", "html"),
    ("<svg", "svg"),
    ("begin:vcalendar", "ics"),
    ("begin:vcard", "vcf"),
    ("[internetshortcut]", "url"),
    ("[{000214a0-0000-0000-c000-000000000046}", "url"),
    ("<job", "wsf"),
    ("return-path:", "eml"),
    ("received:", "eml"),
    ("delivered-to:", "eml"),
    ("mime-version:", "eml"),
    ("message-id:", "eml"),
    ("%!ps", "ps"),
];

/// What the content is, as the usual extension of such files.
pub fn real_type(content: &[u8]) -> Option<&'static str> {
    let signed = signed(content, SIGNATURES).or_else(|| signed(content, SHORT_SIGNATURES));
    signed
        .or_else(|| infer::get(content).map(|kind| kind.extension()))
        .filter(|name| !matches!(*name, "html" | "xml"))
        // Two letters begin many a text.
        .filter(|name| *name != "exe" || content.iter().take(64).any(|b| *b == 0))
        .or_else(|| of_text(content))
        .or_else(|| of_image(content))
        .or_else(|| is_tar(content).then_some("tar"))
}

fn signed(content: &[u8], table: &[(&[u8], &'static str)]) -> Option<&'static str> {
    let mut fitting = table.iter().filter(|(s, _)| content.starts_with(s));
    fitting.next().map(|(_, name)| *name)
}

/// What the library does not know and nothing else can be: by a signature of four bytes or more, or by the name that an
/// ISO 9660 image gives itself.
pub(crate) fn certain_type(content: &[u8]) -> Option<&'static str> {
    signed(content, SIGNATURES).or_else(|| is_iso(content).then_some("iso"))
}

fn is_iso(content: &[u8]) -> bool {
    content.get(ISO_AT..ISO_AT + 5) == Some(b"CD001")
}

/// Images of disks, which name themselves far behind their beginning.
fn of_image(content: &[u8]) -> Option<&'static str> {
    let at = |place: usize, length: usize| content.get(place..place + length);
    if at(7, 7) == Some(b"**ACE**") {
        return Some("ace");
    }
    if at(2, 3) == Some(b"-lh") && at(6, 1) == Some(b"-") {
        return Some("lzh");
    }
    if is_iso(content) {
        return Some("iso");
    }
    if matches!(at(ISO_AT, 5), Some(b"BEA01" | b"NSR02" | b"NSR03")) {
        return Some("udf");
    }
    is_disk(content).then_some("img")
}

/// The start of a disk or of a volume that Windows mounts: the mark at the end of the first sector, and the fields of
/// FAT or a table of partitions that fits.
fn is_disk(content: &[u8]) -> bool {
    let Some(sector) = content.get(..512) else {
        return false;
    };
    if !sector.ends_with(&[0x55, 0xaa]) {
        return false;
    }
    let jumps = matches!(sector, [0xeb, _, 0x90, ..] | [0xe9, ..]);
    let fat = sector.get(54..57) == Some(b"FAT") || sector.get(82..85) == Some(b"FAT");
    let named = matches!(sector.get(3..7), Some(b"NTFS" | b"EXFA"));
    let table = sector.get(446..510).is_some_and(|table| {
        table
            .chunks(16)
            .all(|p| matches!(p.first(), Some(0 | 0x80)))
            && table
                .chunks(16)
                .any(|p| p.get(4).is_some_and(|kind| *kind != 0))
    });
    (jumps && (fat || named)) || (table && content.len() > 1 << 16)
}

/// Whether a tar header stands here: its check sum is right (POSIX ustar and the formats before it).
fn is_tar(content: &[u8]) -> bool {
    let Some(header) = content.get(..512) else {
        return false;
    };
    let Some(written) = header.get(148..156) else {
        return false;
    };
    let digits: Vec<u8> = written
        .iter()
        .copied()
        .skip_while(|b| *b == b' ')
        .take_while(|b| (b'0'..=b'7').contains(b))
        .collect();
    let written = digits
        .iter()
        .fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
    let field = |place: usize| (148..156).contains(&place);
    let sum: u32 = header
        .iter()
        .enumerate()
        .map(|(place, byte)| if field(place) { 32 } else { u32::from(*byte) })
        .sum();
    !digits.is_empty() && header.first() != Some(&0) && sum == written
}

fn of_text(content: &[u8]) -> Option<&'static str> {
    let beginning = content.get(..TEXT_BYTES).unwrap_or(content);
    let text = String::from_utf8_lossy(beginning).to_ascii_lowercase();
    let mut text = text.trim_start_matches('\u{feff}').trim_start();
    let is_xml = text.starts_with("<?xml");
    // The XML declaration, comments and the document type stand before what matters.
    loop {
        let end = match text {
            t if t.starts_with("<?") => t.find("?>").map(|i| i + 2),
            t if t.starts_with("<!--") => t.find("-->").map(|i| i + 3),
            t if t.starts_with("<!doctype svg") => t.find('>').map(|i| i + 1),
            _ => None,
        };
        match end.and_then(|end| text.get(end..)) {
            Some(rest) => text = rest.trim_start(),
            None => break,
        }
    }
    BEGINNINGS
        .iter()
        .find(|(word, _)| text.starts_with(word))
        .map(|(_, name)| *name)
        .or(is_xml.then_some("xml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_what_a_file_is() {
        let mut iso = vec![0; ISO_AT];
        iso.extend_from_slice(b"CD001\x01");
        for (content, expected) in [
            (&b"MZ\x90\x00\x03\x00\x00\x00"[..], Some("exe")),
            (b"%PDF-1.7\n", Some("pdf")),
            (b"PK\x03\x04\x14\x00\x00\x00\x08\x00", Some("zip")),
            (b"\x89PNG\r\n\x1a\n\x00\x00", Some("png")),
            (b"\x4C\x00\x00\x00\x01\x14\x02\x00\x00", Some("lnk")),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\x00", Some("ole")),
            (b"{\\rtf1\\ansi", Some("rtf")),
            (b"\xEF\xBB\xBF\n <!DOCTYPE HTML><p>", Some("html")),
            (
                b"<?xml version='1.0'?>\n<!-- x --> <SVG onload=''>",
                Some("svg"),
            ),
            (b"<?xml version='1.0'?><a/>", Some("xml")),
            (b"Begin:VCalendar\r\n", Some("ics")),
            (&iso, Some("iso")),
            (b"just some text", None),
            (b"", None),
        ] {
            assert_eq!(
                real_type(content),
                expected,
                "{:?}",
                content.get(..20.min(content.len()))
            );
        }
    }
}
