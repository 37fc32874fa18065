//! What is damaged, ambiguous or odd about a message: facts with stable names for rules to score.
//!
//! A flag says what was found, never what to think of it. Names start with `header.` (fields of the
//! message itself) or `mime.` (structure, encodings, file names); they are part of the rule language
//! and never change.

/// Defines [`Flag`] with the name of each variant, so that the two cannot drift apart.
macro_rules! flags {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Damage or oddity of structure; rules score them by their names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Flag {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Flag {
            /// Every flag, in the order of declaration.
            pub const ALL: &'static [Flag] = &[$(Flag::$variant,)+];

            /// The name used in rules and explanations, `mime.too_deep`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Flag::$variant => $name,)+
                }
            }

            /// One sentence on what was found, for explanations and documentation.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Flag::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

flags! {
    /// There is no header field at all.
    NoHeader = "header.none",
    /// A line that is no header field ended the header before an empty line.
    BrokenHeaderLine = "header.broken_line",
    /// More header fields than `Limits::fields`; later ones are left out.
    TooManyFields = "header.too_many_fields",
    /// A field name is followed by white space before the colon.
    SpaceBeforeColon = "header.space_before_colon",
    /// A header field holds bytes above 127 without an encoded word.
    EightBitHeader = "header.eight_bit",
    /// A header field holds a NUL byte.
    NulInHeader = "header.nul",
    /// A header field holds a carriage return that is not part of a line end.
    BareCrInHeader = "header.bare_cr",
    /// An encoded word (RFC 2047) cannot be decoded as written.
    DamagedEncodedWord = "header.damaged_encoded_word",
    /// An encoded word names a charset that nobody knows.
    UnknownHeaderCharset = "header.unknown_charset",
    /// Several From fields.
    SeveralFrom = "header.several_from",
    /// One From field with several mailboxes.
    SeveralFromAddresses = "header.several_from_addresses",
    /// Several Sender fields.
    SeveralSender = "header.several_sender",
    /// Several Reply-To fields.
    SeveralReplyTo = "header.several_reply_to",
    /// Several To fields.
    SeveralTo = "header.several_to",
    /// Several Cc fields.
    SeveralCc = "header.several_cc",
    /// Several Subject fields.
    SeveralSubject = "header.several_subject",
    /// Several Date fields.
    SeveralDate = "header.several_date",
    /// Several Message-ID fields.
    SeveralMessageId = "header.several_message_id",
    /// More containers in containers than `Limits::depth`; what lies deeper is not taken apart.
    TooDeep = "mime.too_deep",
    /// More parts than `Limits::parts`; later ones are left out.
    TooManyParts = "mime.too_many_parts",
    /// More text than `Limits::text_bytes`; the rest is left out.
    TextTruncated = "mime.text_truncated",
    /// More URLs than `Limits::urls`; later ones are left out.
    UrlsTruncated = "mime.urls_truncated",
    /// A Content field is longer than 16 KiB; only its beginning was read.
    LongContentField = "mime.long_content_field",
    /// A part has several Content-Type fields.
    SeveralContentTypes = "mime.several_content_types",
    /// A part has several Content-Transfer-Encoding fields.
    SeveralTransferEncodings = "mime.several_transfer_encodings",
    /// A part has several Content-Disposition fields.
    SeveralDispositions = "mime.several_dispositions",
    /// A Content-Type field cannot be read as `type/subtype`.
    BadContentType = "mime.bad_content_type",
    /// A multipart declares different boundaries; parts of every reading were taken.
    SeveralBoundaries = "mime.several_boundaries",
    /// A multipart declares no boundary.
    NoBoundary = "mime.no_boundary",
    /// The boundary of a multipart never occurs in it.
    BoundaryNeverOccurs = "mime.boundary_never_occurs",
    /// A multipart ends without its final boundary.
    NoFinalBoundary = "mime.no_final_boundary",
    /// A boundary line goes on behind the boundary, so that not all clients take it for one.
    LooseBoundary = "mime.loose_boundary",
    /// A part follows after the final boundary of its multipart.
    PartAfterEnd = "mime.part_after_end",
    /// The header of a part is ended by a line that is no header field.
    BrokenPartHeader = "mime.broken_part_header",
    /// A multipart declares base64, quoted-printable or an unknown transfer encoding.
    EncodedMultipart = "mime.encoded_multipart",
    /// An attached message is base64 or quoted-printable encoded, which RFC 2046 forbids.
    EncodedMessage = "mime.encoded_message",
    /// A fragment of a message (message/partial), which no filter can judge alone.
    PartialMessage = "mime.partial_message",
    /// A reference to content elsewhere (message/external-body).
    ExternalBody = "mime.external_body",
    /// A transfer encoding that nobody knows; the content was taken as it stands.
    UnknownTransferEncoding = "mime.unknown_transfer_encoding",
    /// Base64 with foreign characters, data after its padding, or an incomplete end.
    DamagedBase64 = "mime.damaged_base64",
    /// Quoted-printable with an escape that is none.
    DamagedQuotedPrintable = "mime.damaged_quoted_printable",
    /// A uuencoded part cannot be decoded to its end.
    DamagedUuencode = "mime.damaged_uuencode",
    /// A text part names a charset that nobody knows.
    UnknownCharset = "mime.unknown_charset",
    /// A text part holds bytes that its charset does not have.
    DamagedCharset = "mime.damaged_charset",
    /// The message holds NUL bytes.
    Nul = "mime.nul",
    /// A carriage return stands alone.
    BareCr = "mime.bare_cr",
    /// A line feed stands alone in a message whose lines end with CRLF.
    BareLf = "mime.bare_lf",
    /// A part has different file names in Content-Disposition and Content-Type, or several in one.
    NameConflict = "mime.name_conflict",
    /// A file name holds a character that changes the direction of writing.
    NameDirection = "mime.name_direction",
    /// A file name holds NUL or another control character.
    NameControl = "mime.name_control",
}

/// The flags found so far, each once.
#[derive(Debug, Default)]
pub(super) struct Flags(Vec<Flag>);

impl Flags {
    /// Notes `flag`.
    pub(super) fn set(&mut self, flag: Flag) {
        if !self.0.contains(&flag) {
            self.0.push(flag);
        }
    }

    /// All noted flags, sorted.
    pub(super) fn into_sorted(mut self) -> Vec<Flag> {
        self.0.sort_unstable();
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_well_formed() {
        let names: HashSet<_> = Flag::ALL.iter().map(|f| f.name()).collect();
        assert_eq!(names.len(), Flag::ALL.len());
        for flag in Flag::ALL {
            let (space, rest) = flag.name().split_once('.').unwrap();
            assert!(matches!(space, "header" | "mime"), "{}", flag.name());
            assert!(
                rest.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            );
            assert!(flag.meaning().ends_with('.'), "{}", flag.meaning());
        }
    }

    #[test]
    fn a_flag_is_kept_once_and_sorted() {
        let mut flags = Flags::default();
        flags.set(Flag::Nul);
        flags.set(Flag::NoHeader);
        flags.set(Flag::Nul);
        assert_eq!(flags.into_sorted(), [Flag::NoHeader, Flag::Nul]);
    }
}
