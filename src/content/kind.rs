//! Kinds of containers: what is opened, and how it is recognised.

use crate::mail::extension;

/// A kind of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// ZIP, and what is built on it: JAR, APK, OOXML, OpenDocument, EPUB.
    Zip,
    /// gzip (RFC 1952)
    Gzip,
    /// bzip2
    Bzip2,
    /// xz
    Xz,
    /// The format of LZMA utils before xz.
    Lzma,
    /// lzip
    Lzip,
    /// Zstandard (RFC 8878)
    Zstd,
    /// tar
    Tar,
    /// 7z
    SevenZip,
    /// RAR of versions 4 and 5; listed, stored files read.
    Rar,
    /// ISO 9660, with Joliet.
    Iso,
    /// An image of a FAT volume, or of a disk with one.
    Fat,
    /// Windows cabinet.
    Cab,
    /// `winmail.dat`
    Tnef,
    /// A message in a file.
    Message,
    /// A document that holds files: Office, PDF, OneNote.
    Document,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 16] = [
        Kind::Zip,
        Kind::Gzip,
        Kind::Bzip2,
        Kind::Xz,
        Kind::Lzma,
        Kind::Lzip,
        Kind::Zstd,
        Kind::Tar,
        Kind::SevenZip,
        Kind::Rar,
        Kind::Iso,
        Kind::Fat,
        Kind::Cab,
        Kind::Tnef,
        Kind::Message,
        Kind::Document,
    ];

    /// The word used in rules and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Zip => "zip",
            Kind::Gzip => "gzip",
            Kind::Bzip2 => "bzip2",
            Kind::Xz => "xz",
            Kind::Lzma => "lzma",
            Kind::Lzip => "lzip",
            Kind::Zstd => "zstd",
            Kind::Tar => "tar",
            Kind::SevenZip => "7z",
            Kind::Rar => "rar",
            Kind::Iso => "iso",
            Kind::Fat => "fat",
            Kind::Cab => "cab",
            Kind::Tnef => "tnef",
            Kind::Message => "message",
            Kind::Document => "document",
        }
    }

    /// How a file is to be opened, by what it is; its name decides only where content says nothing.
    pub(super) fn of(real: Option<&str>, name: &str) -> Option<Kind> {
        Some(match real {
            Some(
                "zip" | "docx" | "xlsx" | "pptx" | "odt" | "ods" | "odp" | "epub" | "jar" | "apk",
            ) => Kind::Zip,
            Some("gz") => Kind::Gzip,
            Some("bz2") => Kind::Bzip2,
            Some("xz") => Kind::Xz,
            Some("lzma") => Kind::Lzma,
            Some("lz") => Kind::Lzip,
            Some("zst") => Kind::Zstd,
            Some("tar") => Kind::Tar,
            Some("7z") => Kind::SevenZip,
            Some("rar") => Kind::Rar,
            Some("iso") => Kind::Iso,
            Some("img") => Kind::Fat,
            Some("cab") => Kind::Cab,
            Some("tnef") => Kind::Tnef,
            Some("eml") => Kind::Message,
            None if matches!(extension(name)?.as_str(), "eml" | "mht" | "mhtml" | "nws") => {
                Kind::Message
            }
            _ => return None,
        })
    }
}
