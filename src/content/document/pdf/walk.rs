//! The way through the words of a PDF file: dictionaries as they open and close, and which object they belong to.

use super::super::traits::Trait;
use super::File;
use super::dictionary::{Action, Dictionary, Value};
use super::lexer::Token;

/// Dictionaries in dictionaries.
const NESTING: usize = 64;

/// A dictionary that is not closed yet.
#[derive(Default)]
pub(super) struct Frame {
    key: Option<Vec<u8>>,
    lists: usize,
    dictionary: Dictionary,
}

/// Where in a stretch of bytes the reader stands.
#[derive(Default)]
pub(super) struct Walk {
    /// Whether these are the objects of an object stream, which are not encrypted each.
    inner: bool,
    pub(super) object: Option<u32>,
    pub(super) generation: u16,
    pub(super) frames: Vec<Frame>,
    /// Openings beyond [`NESTING`].
    deeper: usize,
    /// Up to two numbers that may become a reference.
    numbers: Vec<i64>,
    /// The key outside of any dictionary: objects that are cut apart still tell their names.
    loose: Option<Vec<u8>>,
    /// The dictionary that was closed last and lay in no other.
    pub(super) last: Option<Dictionary>,
}

impl Walk {
    /// Begins; `inner` among the objects of an object stream.
    pub(super) fn new(inner: bool) -> Walk {
        Walk {
            inner,
            ..Walk::default()
        }
    }

    pub(super) fn number(&mut self, file: &mut File<'_, '_>, number: i64) {
        if self.numbers.len() == 2 {
            let first = self.numbers.remove(0);
            self.value(file, &Value::Number(first));
        }
        self.numbers.push(number);
    }

    pub(super) fn reference(&mut self, file: &mut File<'_, '_>) {
        let object = match self.numbers.as_slice() {
            [object, _] => u32::try_from(*object).ok(),
            _ => None,
        };
        self.numbers.clear();
        match object {
            Some(object) => self.value(file, &Value::Reference(object)),
            None => self.word(),
        }
    }

    /// The numbers that wait turn out to be no reference.
    pub(super) fn flush(&mut self, file: &mut File<'_, '_>) {
        for number in std::mem::take(&mut self.numbers) {
            self.value(file, &Value::Number(number));
        }
    }

    /// An object begins, or the bytes end: what is still open ends with it.
    pub(super) fn begin(&mut self, file: &mut File<'_, '_>) {
        self.deeper = 0;
        while !self.frames.is_empty() {
            self.close(file);
        }
        (self.object, self.generation) = match self.numbers.as_slice() {
            [object, generation] => (
                u32::try_from(*object).ok(),
                u16::try_from(*generation).unwrap_or(0),
            ),
            _ => (None, 0),
        };
        self.numbers.clear();
        self.loose = None;
        self.last = None;
    }

    pub(super) fn token(&mut self, file: &mut File<'_, '_>, token: Token<'_>) {
        self.flush(file);
        match token {
            Token::Open => self.open(file),
            Token::Close => self.close(file),
            Token::ListOpen => match self.frames.last_mut() {
                Some(frame) => frame.lists += 1,
                None => file.place(self.object),
            },
            Token::ListClose => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.lists = frame.lists.saturating_sub(1);
                    if frame.lists == 0 {
                        frame.key = None;
                    }
                }
            }
            Token::Name(name, hidden) => {
                if hidden && TELLING.contains(&name.as_ref()) {
                    file.examination.note(Trait::PdfObfuscated);
                }
                self.name(file, &name);
            }
            Token::Text(text) => {
                let text = match (&file.key, self.object) {
                    (Some(key), Some(object)) if !self.inner => {
                        key.decrypt(object, self.generation, &text)
                    }
                    _ => text,
                };
                self.value(file, &Value::Text(text));
            }
            Token::Word(b"false") => self.value(file, &Value::False),
            Token::Number(_) | Token::Word(_) => self.word(),
        }
    }

    /// `true`, `null` and the like: a value that does not matter.
    fn word(&mut self) {
        match self.frames.last_mut() {
            Some(frame) if frame.lists == 0 => frame.key = None,
            _ => {}
        }
    }

    fn open(&mut self, file: &mut File<'_, '_>) {
        if self.frames.len() >= NESTING {
            self.deeper += 1;
            file.examination.limit();
            return;
        }
        if let Some(frame) = self.frames.last()
            && let Some(key) = &frame.key
        {
            file.entry(key, &Value::Nested);
        }
        self.frames.push(Frame::default());
    }

    fn close(&mut self, file: &mut File<'_, '_>) {
        if let Some(deeper) = self.deeper.checked_sub(1) {
            self.deeper = deeper;
            return;
        }
        let Some(Frame { dictionary, .. }) = self.frames.pop() else {
            return;
        };
        let Some(outer) = self.frames.last_mut() else {
            file.closed(&dictionary, None);
            if dictionary.action == Some(Action::GoTo) {
                file.place(self.object);
            }
            self.last = Some(dictionary);
            return;
        };
        file.closed(&dictionary, outer.key.as_deref());
        if let Some(key) = &outer.key {
            outer.dictionary.absorb(key, &dictionary);
        }
        if outer.lists == 0 {
            outer.key = None;
        }
    }

    fn name(&mut self, file: &mut File<'_, '_>, name: &[u8]) {
        match self.frames.last_mut() {
            Some(frame) if frame.key.is_none() && frame.lists == 0 => {
                frame.key = Some(name.to_vec());
            }
            Some(_) => self.value(file, &Value::Name(name.to_vec())),
            None => {
                self.value(file, &Value::Name(name.to_vec()));
                self.loose = Some(name.to_vec());
            }
        }
    }

    fn value(&mut self, file: &mut File<'_, '_>, value: &Value) {
        let Some(frame) = self.frames.last_mut() else {
            if let Some(key) = self.loose.take() {
                file.entry(&key, value);
                let mut alone = Dictionary::default();
                alone.set(&key, value);
                file.closed(&alone, None);
            }
            return;
        };
        // A list to open is a place on a page.
        let is_place = |key: &[u8]| frame.lists > 0 && key == b"OpenAction";
        if let Some(key) = frame.key.as_deref().filter(|key| !is_place(key)) {
            file.entry(key, value);
            frame.dictionary.set(key, value);
        }
        if frame.lists == 0 {
            frame.key = None;
        }
    }
}

/// Names that nobody writes with escapes but to hide them.
const TELLING: &[&[u8]] = &[
    b"JavaScript",
    b"JS",
    b"OpenAction",
    b"AA",
    b"Launch",
    b"URI",
    b"Action",
    b"EmbeddedFile",
    b"EmbeddedFiles",
    b"Filespec",
    b"SubmitForm",
    b"GoToR",
    b"GoToE",
    b"ObjStm",
    b"FlateDecode",
    b"ASCIIHexDecode",
    b"XFA",
    b"RichMedia",
    b"Encrypt",
];
