//! References out of Office documents: whether they lead to a server, and whether a handler of the system gets them.

use super::examination::Examination;
use super::traits::Trait;

/// Schemes whose text is handed to a handler of Windows, in lower case.
const HANDLERS: &[&str] = &[
    "mhtml:",
    "ms-",
    "script:",
    "search-ms:",
    "search:",
    "javascript:",
    "vbscript:",
    "its:",
    "mk:",
    "x-usc:",
];
/// What makes a part of a web page out of a reference, which has been used to run scripts in it.
const MONIKERS: &[&str] = &["!x-usc:", "!script", ".html!", ".htm!"];

/// Whether a reference leads to a server that can be reached from outside: not to a file of the computer, nor to a
/// server that is known by a short name, as a company's own is.
pub(super) fn is_remote(reference: &str) -> bool {
    let reference = reference.trim().to_ascii_lowercase();
    if ["http://", "https://", "ftp://", "mhtml:"]
        .iter()
        .any(|s| reference.starts_with(s))
    {
        return true;
    }
    let path = reference.strip_prefix("file:").unwrap_or(&reference);
    let slashes = path.len() - path.trim_start_matches(['/', '\\']).len();
    let host = path
        .trim_start_matches(['/', '\\'])
        .split(['/', '\\'])
        .next()
        .unwrap_or_default();
    slashes >= 2 && (host.contains('.') || host.contains('@'))
}

/// Records a reference that a handler of the operating system is given.
pub(super) fn note_handler(reference: &str, examination: &mut Examination) {
    let reference = reference.trim().to_ascii_lowercase();
    if HANDLERS.iter().any(|h| reference.starts_with(h))
        || MONIKERS.iter().any(|m| reference.contains(m))
    {
        examination.note(Trait::ProtocolHandler);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Bounds;
    use super::*;

    #[test]
    fn servers_elsewhere_are_told_from_files() {
        for remote in [
            "http://a",
            "HTTPS://a.example",
            "\\\\1.2.3.4\\s",
            "file://a.example/x",
            "file:///\\\\a.example@80\\x",
            "mhtml:http://a!x",
        ] {
            assert!(is_remote(remote), "{remote}");
        }
        for near in [
            "file:///C:\\Users\\x.dotx",
            "C:\\x",
            "\\\\server\\share\\x.dotm",
            "file:///\\\\srv\\x",
            "x.dotx",
            "media/image1.png",
            "/word/x",
        ] {
            assert!(!is_remote(near), "{near}");
        }
    }

    #[test]
    fn handlers_are_known() {
        for (text, expected) in [
            ("ms-msdt:/id", true),
            ("http://a.example/x.html!", true),
            ("mhtml:https://a/x!x-usc:https://a/x", true),
            ("https://a.example/!x", false),
            ("mailto:a@b", false),
        ] {
            let mut examination = Examination::new(&Bounds::default());
            note_handler(text, &mut examination);
            assert_eq!(examination.has(Trait::ProtocolHandler), expected, "{text}");
        }
    }
}
