//! The entries of a PDF dictionary that matter here, kept while it is read.

use super::encryption::{Method, Protection};
use super::filter::{Filter, Predictor};

/// Filters that are kept of one stream.
const FILTERS: usize = 8;

/// The kind of a dictionary by its `Type` or `Subtype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A stream that holds objects.
    Objects,
    EmbeddedFile,
    Page,
    /// Anything else that says what it is.
    Other,
}

/// What an action does (`S`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    GoTo,
    /// To another document.
    GoToRemote,
    GoToEmbedded,
    Launch,
    JavaScript,
    SubmitForm,
    ImportData,
    /// What shows or plays something, or names a style: harmless.
    Other,
}

/// A value of a dictionary, as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Name(Vec<u8>),
    Text(Vec<u8>),
    Number(i64),
    /// The number of another object.
    Reference(u32),
    False,
    /// A dictionary or a list began.
    Nested,
}

/// What is known of one dictionary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dictionary {
    pub(super) kind: Option<Kind>,
    pub(super) action: Option<Action>,
    pub(super) filters: Vec<Filter>,
    pub(super) predictor: Predictor,
    pub(super) length: Option<usize>,
    /// Where the first object of an object stream begins.
    pub(super) first: Option<usize>,
    /// The file name, or the target of an action (`UF` before `F`).
    pub(super) file: Option<String>,
    /// The object that holds an embedded file (`EF`).
    pub(super) embedded: Option<u32>,
    /// The object with the script of an action (`JS`).
    pub(super) script: Option<u32>,
    /// What an encryption dictionary says, as far as this looks like one.
    pub(super) protection: Option<Box<Protection>>,
    /// The identifier of the file, in a trailer.
    pub(super) identifier: Option<Vec<u8>>,
    unicode: bool,
}

impl Dictionary {
    /// Takes notice of one entry, as far as it is about the dictionary itself.
    pub(super) fn set(&mut self, key: &[u8], value: &Value) {
        match (key, value) {
            (b"Type", Value::Name(name)) => {
                self.kind = Some(match name.as_slice() {
                    b"ObjStm" => Kind::Objects,
                    b"EmbeddedFile" => Kind::EmbeddedFile,
                    b"Page" => Kind::Page,
                    _ => Kind::Other,
                });
            }
            (b"Subtype", Value::Name(_)) => {
                self.kind.get_or_insert(Kind::Other);
            }
            (b"S", Value::Name(name)) => {
                self.action = Some(match name.as_slice() {
                    b"GoTo" => Action::GoTo,
                    b"GoToR" => Action::GoToRemote,
                    b"GoToE" => Action::GoToEmbedded,
                    b"Launch" => Action::Launch,
                    b"JavaScript" => Action::JavaScript,
                    b"SubmitForm" => Action::SubmitForm,
                    b"ImportData" => Action::ImportData,
                    _ => Action::Other,
                });
            }
            (b"Filter", Value::Name(name)) if self.filters.len() < FILTERS => {
                self.filters.push(Filter::named(name));
            }
            (b"Length", Value::Number(length)) => self.length = usize::try_from(*length).ok(),
            (b"First", Value::Number(first)) => self.first = usize::try_from(*first).ok(),
            (b"F" | b"UF", Value::Text(text)) if !self.unicode => {
                self.unicode = key == b"UF";
                self.file = Some(decode_text(text));
            }
            (b"F" | b"UF", Value::Reference(object)) => {
                self.embedded.get_or_insert(*object);
            }
            (b"JS", Value::Reference(object)) => self.script = Some(*object),
            (b"Predictor", Value::Number(n)) => {
                self.predictor.kind = usize::try_from(*n).unwrap_or(0);
            }
            (b"Columns", Value::Number(n)) => self.predictor.columns = usize::try_from(*n).ok(),
            (b"Colors", Value::Number(n)) => self.predictor.colors = usize::try_from(*n).ok(),
            (b"BitsPerComponent", Value::Number(n)) => {
                self.predictor.bits = usize::try_from(*n).ok();
            }
            (b"ID", Value::Text(text)) => {
                self.identifier.get_or_insert_with(|| text.clone());
            }
            _ => self.protect(key, value),
        }
    }

    /// Takes notice of an entry that an encryption dictionary has.
    fn protect(&mut self, key: &[u8], value: &Value) {
        let mut known =
            |set: &dyn Fn(&mut Protection)| set(self.protection.get_or_insert_default());
        match (key, value) {
            (b"O", Value::Text(text)) => known(&|p| p.owner.clone_from(text)),
            (b"U", Value::Text(text)) => known(&|p| p.user.clone_from(text)),
            (b"UE", Value::Text(text)) => known(&|p| p.user_key.clone_from(text)),
            (b"V", Value::Number(n)) => known(&|p| p.version = *n),
            (b"R", Value::Number(n)) => known(&|p| p.revision = *n),
            (b"P", Value::Number(n)) => known(&|p| p.permissions = *n),
            (b"EncryptMetadata", Value::False) => known(&|p| p.plain_metadata = true),
            (b"CFM", Value::Name(name)) => {
                let method = match name.as_slice() {
                    b"AESV2" => Method::Aes128,
                    b"AESV3" => Method::Aes256,
                    _ => Method::Rc4,
                };
                known(&|p| p.method = Some(method));
            }
            _ => {}
        }
    }

    /// Takes what a dictionary within this one says about it.
    pub(super) fn absorb(&mut self, key: &[u8], inner: &Dictionary) {
        let method = inner.protection.as_ref().and_then(|p| p.method);
        if method.is_some() {
            self.protection.get_or_insert_default().method = method;
        }
        match key {
            b"DecodeParms" | b"DP" if inner.predictor.kind > 1 => self.predictor = inner.predictor,
            b"EF" => self.embedded = inner.embedded,
            // A file specification in place of a name; `Win` holds the program of a launch action.
            b"F" | b"Win" if self.file.is_none() => self.file.clone_from(&inner.file),
            _ => {}
        }
    }
}

impl Dictionary {
    /// The encryption of a file, if this dictionary is about that.
    pub(super) fn encryption(&self) -> Option<Protection> {
        let protection = self.protection.as_deref()?;
        let is_one = protection.owner.len() >= 32 && protection.user.len() >= 32;
        is_one.then(|| Protection {
            bits: self.length,
            ..protection.clone()
        })
    }
}

/// A text string: UTF-16 or UTF-8 with its mark, else one byte a character.
pub(super) fn decode_text(text: &[u8]) -> String {
    match text {
        [0xfe, 0xff, rest @ ..] => encoding_rs::UTF_16BE
            .decode_without_bom_handling(rest)
            .0
            .into_owned(),
        [0xff, 0xfe, rest @ ..] => encoding_rs::UTF_16LE
            .decode_without_bom_handling(rest)
            .0
            .into_owned(),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => encoding_rs::WINDOWS_1252
            .decode_without_bom_handling(text)
            .0
            .into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_strings_are_decoded_by_their_mark() {
        for (text, expected) in [
            (&b"plain"[..], "plain"),
            (b"\xfe\xff\0a\x20\xac", "a\u{20ac}"),
            (b"\xff\xfea\0", "a"),
            (b"\xef\xbb\xbf\xc3\xa4", "\u{e4}"),
            (b"\xe4", "\u{e4}"),
        ] {
            assert_eq!(decode_text(text), expected);
        }
    }
}
