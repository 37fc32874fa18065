//! HTML and SVG files: scripts, forms, frames, ways elsewhere, files hidden in them.
//!
//! In: the bytes of a file. The tokenizer (html5gum) hands over tags and text; there is no tree, so no depth bomb.
//! Scripts are not run: the names that they use are looked for, and what they hold as long literals is decoded. A page
//! that comes out of that (or of a `data:` URL) is read in the same way, as deep as the bounds allow.

mod attribute;
mod literal;
mod script;

use std::borrow::Cow;
use std::convert::Infallible;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use super::code::{self, Language};
use super::examination::Examination;
use super::signature::{Content, content_of};
use super::traits::Trait;
use attribute::{Attributes, Target};
use script::{Sign, Signs};

/// Examines an HTML or SVG file.
pub(super) fn examine(bytes: &[u8], examination: &mut Examination) {
    let text = decode(bytes);
    let mut page = Page {
        examination,
        tag: Vec::new(),
        attributes: Attributes::default(),
        raw: None,
        text: Vec::new(),
        svg: false,
        signs: Signs::default(),
        holds: Holds::default(),
        within: Vec::new(),
    };
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| {
        page.event(event);
        None::<Infallible>
    });
    emitter.naively_switch_states(true);
    // Reading from memory has no errors, and the emitter yields nothing: this runs to the end.
    for token in Tokenizer::new_with_emitter(text.as_ref(), emitter) {
        let Ok(_) = token;
    }
    page.finish(text.as_bytes());
}

/// The text of a file: UTF-16 with or without its mark, else UTF-8 as far as it is valid.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let zeros = |offset: usize| {
        let sample = bytes.iter().skip(offset).step_by(2).take(16);
        bytes.len() >= 32 && sample.filter(|b| **b == 0).count() > 12
    };
    let charset = match bytes {
        [0xff, 0xfe, ..] => Some(encoding_rs::UTF_16LE),
        [0xfe, 0xff, ..] => Some(encoding_rs::UTF_16BE),
        _ if zeros(1) => Some(encoding_rs::UTF_16LE),
        _ if zeros(0) => Some(encoding_rs::UTF_16BE),
        _ => None,
    };
    match charset {
        Some(charset) => charset.decode_with_bom_removal(bytes).0,
        None => String::from_utf8_lossy(bytes),
    }
}

/// An element whose content the tokenizer takes for text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raw {
    Script,
    /// Holds markup where scripts do not run, or in SVG, which does not know it for raw text.
    Markup,
    /// Data, styles.
    Passive,
}

/// What long literals hold.
#[derive(Debug, Default)]
struct Holds {
    /// A file.
    file: bool,
    /// Something unknown, which a script may decode in its own way.
    data: bool,
}

/// A page while it is read.
struct Page<'e> {
    examination: &'e mut Examination,
    tag: Vec<u8>,
    attributes: Attributes,
    raw: Option<Raw>,
    /// The text of the raw element that is open.
    text: Vec<u8>,
    svg: bool,
    signs: Signs,
    holds: Holds,
    /// Pages within this one.
    within: Vec<Vec<u8>>,
}

impl Page<'_> {
    fn event(&mut self, event: CallbackEvent<'_>) {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.close_raw();
                self.tag = name.to_ascii_lowercase();
                self.attributes = Attributes::default();
            }
            CallbackEvent::AttributeName { name } => self.attributes.name(name),
            CallbackEvent::AttributeValue { value } => self.attributes.value(value),
            CallbackEvent::CloseStartTag { .. } => self.open(),
            CallbackEvent::EndTag { .. } => self.close_raw(),
            CallbackEvent::String { value } if self.raw.is_some() => {
                self.text.extend_from_slice(value);
            }
            _ => {}
        }
    }

    fn open(&mut self) {
        let tag = std::mem::take(&mut self.tag);
        let attributes = std::mem::take(&mut self.attributes);
        // In XML names have prefixes (`svg:script`).
        let name = tag.rsplit(|b| *b == b':').next().unwrap_or_default();
        match name {
            b"script" => self.raw = Some(attributes.script_kind()),
            b"noscript" => self.raw = Some(Raw::Markup),
            b"style" | b"title" | b"textarea" | b"xmp" | b"noembed" | b"noframes" if self.svg => {
                self.raw = Some(Raw::Markup);
            }
            b"svg" => self.svg = true,
            b"foreignobject" => self.note(Trait::SvgForeignObject),
            b"form" => self.note(Trait::HtmlForm),
            b"input" if attributes.is(b"type", b"password") => self.note(Trait::HtmlPassword),
            b"meta" if attributes.is(b"http-equiv", b"refresh") => {
                if let Some(target) = attributes.refresh() {
                    self.note(Trait::HtmlRefresh);
                    self.follow(name, &Target::of(target));
                }
            }
            _ => {}
        }
        if name == b"script" && self.raw == Some(Raw::Script) {
            self.note(Trait::HtmlScript);
        }
        for (attribute, value) in attributes.iter() {
            self.attribute(name, attribute, value);
        }
    }

    fn attribute(&mut self, tag: &[u8], name: &[u8], value: &[u8]) {
        if attribute::is_handler(name) {
            self.note(Trait::HtmlEventHandler);
            self.note(Trait::HtmlScript);
            self.script(value);
            return;
        }
        let name = name.rsplit(|b| *b == b':').next().unwrap_or_default();
        match name {
            b"download" if tag == b"a" => self.note(Trait::HtmlDownload),
            b"srcdoc" => self.inner(value.to_vec()),
            b"href" | b"src" | b"action" | b"formaction" | b"data" | b"background" | b"poster" => {
                let target = Target::of(value);
                let place = match name {
                    b"action" | b"formaction" => b"form",
                    _ => tag,
                };
                self.follow(place, &target);
            }
            // An animation may set any attribute of a picture.
            b"to" | b"values" | b"from" if self.svg => self.follow(tag, &Target::of(value)),
            _ => {}
        }
    }

    /// What an attribute refers to.
    fn follow(&mut self, tag: &[u8], target: &Target) {
        match target {
            Target::Script(code) => {
                self.note(Trait::HtmlScript);
                self.script(code);
            }
            Target::Page(page) => self.inner(page.clone()),
            Target::Elsewhere(url) => {
                match tag {
                    b"script" => self.note(Trait::HtmlExternalScript),
                    b"form" => self.note(Trait::HtmlFormElsewhere),
                    b"iframe" | b"frame" | b"object" | b"embed" => self.note(Trait::HtmlFrame),
                    _ => {}
                }
                self.examination.url(url);
            }
            Target::Other => {}
        }
    }

    fn note(&mut self, found: Trait) {
        self.examination.note(found);
    }

    fn script(&mut self, code: &[u8]) {
        self.signs.read(code);
        code::examine(code, Language::Other, self.examination);
        self.examination.urls_in(&String::from_utf8_lossy(code));
    }

    /// A page within this one, read when this one is.
    fn inner(&mut self, page: Vec<u8>) {
        if self.examination.entry() {
            self.within.push(page);
        }
    }

    fn close_raw(&mut self) {
        let text = std::mem::take(&mut self.text);
        match self.raw.take() {
            Some(Raw::Script) if !text.trim_ascii().is_empty() => self.script(&text),
            Some(Raw::Markup) if memchr::memchr(b'<', &text).is_some() => self.inner(text),
            _ => {}
        }
    }

    fn finish(mut self, text: &[u8]) {
        self.close_raw();
        let scripts = self.examination.has(Trait::HtmlScript);
        let mut held = Vec::new();
        let mut take = |data: Vec<u8>, _: &mut Examination| held.push(data);
        literal::long_runs(text, self.examination, &mut take);
        if scripts {
            literal::escapes(text, self.examination, &mut take);
            literal::numbers(text, self.examination, &mut take);
            literal::encoded_urls(text, self.examination);
        }
        let mut hidden = false;
        for data in held {
            hidden |= self.held(data, scripts);
        }
        self.judge(hidden);
        for page in std::mem::take(&mut self.within) {
            self.examination.deeper(|e| examine(&page, e));
        }
    }

    /// What a long literal holds; tells whether it hides a page or a script.
    fn held(&mut self, data: Vec<u8>, scripts: bool) -> bool {
        match content_of(&data) {
            Content::File(ending) => {
                self.note(Trait::HtmlDataFile);
                self.holds.file = true;
                self.examination.file(&format!("data.{ending}"), data);
                false
            }
            Content::Page => {
                self.inner(data);
                scripts
            }
            Content::Svg => {
                self.inner(data);
                false
            }
            Content::Medium => false,
            Content::Unknown if scripts => {
                self.holds.data = true;
                self.unknown(data)
            }
            Content::Unknown => false,
        }
    }

    /// Decoded text that is neither a page by its beginning nor a file may be a script or a piece of a page.
    fn unknown(&mut self, data: Vec<u8>) -> bool {
        let sample = data.get(..512).unwrap_or(&data);
        let printable = sample
            .iter()
            .filter(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
        if sample.is_empty() || printable.count() * 10 < sample.len() * 9 {
            return false;
        }
        self.script(&data);
        let is_markup = memchr::memmem::find(&data, b"</").is_some();
        if is_markup {
            self.inner(data);
        }
        is_markup
    }

    /// What the scripts and the literals say together.
    fn judge(&mut self, hidden: bool) {
        let has = |sign| self.signs.has(sign);
        let mut found = Vec::new();
        let saves = has(Sign::ObjectUrl) || (has(Sign::Blob) && has(Sign::Download));
        if has(Sign::Blob) && has(Sign::ObjectUrl) {
            found.push(Trait::HtmlBlob);
        }
        if saves && (self.holds.file || (self.holds.data && has(Sign::Decode))) {
            found.push(Trait::HtmlSmuggling);
        }
        // A link to data needs no script.
        if self.holds.file && (has(Sign::Download) || self.examination.has(Trait::HtmlDownload)) {
            found.push(Trait::HtmlSmuggling);
        }
        if has(Sign::Redirect) {
            found.push(Trait::HtmlRedirect);
        }
        if has(Sign::Request) {
            found.push(Trait::HtmlRequest);
        }
        let runs_data = self.holds.data && has(Sign::Decode) && has(Sign::Evaluate);
        if hidden || runs_data || has(Sign::Renamed) {
            found.push(Trait::HtmlObfuscated);
        }
        for found in found {
            self.note(found);
        }
    }
}

#[cfg(test)]
mod tests;
