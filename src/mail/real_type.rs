//! What a part is by its content, whatever its name and its declared type say.
//!
//! The word is the usual extension of that kind of file: `exe`, `pdf`, `zip`, `docx`, `png`, ... Signatures
//! come from the `infer` library; beside it stand formats that matter in mail and that it does not know.
//! Only the beginning is looked at, so this takes microseconds. `None`: nothing known.

use super::{Part, PartKind};

/// How much of a text is searched for a beginning, bytes.
const TEXT_BYTES: usize = 1 << 10;
/// Where an ISO 9660 image names itself.
const ISO_AT: usize = 0x8001;

/// Signatures at the beginning of a file.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"\x4C\x00\x00\x00\x01\x14\x02\x00", "lnk"),
    (b"\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D", "one"),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "ole"),
    (b"ITSF", "chm"),
    (b"MSCF", "cab"),
    (b"\x60\xEA", "arj"),
    (b"**ACE**", "ace"),
    (b"!BDN", "pst"),
    (b"\x78\x9f\x3e\x22", "tnef"),
    (b"vhdxfile", "vhdx"),
    (b"conectix", "vhd"),
    (b"{\\rtf", "rtf"),
    (b"#!", "script"),
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
    ("<job", "wsf"),
    ("%!ps", "ps"),
];

impl Part {
    /// What the content is, as the usual extension of such files.
    pub fn real_type(&self) -> Option<&'static str> {
        if matches!(self.kind, PartKind::Multipart | PartKind::Message) {
            return None;
        }
        let content = self.content();
        let signed = SIGNATURES
            .iter()
            .find(|(signature, _)| content.starts_with(signature))
            .map(|(_, name)| *name);
        signed
            .or_else(|| infer::get(content).map(|kind| kind.extension()))
            .filter(|name| !matches!(*name, "html" | "xml"))
            .or_else(|| of_text(content))
            .or_else(|| {
                let name = content.get(ISO_AT..ISO_AT + 5)?;
                (name == b"CD001").then_some("iso")
            })
    }
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

    fn real_type(content: &[u8]) -> Option<&'static str> {
        let part = Part {
            kind: PartKind::Binary(content.to_vec()),
            ..Part::default()
        };
        part.real_type()
    }

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

    #[test]
    fn text_that_calls_itself_an_image_is_still_html() {
        let part = Part {
            content_type: "image/png".to_owned(),
            kind: PartKind::Html("<html><body>".to_owned()),
            ..Part::default()
        };
        assert_eq!(part.real_type(), Some("html"));
    }
}
