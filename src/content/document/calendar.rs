//! Appointments (RFC 5545) and business cards (RFC 6350): what they want, where they lead, what is attached.
//!
//! In: the bytes of a file. Lines are unfolded; a property is a name, parameters and a value.

use data_encoding::BASE64_MIME_PERMISSIVE;

use super::examination::Examination;
use super::html;
use super::traits::Trait;

/// Examines a file.
pub(super) fn examine(bytes: &[u8], examination: &mut Examination) {
    let text = html::decode(bytes);
    let unfolded = unfold(&text);
    for line in unfolded.lines() {
        let Some((head, value)) = property(line) else {
            continue;
        };
        let mut parameters = head.split(';');
        let name = parameters.next().unwrap_or_default().to_ascii_uppercase();
        match name.as_str() {
            "METHOD" if value.trim().eq_ignore_ascii_case("request") => {
                examination.note(Trait::CalendarRequest)
            }
            "ACTION" if value.trim().eq_ignore_ascii_case("procedure") => {
                examination.note(Trait::CalendarProgram)
            }
            "ATTACH" => {
                examination.note(Trait::CalendarAttachment);
                attachment(parameters, value, examination);
            }
            "URL" | "SOURCE" => examination.url(value),
            "PHOTO" | "LOGO" | "KEY" => {}
            _ => examination.urls_in(&value.replace("\\n", "\n").replace("\\,", ",")),
        }
    }
}

/// Lines that begin with a blank go on with the line before.
fn unfold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        match line.strip_prefix([' ', '\t']) {
            Some(more) => out.push_str(more),
            None => {
                out.push('\n');
                out.push_str(line);
            }
        }
    }
    out
}

/// Name with parameters, and value, parted by the first colon that is in no quotes.
fn property(line: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = line.find(|c| {
        quoted ^= c == '"';
        c == ':' && !quoted
    })?;
    Some((line.get(..at)?, line.get(at + 1..)?))
}

fn attachment<'a>(
    parameters: impl Iterator<Item = &'a str>,
    value: &str,
    examination: &mut Examination,
) {
    let mut name = "";
    let mut inline = false;
    for parameter in parameters {
        let Some((key, value)) = parameter.split_once('=') else {
            continue;
        };
        let value = value.trim_matches('"');
        match key.to_ascii_uppercase().as_str() {
            "X-FILENAME" | "FILENAME" | "X-ORACLE-FILENAME" | "X-APPLE-FILENAME" => name = value,
            "ENCODING" => inline |= value.eq_ignore_ascii_case("base64"),
            _ => {}
        }
    }
    if !inline {
        if !value.to_ascii_lowercase().starts_with("cid:") {
            examination.url(value);
        }
        return;
    }
    let size = examination.spend(value.len());
    let decoded = BASE64_MIME_PERMISSIVE.decode(value.as_bytes().get(..size).unwrap_or_default());
    examination.file(name, decoded.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, examine as examine_any};
    use super::*;

    #[test]
    fn appointments_are_read() {
        let text = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nDESCRIPTION:see http://a.exa\r\n mple/x\\nnext\r\n\
                    ATTACH;FMTTYPE=application/pdf:https://b.example/y.pdf\r\n\
                    ATTACH;X-FILENAME=\"a:b.exe\";ENCODING=BASE64;VALUE=BINARY:TVog\r\n Y29u\r\nATTACH:CID:1@x\r\n\
                    BEGIN:VALARM\r\nACTION:PROCEDURE\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let findings = examine_any("ics", "a.ics", text.as_bytes(), &Bounds::default());
        use Trait::*;
        assert!(
            findings
                .traits
                .iter()
                .eq(&[CalendarRequest, CalendarAttachment, CalendarProgram])
        );
        assert_eq!(
            findings.urls,
            ["http://a.example/x", "https://b.example/y.pdf"]
        );
        assert_eq!(findings.files.len(), 1);
        assert_eq!(
            (
                findings.files[0].name.as_str(),
                &findings.files[0].bytes[..]
            ),
            ("a:b.exe", &b"MZ con"[..])
        );
        let card = examine_any(
            "vcf",
            "",
            b"BEGIN:VCARD\nURL:http://a.example\nEND:VCARD",
            &Bounds::default(),
        );
        assert!(card.traits.is_empty());
        assert_eq!(card.urls, ["http://a.example"]);
    }
}
