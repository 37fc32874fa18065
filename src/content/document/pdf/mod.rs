//! PDF (ISO 32000): actions, scripts, links, embedded files.
//!
//! In: the bytes of a file. The reader goes through all objects from the first byte to the last and looks neither at
//! the cross-reference table nor at which objects are in use: viewers repair both in their own ways. Object streams
//! are opened, other streams only where they are embedded files or scripts. A length is used only where
//! `endstream` stands behind it.

mod dictionary;
mod encryption;
mod filter;
mod lexer;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;

use super::examination::Examination;
use super::traits::Trait;
use dictionary::{Action, Dictionary, Kind, Value, decode_text};
use encryption::{Key, Protection};
use lexer::{Lexer, Token};
use walk::Walk;

/// Where a viewer still looks for the header, bytes.
const HEADER_BYTES: usize = 1024;
/// Streams that are remembered until it is known what they are for, and objects that are places on pages.
const REMEMBERED: usize = 65_536;

/// Examines a PDF file.
pub(super) fn examine(bytes: &[u8], examination: &mut Examination) {
    let beginning = bytes.get(..HEADER_BYTES).unwrap_or(bytes);
    let Some(header) = memmem::find(beginning, b"%PDF-") else {
        return;
    };
    let before = beginning.get(..header).unwrap_or_default();
    let before = before.strip_prefix(b"\xef\xbb\xbf").unwrap_or(before);
    if !before.trim_ascii().is_empty() {
        examination.note(Trait::PdfHeaderMoved);
    }
    let mut file = File::new(bytes, examination);
    file.read(bytes, None);
    if !file.encrypted {
        file.conclude();
        return;
    }
    let protection = file.protection.take();
    let identifier = std::mem::take(&mut file.identifier);
    let open = |password: &str| protection.as_ref()?.open(&identifier, password);
    let empty = open("");
    let (known, passwords) = (empty.is_some(), file.examination.passwords());
    match empty.or_else(|| passwords.iter().find_map(|word| open(word))) {
        Some(key) => {
            if known {
                examination.note(Trait::PdfEmptyPassword);
            } else {
                examination.note(Trait::Encrypted);
                examination.note(Trait::PasswordGiven);
            }
            let mut file = File::new(bytes, examination);
            file.key = Some(key);
            file.read(bytes, None);
            file.conclude();
        }
        None => {
            file.examination.note(Trait::Encrypted);
            // What reads like links is not what they are.
            file.links.clear();
            file.conclude();
        }
    }
}

/// A stream that may turn out to be an embedded file or a script.
struct Stream {
    generation: u16,
    start: usize,
    end: usize,
    dictionary: Dictionary,
}

/// A file while it is read.
struct File<'a, 'e> {
    bytes: &'a [u8],
    examination: &'e mut Examination,
    streams: BTreeMap<u32, Stream>,
    /// Whether there were more streams than are remembered.
    forgotten: bool,
    /// Objects that are places on pages, where opening is harmless.
    places: BTreeSet<u32>,
    /// Which objects are run when the file is opened.
    opened: Vec<u32>,
    names: BTreeMap<u32, String>,
    scripts: BTreeSet<u32>,
    links: Vec<String>,
    pages: usize,
    objects: usize,
    encrypted: bool,
    protection: Option<Protection>,
    identifier: Vec<u8>,
    /// What decrypts texts and streams.
    key: Option<Key>,
}

impl<'a, 'e> File<'a, 'e> {
    fn new(bytes: &'a [u8], examination: &'e mut Examination) -> File<'a, 'e> {
        File {
            bytes,
            examination,
            streams: BTreeMap::new(),
            forgotten: false,
            places: BTreeSet::new(),
            opened: Vec::new(),
            names: BTreeMap::new(),
            scripts: BTreeSet::new(),
            links: Vec::new(),
            pages: 0,
            objects: 0,
            encrypted: false,
            protection: None,
            identifier: Vec::new(),
            key: None,
        }
    }

    /// Reads the objects of the file itself, or of an object stream with its table.
    fn read(&mut self, data: &[u8], table: Option<&Table>) {
        let mut walk = Walk::new(table.is_some());
        let mut lexer = Lexer::new(data);
        let mut streams_end = true;
        while let Some(token) = lexer.next() {
            if let Some(table) = table.filter(|_| walk.frames.is_empty()) {
                walk.object = table.object_at(lexer.at());
            }
            match token {
                Token::Number(number) => walk.number(self, number),
                Token::Word(b"R") => walk.reference(self),
                Token::Word(word) if word.starts_with(b"obj") => {
                    self.objects += 1;
                    walk.begin(self);
                }
                Token::Word(b"stream") if table.is_none() => {
                    walk.flush(self);
                    if let Some(dictionary) = walk.last.take().filter(|_| streams_end) {
                        match extent(data, lexer.at(), dictionary.length) {
                            Some((start, end)) => {
                                lexer.skip_to(end);
                                let stream = Stream {
                                    generation: walk.generation,
                                    start,
                                    end,
                                    dictionary,
                                };
                                self.stream(walk.object, stream);
                            }
                            // None to be found from here on, so none is looked for again.
                            None => streams_end = false,
                        }
                    }
                }
                other => walk.token(self, other),
            }
        }
        walk.begin(self);
        if lexer.gave_up() {
            self.examination.limit();
        }
    }

    fn stream(&mut self, object: Option<u32>, stream: Stream) {
        match stream.dictionary.kind {
            Some(Kind::Objects) => {
                if let Some(content) = self.content(object, &stream) {
                    let table = Table::read(&content, stream.dictionary.first.unwrap_or(0));
                    self.read(&content, Some(&table));
                }
            }
            None | Some(Kind::EmbeddedFile) => {
                let Some(object) = object else { return };
                if self.streams.len() >= REMEMBERED {
                    self.forgotten = true;
                    return;
                }
                self.streams.insert(object, stream);
            }
            Some(Kind::Page | Kind::Other) => {}
        }
    }

    /// The content of a stream, decrypted and unpacked.
    fn content(&mut self, object: Option<u32>, stream: &Stream) -> Option<Vec<u8>> {
        let raw = self.bytes.get(stream.start..stream.end).unwrap_or_default();
        let Dictionary {
            filters, predictor, ..
        } = &stream.dictionary;
        match (&self.key, object) {
            (Some(key), Some(object)) => {
                let granted = self.examination.spend(raw.len());
                let raw = raw.get(..granted).unwrap_or_default();
                let plain = key.decrypt(object, stream.generation, raw);
                filter::decode(&plain, filters, *predictor, self.examination)
            }
            _ => filter::decode(raw, filters, *predictor, self.examination),
        }
    }

    /// Takes notice of one entry of a dictionary.
    fn entry(&mut self, key: &[u8], value: &Value) {
        match (key, value) {
            (b"JS" | b"JavaScript", _) => {
                self.examination.note(Trait::PdfJavaScript);
                match value {
                    Value::Text(text) => self.examination.urls_in(&decode_text(text)),
                    Value::Reference(object) if key == b"JS" && self.examination.entry() => {
                        self.scripts.insert(*object);
                    }
                    _ => {}
                }
            }
            (b"AA", Value::Nested | Value::Reference(_)) => {
                self.examination.note(Trait::PdfAdditionalActions);
            }
            (b"OpenAction", Value::Reference(object)) if self.examination.entry() => {
                self.opened.push(*object);
            }
            (b"URI", Value::Text(text)) => {
                self.examination.note(Trait::PdfUri);
                if self.links.len() < REMEMBERED {
                    self.links.push(decode_text(text));
                }
            }
            (b"XFA", _) => self.examination.note(Trait::PdfXfa),
            (b"Encrypt", Value::Nested | Value::Reference(_)) => self.encrypted = true,
            (b"Filter", Value::Name(name)) if name == b"JBIG2Decode" => {
                self.examination.note(Trait::PdfJbig2);
            }
            (b"Subtype", Value::Name(name))
                if matches!(&name[..], b"RichMedia" | b"3D" | b"Movie" | b"Flash") =>
            {
                self.examination.note(Trait::PdfRichMedia);
            }
            _ => {}
        }
    }

    /// Takes notice of a dictionary that is complete; `key` is under which another holds it.
    fn closed(&mut self, dictionary: &Dictionary, key: Option<&[u8]>) {
        let found = match dictionary.action {
            Some(Action::Launch) => Some(Trait::PdfLaunch),
            Some(Action::GoToRemote) => Some(Trait::PdfGoToRemote),
            Some(Action::GoToEmbedded) => Some(Trait::PdfGoToEmbedded),
            Some(Action::JavaScript) => Some(Trait::PdfJavaScript),
            Some(Action::SubmitForm) => Some(Trait::PdfSubmitForm),
            Some(Action::ImportData) => Some(Trait::PdfImportData),
            Some(Action::GoTo | Action::Other) | None => None,
        };
        if let Some(found) = found {
            self.examination.note(found);
            if let Some(target) = &dictionary.file {
                self.links.push(target.clone());
            }
        }
        if let Some(protection) = dictionary.encryption() {
            self.protection = Some(protection);
        }
        if let Some(identifier) = &dictionary.identifier {
            self.identifier.clone_from(identifier);
        }
        if key == Some(b"OpenAction") && dictionary.action.is_some_and(|a| a != Action::GoTo) {
            self.examination.note(Trait::PdfOpenAction);
        }
        if dictionary.kind == Some(Kind::Page) {
            self.pages += 1;
        }
        if let Some(object) = dictionary.embedded.filter(|_| key != Some(b"EF")) {
            self.examination.note(Trait::PdfEmbeddedFile);
            if self.examination.entry() {
                let name = dictionary.file.clone().unwrap_or_default();
                self.names.insert(object, name);
            }
        }
    }

    /// An object is a place on a page.
    fn place(&mut self, object: Option<u32>) {
        if let Some(object) = object.filter(|_| self.places.len() < REMEMBERED) {
            self.places.insert(object);
        }
    }

    /// Joins what refers to each other, when all is read.
    fn conclude(mut self) {
        for link in std::mem::take(&mut self.links) {
            self.examination.url(&link);
        }
        for object in &self.opened {
            // What is not found may be anything.
            if !self.places.contains(object) {
                self.examination.note(Trait::PdfOpenAction);
            }
        }
        let streams = std::mem::take(&mut self.streams);
        if self.forgotten
            && self
                .names
                .keys()
                .any(|object| !streams.contains_key(object))
        {
            self.examination.limit();
        }
        for (object, stream) in &streams {
            let is_file = stream.dictionary.kind == Some(Kind::EmbeddedFile);
            let named = self.names.contains_key(object);
            let is_script = self.scripts.contains(object);
            if !is_file && !named && !is_script {
                continue;
            }
            let content = self.content(Some(*object), stream);
            if is_script {
                let text = decode_text(content.as_deref().unwrap_or_default());
                self.examination.urls_in(&text);
                continue;
            }
            self.examination.note(Trait::PdfEmbeddedFile);
            let name = self.names.get(object).map_or("", String::as_str);
            self.examination.file(name, content.unwrap_or_default());
        }
        if self.pages == 1 {
            self.examination.note(Trait::PdfSinglePage);
        }
        if self.objects == 0 {
            self.examination.note(Trait::Damaged);
        }
    }
}

/// Which objects stand where in an object stream (ISO 32000-1, section 7.5.7).
struct Table {
    first: usize,
    objects: BTreeMap<usize, u32>,
}

impl Table {
    fn read(content: &[u8], first: usize) -> Table {
        let mut objects = BTreeMap::new();
        let head = content.get(..first).unwrap_or_default();
        let mut object = None;
        for token in Lexer::new(head).take(2 * REMEMBERED) {
            let Token::Number(number) = token else { break };
            match (object.take(), usize::try_from(number)) {
                (None, _) => object = Some(u32::try_from(number).unwrap_or(0)),
                (Some(object), Ok(offset)) => _ = objects.insert(offset, object),
                _ => {}
            }
        }
        Table { first, objects }
    }

    /// The object that a word which ends at `at` belongs to.
    fn object_at(&self, at: usize) -> Option<u32> {
        let offset = at.checked_sub(self.first)?.saturating_sub(1);
        let (_, object) = self.objects.range(..=offset).next_back()?;
        Some(*object)
    }
}

/// From where to where the data of a stream goes whose keyword ends at `at`.
fn extent(data: &[u8], at: usize, declared: Option<usize>) -> Option<(usize, usize)> {
    const END: &[u8] = b"endstream";
    let rest = data.get(at..)?;
    let line_end = match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    };
    let start = at + line_end;
    let declared = declared.and_then(|length| start.checked_add(length));
    let trusted = declared.filter(|end| {
        data.get(*end..)
            .is_some_and(|rest| rest.trim_ascii_start().starts_with(END))
    });
    let end = match trusted {
        Some(end) => end,
        None => {
            let length = memmem::find(data.get(start..)?, END)?;
            let content = data.get(start..start + length)?;
            // The line end in front of the keyword belongs to it.
            let content = content.strip_suffix(b"\n").unwrap_or(content);
            start + content.strip_suffix(b"\r").unwrap_or(content).len()
        }
    };
    Some((start, end))
}

#[cfg(test)]
mod tests;
