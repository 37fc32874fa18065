//! RTF (Rich Text Format 1.9.1): objects, the template, fields.
//!
//! In: the bytes of a file. Objects are hexadecimal digits, between which Word lets pass much that is none; what is dropped
//! here is what Word drops: control words, groups of unknown destinations, anything that is no digit. Files written
//! by programs have none of that, so it is a trait of its own.

mod object;

use super::examination::Examination;
use super::field;
use super::little_endian::latin;
use super::reference::is_remote;
use super::traits::Trait;

/// Groups in groups whose destinations are told apart.
const NESTING: usize = 256;
/// Longest text of a field or a template, bytes.
const TEXT_BYTES: usize = 8192;
/// Longest control word, characters; Word takes up to 32.
const WORD_BYTES: usize = 40;
/// Foreign things between the digits of an object that make it obfuscated.
const FOREIGN: usize = 4;

/// What the text of a group is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    /// The document.
    Text,
    /// The data of an object.
    Object,
    /// The class of an object.
    Class,
    /// The path of the template.
    Template,
    /// The instruction of a field.
    Field,
    /// Unknown, which programs pass over.
    Ignored,
}

/// A group that is open.
#[derive(Clone, Copy, Debug)]
struct Group {
    destination: Destination,
    /// Whether the destination begins here, and so ends with this group.
    own: bool,
    /// Whether what follows is to be passed over if it is unknown (`\*`).
    optional: bool,
}

/// A file while it is read.
struct Reader<'a, 'e> {
    rest: &'a [u8],
    groups: Vec<Group>,
    deeper: usize,
    object: Vec<u8>,
    high: Option<u8>,
    foreign: usize,
    text: Vec<u8>,
    examination: &'e mut Examination,
}

/// Whether Word takes a file for RTF.
pub(super) fn is_document(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{\\rt")
}

/// Examines a file.
pub(super) fn examine(bytes: &[u8], examination: &mut Examination) {
    if !bytes.trim_ascii_start().starts_with(b"{\\rtf1") {
        examination.note(Trait::RtfObfuscated);
    }
    let mut reader = Reader {
        rest: bytes,
        groups: Vec::new(),
        deeper: 0,
        object: Vec::new(),
        high: None,
        foreign: 0,
        text: Vec::new(),
        examination,
    };
    reader.read();
}

impl Reader<'_, '_> {
    fn read(&mut self) {
        while let Some((byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            match byte {
                b'{' => self.open(),
                b'}' => self.close(),
                b'\\' => self.control(),
                b'\r' | b'\n' => {}
                _ => self.say(*byte),
            }
        }
        while !self.groups.is_empty() {
            self.close();
        }
    }

    fn destination(&self) -> Destination {
        self.groups
            .last()
            .map_or(Destination::Text, |g| g.destination)
    }

    fn open(&mut self) {
        if self.groups.len() >= NESTING {
            self.deeper += 1;
            self.examination.limit();
            return;
        }
        if self.destination() == Destination::Object {
            self.foreign += 1;
        }
        self.groups.push(Group {
            destination: self.destination(),
            own: false,
            optional: false,
        });
    }

    fn close(&mut self) {
        if let Some(deeper) = self.deeper.checked_sub(1) {
            self.deeper = deeper;
            return;
        }
        let Some(group) = self.groups.pop().filter(|group| group.own) else {
            return;
        };
        let text = std::mem::take(&mut self.text);
        match group.destination {
            Destination::Object => self.object_ends(),
            Destination::Template => {
                let path = latin(&text);
                if is_remote(&path) {
                    self.examination.note(Trait::ExternalTemplate);
                    self.examination.url(&path);
                }
            }
            Destination::Field => field::examine(&latin(&text), self.examination),
            Destination::Class => object::class(&text, self.examination),
            Destination::Text | Destination::Ignored => {}
        }
    }

    /// Text in the current group.
    fn say(&mut self, byte: u8) {
        match self.destination() {
            Destination::Object => self.digit(byte),
            Destination::Class | Destination::Template | Destination::Field => {
                if self.text.len() < TEXT_BYTES {
                    self.text.push(byte);
                }
            }
            Destination::Text | Destination::Ignored => {}
        }
    }

    fn digit(&mut self, byte: u8) {
        let value = char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok());
        match (value, self.high.take()) {
            (Some(low), Some(high)) => self.object.push(high << 4 | low),
            (Some(high), None) => self.high = Some(high),
            (None, high) => {
                self.high = high;
                self.foreign += usize::from(!byte.is_ascii_whitespace());
            }
        }
    }

    fn control(&mut self) {
        let length = self
            .rest
            .iter()
            .take(WORD_BYTES)
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        let (word, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        if word.is_empty() {
            self.symbol();
            return;
        }
        let signed = rest.strip_prefix(b"-");
        let digits = signed.unwrap_or(rest);
        let count = digits
            .iter()
            .take(WORD_BYTES)
            .take_while(|b| b.is_ascii_digit())
            .count();
        let (number, rest) = digits.split_at_checked(count).unwrap_or_default();
        let number = number.iter().fold(0_usize, |n, b| {
            n.saturating_mul(10).saturating_add(usize::from(b - b'0'))
        });
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        self.word(word, number, signed.is_some());
    }

    /// A control symbol.
    fn symbol(&mut self) {
        let Some((symbol, rest)) = self.rest.split_first() else {
            return;
        };
        self.rest = rest;
        match symbol {
            b'*' => {
                if let Some(group) = self.groups.last_mut() {
                    group.optional = true;
                }
            }
            b'\'' => {
                let (digits, rest) = rest.split_at_checked(2).unwrap_or_default();
                self.rest = rest;
                let byte = std::str::from_utf8(digits)
                    .ok()
                    .and_then(|d| u8::from_str_radix(d, 16).ok());
                match self.destination() {
                    Destination::Object => self.foreign += 1,
                    _ => byte.into_iter().for_each(|byte| self.say(byte)),
                }
            }
            b'\\' | b'{' | b'}' if self.destination() != Destination::Object => self.say(*symbol),
            b'~' => self.say(b' '),
            _ if self.destination() == Destination::Object => self.foreign += 1,
            _ => {}
        }
    }

    fn word(&mut self, word: &[u8], number: usize, negative: bool) {
        let begins = match word {
            b"objdata" => Some(Destination::Object),
            b"objclass" => Some(Destination::Class),
            b"template" => Some(Destination::Template),
            b"fldinst" => Some(Destination::Field),
            _ => None,
        };
        let outer = self.destination();
        let Some(group) = self.groups.last_mut() else {
            return;
        };
        let optional = std::mem::take(&mut group.optional);
        if let Some(begins) = begins.filter(|begins| *begins != outer) {
            group.destination = begins;
            group.own = true;
            match begins {
                Destination::Object => (self.high, self.foreign) = (None, 0),
                _ => self.text.clear(),
            }
            return;
        }
        if outer == Destination::Object {
            self.foreign += 1;
        }
        match word {
            b"bin" => self.binary(number),
            b"objupdate" => self.examination.note(Trait::RtfObjectUpdate),
            b"objocx" => self.examination.note(Trait::ActiveX),
            b"u" => {
                let code = u16::try_from(number).unwrap_or(0);
                let code = if negative { code.wrapping_neg() } else { code };
                self.say(u8::try_from(code).unwrap_or(b'?'));
                // The character for readers that know no Unicode.
                self.rest = self.rest.strip_prefix(b"?").unwrap_or(self.rest);
            }
            _ if optional => {
                if let Some(group) = self.groups.last_mut() {
                    group.destination = Destination::Ignored;
                }
            }
            _ => {}
        }
    }

    /// Binary data of a given length, unless the file is shorter.
    fn binary(&mut self, length: usize) {
        let Some((data, rest)) = self.rest.split_at_checked(length) else {
            return;
        };
        self.rest = rest;
        if self.destination() == Destination::Object {
            self.object.extend_from_slice(data);
        }
    }

    fn object_ends(&mut self) {
        let data = std::mem::take(&mut self.object);
        let granted = self.examination.spend(data.len());
        if self.foreign >= FOREIGN && !data.is_empty() {
            self.examination.note(Trait::RtfObfuscated);
        }
        self.examination.note(Trait::EmbeddedObject);
        let data = data.get(..granted).unwrap_or_default();
        self.examination.deeper(|e| object::object(data, e));
    }
}

#[cfg(test)]
mod tests;
