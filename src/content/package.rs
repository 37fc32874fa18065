//! ZIP archives that are one thing to their reader: Office and OpenDocument files, programs in Java and for Android,
//! books. Their parts are no attachments; only what has no business there is listed.

use super::name;
use crate::mail::extension;

/// A kind of package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Package {
    /// Office Open XML, OpenDocument, XPS, EPUB.
    Document,
    Jar,
    Apk,
}

impl Package {
    /// What an archive with files of these names is.
    pub(super) fn of<'n>(names: impl Iterator<Item = &'n [u8]>) -> Option<Package> {
        let mut found = None;
        for (number, name) in names.enumerate() {
            match name {
                b"AndroidManifest.xml" => return Some(Package::Apk),
                b"[Content_Types].xml" => found = Some(Package::Document),
                // OpenDocument and EPUB want it to be the first.
                b"mimetype" if number == 0 => found = Some(Package::Document),
                b"META-INF/MANIFEST.MF" if found.is_none() => found = Some(Package::Jar),
                _ => {}
            }
        }
        found
    }

    /// What the archive really is, where so far it is only known to be an archive.
    pub(super) fn refine(self, known: Option<&'static str>) -> Option<&'static str> {
        match self {
            Package::Jar if matches!(known, Some("zip")) => Some("jar"),
            Package::Apk if matches!(known, Some("zip" | "jar")) => Some("apk"),
            _ => known,
        }
    }

    /// Whether a part of that name belongs there. What is run, and archives in it, do not.
    pub(super) fn is_ordinary(self, written: &str) -> bool {
        let Some(extension) = extension(written) else {
            return true;
        };
        match self {
            // Programs hold programs, and archives of themselves.
            Package::Apk => true,
            Package::Jar => !matches!(
                extension.as_str(),
                "exe" | "scr" | "bat" | "cmd" | "ps1" | "vbs" | "hta"
            ),
            Package::Document => {
                !name::is_program(&extension)
                    && !matches!(extension.as_str(), "zip" | "rar" | "7z" | "cab" | "gz")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_by_their_parts() {
        let of = |names: &[&str]| Package::of(names.iter().map(|n| n.as_bytes()));
        assert_eq!(of(&["a.txt", "b.txt"]), None);
        assert_eq!(
            of(&["word/x.xml", "[Content_Types].xml"]),
            Some(Package::Document)
        );
        assert_eq!(of(&["mimetype", "content.xml"]), Some(Package::Document));
        assert_eq!(of(&["content.xml", "mimetype"]), None);
        assert_eq!(of(&["META-INF/MANIFEST.MF", "A.class"]), Some(Package::Jar));
        assert_eq!(
            of(&["META-INF/MANIFEST.MF", "AndroidManifest.xml"]),
            Some(Package::Apk)
        );
        assert!(Package::Document.is_ordinary("word/document.xml"));
        assert!(!Package::Document.is_ordinary("word/embeddings/run.exe"));
        assert_eq!(Package::Jar.refine(Some("zip")), Some("jar"));
        assert_eq!(Package::Document.refine(Some("docx")), Some("docx"));
    }
}
