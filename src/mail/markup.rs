//! The markup of a page while it is read: its elements and texts in order, and which of them a reader sees.
//!
//! In: the text of one HTML part. Out: calls of a [`Reader`]. Open elements, attributes and style sheets are each
//! bounded; linear, without a tree.

use std::borrow::Cow;
use std::convert::Infallible;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use super::element::{Attribute, Tag, is_void};
use super::nesting::Nesting;
use super::sight::Sight;
use super::style::{Color, Ground, Sheet, Style};

/// Bytes of style sheets that are read.
const SHEET_BYTES: usize = 256 * 1024;

/// Takes what a page holds, in order. Style sheets, scripts and other text that is never shown are left out.
pub(super) trait Reader {
    /// An element begins.
    fn open(&mut self, element: &Element<'_>);

    /// An end tag.
    fn close(&mut self, name: &[u8]);

    /// Text, and whether it is hidden, as far as that is known.
    fn text(&mut self, text: &str, hidden: bool);
}

/// An element that begins.
pub(super) struct Element<'t> {
    pub(super) tag: &'t Tag,
    /// Its own style.
    pub(super) style: Option<Style>,
    /// Whether it is hidden itself.
    pub(super) hidden: bool,
    /// Whether text at its place is hidden.
    pub(super) within_hidden: bool,
}

impl Element<'_> {
    /// Its name in lower case.
    pub(super) fn name(&self) -> &[u8] {
        &self.tag.name
    }
}

/// Reads all of `html`.
pub(super) fn read(html: &str, reader: &mut impl Reader) {
    let html = shown_noscript(html);
    let mut markup = Markup::default();
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| {
        markup.event(event, reader);
        None::<Infallible>
    });
    emitter.naively_switch_states(true);
    // Reading from memory has no errors, and the emitter yields nothing: this runs to the end.
    for token in Tokenizer::new_with_emitter(html.as_ref(), emitter) {
        let Ok(_) = token;
    }
}

/// Element whose text is not markup, and is not shown as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raw {
    Sheet,
    Dropped,
}

impl Raw {
    fn of(name: &[u8]) -> Option<Raw> {
        match name {
            b"style" => Some(Raw::Sheet),
            b"script" | b"title" | b"iframe" | b"noembed" | b"noframes" => Some(Raw::Dropped),
            _ => None,
        }
    }
}

/// Where the reading stands.
#[derive(Default)]
struct Markup {
    nesting: Nesting,
    tag: Option<Tag>,
    raw: Option<Raw>,
    sheet: Sheet,
    sheet_read: usize,
}

impl Markup {
    fn event(&mut self, event: CallbackEvent<'_>, reader: &mut impl Reader) {
        match event {
            CallbackEvent::OpenStartTag { name } => self.tag = Some(Tag::new(name)),
            CallbackEvent::AttributeName { name } => {
                if let Some(tag) = &mut self.tag {
                    tag.attribute(name);
                }
            }
            CallbackEvent::AttributeValue { value } => {
                if let Some(tag) = &mut self.tag {
                    tag.value(value);
                }
            }
            CallbackEvent::CloseStartTag { .. } => {
                if let Some(tag) = self.tag.take() {
                    self.open(&tag, reader);
                }
            }
            CallbackEvent::EndTag { name } => {
                self.tag = None;
                self.raw = None;
                self.nesting.close(name);
                reader.close(name);
            }
            CallbackEvent::String { value } => self.text(value, reader),
            _ => {}
        }
    }

    fn open(&mut self, tag: &Tag, reader: &mut impl Reader) {
        let name = tag.name.as_slice();
        self.raw = Raw::of(name);
        self.nesting.close_implied(name);
        let style = tag.get(Attribute::Style).map(Style::parse);
        let sight = sight_in(&self.nesting, &self.sheet, tag, style.as_ref());
        reader.open(&Element {
            tag,
            style,
            hidden: sight.hidden(),
            within_hidden: self.nesting.hides(),
        });
        if !is_void(name) {
            self.nesting.open(name, sight);
        }
    }

    fn text(&mut self, value: &[u8], reader: &mut impl Reader) {
        match self.raw {
            None => reader.text(&String::from_utf8_lossy(value), self.nesting.hides()),
            Some(Raw::Dropped) => {}
            Some(Raw::Sheet) => {
                let left = SHEET_BYTES - self.sheet_read;
                let css = value.get(..left).unwrap_or(value);
                self.sheet_read += css.len();
                self.sheet.read(&String::from_utf8_lossy(css));
            }
        }
    }
}

/// Mail clients run no scripts, so they show what `noscript` holds, which the tokenizer takes for
/// raw text; another name of the same length makes it ordinary.
fn shown_noscript(html: &str) -> Cow<'_, str> {
    const NAME: &[u8] = b"noscript";
    let bytes = html.as_bytes();
    let starts = |at: usize| {
        let name = bytes
            .get(at + 1..)
            .map(|r| r.strip_prefix(b"/").unwrap_or(r));
        name.and_then(|n| n.get(..NAME.len()))
            .is_some_and(|n| n.eq_ignore_ascii_case(NAME))
    };
    if !memchr::memchr_iter(b'<', bytes).any(starts) {
        return Cow::Borrowed(html);
    }
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        let offset = html.len() - rest.len() + at;
        let skip = match (starts(offset), bytes.get(offset + 1)) {
            (true, Some(b'/')) => Some(("</nonscript", 2 + NAME.len())),
            (true, _) => Some(("<nonscript", 1 + NAME.len())),
            _ => None,
        };
        let (before, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let (name, length) = skip.unwrap_or(("<", 1));
        out.push_str(name);
        rest = tail.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// How text inside of `tag` is shown.
fn sight_in(nesting: &Nesting, sheet: &Sheet, tag: &Tag, style: Option<&Style>) -> Sight {
    let mut sight = nesting.sight();
    let classes = tag.get(Attribute::Class);
    let id = tag.get(Attribute::Id);
    sight.gone |= tag.get(Attribute::Hidden).is_some()
        || tag.name == b"template"
        || classes.is_some_and(|c| sheet.hides_class(c))
        || id.is_some_and(|i| sheet.hides_id(i));
    if sheet.grounds && (classes.is_some() || id.is_some()) {
        sight.ground = Ground::Unknown;
    }
    if let Some(color) = tag.get(Attribute::Color).and_then(Color::parse) {
        sight.color = Some(color);
    }
    if let Some(color) = tag.get(Attribute::Ground).and_then(Color::parse) {
        sight.ground = Ground::Color(color);
    }
    if tag.get(Attribute::Background).is_some() {
        sight.ground = Ground::Unknown;
    }
    if let Some(style) = style {
        sight.apply(style);
    }
    sight
}

/// Pieces of markup that cost much, many times over, where a page is read carelessly.
#[cfg(test)]
pub(super) const BOMBS: [&str; 22] = [
    "<b>",
    "<p>",
    "<a href=http://a.example>x",
    "</x>",
    "<tr><td>",
    "&amp;",
    "<",
    "<b ",
    "<!--",
    "<noscript>",
    "<div style='a:b;",
    "\u{202e}",
    "<font a=1><p>x",
    "<li>",
    "\0",
    "<table>",
    "<form>",
    "<img src=x alt='",
    "<span hidden>x",
    "<p hidden>x</p>",
    "<![CDATA[",
    "<svg><math>",
];
