//! What the name or the declared type of a file promises of its content.
//!
//! Only promises that ordinary senders keep are here: a `.doc` that is RTF or HTML is common and says
//! nothing, a `.pdf` that is a program does.

/// What content a name or type promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim(&'static [&'static str]);

impl Claim {
    /// Whether content of that real type breaks the promise.
    pub(crate) fn excludes(self, real: &str) -> bool {
        !self.0.contains(&real)
    }
}

const OFFICE: &[&str] = &[
    "ole", "doc", "xls", "ppt", "docx", "xlsx", "pptx", "rtf", "html", "xml", "zip",
];
const ZIP: &[&str] = &[
    "zip", "docx", "xlsx", "pptx", "odt", "ods", "odp", "epub", "jar", "apk", "crx",
];

/// Extensions, the type that declares the same, and the real types that keep the promise.
const CLAIMS: &[(&[&str], &str, Claim)] = &[
    (&["pdf"], "application/pdf", Claim(&["pdf"])),
    (&["jpg", "jpeg"], "image/jpeg", Claim(&["jpg"])),
    (&["png"], "image/png", Claim(&["png"])),
    (&["gif"], "image/gif", Claim(&["gif"])),
    (&["tif", "tiff"], "image/tiff", Claim(&["tif"])),
    (&["bmp"], "image/bmp", Claim(&["bmp"])),
    (&["webp"], "image/webp", Claim(&["webp"])),
    (&["txt", "log", "csv"], "text/plain", Claim(&["xml", "eml"])),
    (&["doc", "dot"], "application/msword", Claim(OFFICE)),
    (&["xls"], "application/vnd.ms-excel", Claim(OFFICE)),
    (&["ppt"], "application/vnd.ms-powerpoint", Claim(OFFICE)),
    (
        &["docx"],
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Claim(&["docx", "zip", "ole"]),
    ),
    (
        &["xlsx"],
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Claim(&["xlsx", "zip", "ole"]),
    ),
    (
        &["pptx"],
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        Claim(&["pptx", "zip", "ole"]),
    ),
    (&["zip"], "application/zip", Claim(ZIP)),
    (&["mp3"], "audio/mpeg", Claim(&["mp3"])),
    (&["mp4"], "video/mp4", Claim(&["mp4", "m4v", "m4a", "mov"])),
    (&["ics"], "text/calendar", Claim(&["ics"])),
];

/// What an extension in lower case promises; `None` when nothing is known of it.
pub(crate) fn of_extension(extension: &str) -> Option<Claim> {
    CLAIMS
        .iter()
        .find(|(extensions, ..)| extensions.contains(&extension))
        .map(|(.., claim)| *claim)
}

/// What a declared type promises.
pub(crate) fn of_type(content_type: &str) -> Option<Claim> {
    CLAIMS
        .iter()
        .find(|(_, declared, _)| *declared == content_type)
        .map(|(.., claim)| *claim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_broken_by_other_content_only() {
        for (extension, real, broken) in [
            ("pdf", "exe", true),
            ("pdf", "pdf", false),
            ("jpeg", "jpg", false),
            ("png", "svg", true),
            ("doc", "rtf", false),
            ("doc", "exe", true),
            ("docx", "ole", false),
            ("txt", "html", true),
            ("zip", "rar", true),
        ] {
            let claim = of_extension(extension).unwrap();
            assert_eq!(claim.excludes(real), broken, "{extension} is {real}");
        }
        assert_eq!(of_extension("dat"), None);
        assert!(of_type("image/jpeg").unwrap().excludes("html"));
    }
}
