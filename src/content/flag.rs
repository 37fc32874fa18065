//! What is odd about a file: facts with stable names for rules.
//!
//! A flag says what was found, never what to think of it. The names are part of the rule language and never change.

use super::Limit;

/// Defines [`FileFlag`] with the name of each variant, so that the two cannot drift apart.
macro_rules! flags {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Something odd about a file; rules ask for it by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum FileFlag {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl FileFlag {
            /// Every flag, in the order of declaration.
            pub const ALL: &'static [FileFlag] = &[$(FileFlag::$variant,)+];

            /// The name used in rules and explanations.
            pub fn name(self) -> &'static str {
                match self {
                    $(FileFlag::$variant => $name,)+
                }
            }

            /// One sentence on what was found, for explanations and documentation.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(FileFlag::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

flags! {
    /// The content is encrypted, or the list of files of an archive is.
    Encrypted = "encrypted",
    /// The content cannot be read as its format says.
    Damaged = "damaged",
    /// The content ends before its format says that it ends.
    Truncated = "truncated",
    /// The content is packed in a way that is recognised and not undone, as in RAR.
    Unopened = "unopened",
    /// Containers in containers beyond the limit `depth`; it was not opened.
    LimitDepth = "limit_depth",
    /// More files than the limit `files`; the rest of the container was left out.
    LimitFiles = "limit_files",
    /// The file is larger than the limit `file_bytes`; only its beginning was looked at.
    LimitFileBytes = "limit_file_bytes",
    /// The files of the message are larger than the limit `bytes`; the rest was left out.
    LimitBytes = "limit_bytes",
    /// The container gives out more than the limit `ratio` times its own size; the rest was left out.
    LimitRatio = "limit_ratio",
    /// A document holds more than is looked at in one; the rest was left out.
    LimitDocument = "limit_document",
    /// The time of the message ran out; the rest was left out.
    LimitTime = "limit_time",
    /// A name with the extension of a document and behind it that of a program.
    DoubleExtension = "double_extension",
    /// A name with a character that changes the direction of writing.
    NameDirection = "name_direction",
    /// A name with eight or more blanks in a row, or with characters that look like blanks.
    NameBlanks = "name_blanks",
    /// A name with NUL or another control character.
    NameControl = "name_control",
    /// A name that leads out of the folder that it is unpacked to.
    NameTraversal = "name_traversal",
    /// A name that is a path from the root of a disk.
    NameAbsolute = "name_absolute",
    /// A name of more than 255 bytes; its middle is left out.
    NameLong = "name_long",
    /// A name that is not written in the charset that it claims.
    NameCharset = "name_charset",
    /// Different names in different places of the message or archive: what one reader calls it another does not.
    NameConflict = "name_conflict",
    /// Two readings of the content: several transfer encodings are declared.
    EncodingConflict = "encoding_conflict",
    /// The size differs from the one that the archive gives.
    SizeConflict = "size_conflict",
    /// The declared type promises other content.
    TypeOtherThanContent = "type_other_than_content",
    /// The extension of the name promises other content.
    NameOtherThanContent = "name_other_than_content",
    /// An archive that stands behind other data, as in self-extracting programs.
    PrefixedData = "prefixed_data",
    /// Data follows behind the end of the container.
    TrailingData = "trailing_data",
    /// A file of one kind that is an archive at the same time.
    Polyglot = "polyglot",
    /// The archive holds it, and its list of files does not name it.
    Unlisted = "unlisted",
    /// Files of the archive share the same bytes, as in archives made to explode.
    Overlap = "overlap",
    /// A link to another file.
    Link = "link",
    /// The archive goes on in another file.
    Volume = "volume",
}

impl FileFlag {
    /// The limit that it tells of.
    pub fn limit(self) -> Option<Limit> {
        Limit::ALL.into_iter().find(|limit| limit.flag() == self)
    }
}

/// The flags of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileFlags(u64);

impl FileFlags {
    /// Adds one.
    pub(super) fn add(&mut self, flag: FileFlag) {
        self.0 |= 1 << (flag as u64);
    }

    /// Adds one where `found`.
    pub(super) fn add_if(&mut self, found: bool, flag: FileFlag) {
        if found {
            self.add(flag);
        }
    }

    /// Adds those of another.
    pub(super) fn merge(&mut self, others: FileFlags) {
        self.0 |= others.0;
    }

    /// Whether it is among them.
    pub fn has(self, flag: FileFlag) -> bool {
        self.0 & (1 << (flag as u64)) != 0
    }

    /// All of them, in the order of declaration.
    pub fn iter(self) -> impl Iterator<Item = FileFlag> {
        FileFlag::ALL.iter().copied().filter(move |m| self.has(*m))
    }
}

impl FromIterator<FileFlag> for FileFlags {
    fn from_iter<I: IntoIterator<Item = FileFlag>>(flags: I) -> FileFlags {
        let mut all = FileFlags::default();
        for flag in flags {
            all.add(flag);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_mark_has_a_meaning() {
        let names: HashSet<_> = FileFlag::ALL.iter().map(|m| m.name()).collect();
        assert_eq!(names.len(), FileFlag::ALL.len());
        assert!(FileFlag::ALL.len() <= 64);
        for flag in FileFlag::ALL {
            assert!(flag.meaning().ends_with('.'), "{}", flag.name());
            let all = FileFlags::from_iter([*flag]);
            assert_eq!(all.iter().collect::<Vec<_>>(), [*flag]);
        }
    }
}
