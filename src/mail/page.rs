//! A page while it is read: which text is shown, which is hidden, and where it leads.
//!
//! In: the events of the tokenizer, in order. Out: [`Rendered`]. Text, links, open elements and style sheets
//! are each bounded.

use html5gum::emitters::callback::CallbackEvent;

use super::Limits;
use super::element::{Attribute, Tag, gap_of, is_void};
use super::flow::{Flow, Gap};
use super::html::Rendered;
use super::links::Links;
use super::nesting::Nesting;
use super::sight::Sight;
use super::style::{Color, Ground, Sheet, Style};

/// Bytes of style sheets that are read.
const SHEET_BYTES: usize = 256 * 1024;

/// Element whose text is not markup, and is not shown as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raw {
    Sheet,
    Dropped,
}

/// A page while it is read.
pub(super) struct Page {
    visible: Flow,
    hidden: Flow,
    links: Links,
    nesting: Nesting,
    tag: Option<Tag>,
    raw: Option<Raw>,
    sheet: Sheet,
    sheet_bytes: usize,
}

impl Page {
    /// Nothing read yet.
    pub(super) fn new(limits: &Limits) -> Page {
        Page {
            visible: Flow::new(limits.text_bytes),
            hidden: Flow::new(limits.text_bytes),
            links: Links::new(limits.urls.saturating_mul(4)),
            nesting: Nesting::default(),
            tag: None,
            raw: None,
            sheet: Sheet::default(),
            sheet_bytes: SHEET_BYTES,
        }
    }

    /// What it says.
    pub(super) fn finish(self) -> Rendered {
        let (links, links_cut) = self.links.finish();
        Rendered {
            text_cut: self.visible.cut || self.hidden.cut,
            visible: self.visible.text,
            hidden: self.hidden.text,
            links,
            links_cut,
        }
    }

    /// Takes the next piece of the page.
    pub(super) fn event(&mut self, event: CallbackEvent<'_>) {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.tag = Some(Tag::new(name));
            }
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
                    self.open(&tag);
                }
            }
            CallbackEvent::EndTag { name } => {
                self.tag = None;
                self.raw = None;
                self.close(name);
            }
            CallbackEvent::String { value } => self.text(value),
            _ => {}
        }
    }

    fn text(&mut self, value: &[u8]) {
        match self.raw {
            None => self.say(&String::from_utf8_lossy(value)),
            Some(Raw::Dropped) => {}
            Some(Raw::Sheet) => {
                let css = value.get(..self.sheet_bytes).unwrap_or(value);
                self.sheet_bytes = self.sheet_bytes.saturating_sub(css.len());
                self.sheet.read(&String::from_utf8_lossy(css));
            }
        }
    }

    /// Text in the current element.
    fn say(&mut self, text: &str) {
        if self.nesting.hides() {
            self.hidden.push(text);
            return;
        }
        self.visible.push(text);
        self.links.say(text);
    }

    fn gap(&mut self, gap: Gap) {
        self.visible.gap(gap);
        self.hidden.gap(gap);
        self.links.gap();
    }

    fn open(&mut self, tag: &Tag) {
        let name = tag.name.as_slice();
        self.raw = match name {
            b"style" => Some(Raw::Sheet),
            b"script" | b"title" | b"iframe" | b"noembed" => Some(Raw::Dropped),
            _ => None,
        };
        if let Some(gap) = gap_of(name) {
            self.gap(gap);
        }
        self.nesting.close_implied(name);
        let style = tag.get(Attribute::Style).map(Style::parse);
        let sight = sight_in(&self.nesting, &self.sheet, tag, style.as_ref());
        self.targets(tag, style.as_ref());
        if is_void(name) {
            if !sight.hidden() {
                self.replaced(tag);
            }
            return;
        }
        self.nesting.open(name, sight);
    }

    fn close(&mut self, name: &[u8]) {
        if let Some(gap) = gap_of(name) {
            self.gap(gap);
        }
        if name == b"a" {
            self.links.close();
        }
        self.nesting.close(name);
    }

    /// What a void element shows in the place of text.
    fn replaced(&mut self, tag: &Tag) {
        let button = tag
            .get(Attribute::Kind)
            .is_some_and(|k| k.eq_ignore_ascii_case("submit") || k.eq_ignore_ascii_case("button"));
        let text = match tag.name.as_slice() {
            b"img" => tag.get(Attribute::Alt),
            b"input" if button => tag.get(Attribute::Value),
            _ => None,
        };
        if let Some(text) = text.filter(|t| !t.trim().is_empty()) {
            self.gap(Gap::Space);
            self.say(text);
            self.gap(Gap::Space);
        }
    }

    /// Everything that `tag` leads to or loads.
    fn targets(&mut self, tag: &Tag, style: Option<&Style>) {
        let href = tag.get(Attribute::Href);
        match tag.name.as_slice() {
            b"a" => self.links.open(href),
            b"base" => self.links.set_base(href),
            b"meta" => {
                // `<meta http-equiv="refresh" content="0; url=...">`
                let content = tag.get(Attribute::Content).unwrap_or_default();
                let at = content.to_ascii_lowercase().find("url=");
                if let Some(target) = at.and_then(|at| content.get(at + 4..)) {
                    self.links.add(target.trim_matches(['"', '\'', ' ']));
                }
            }
            _ => {
                if let Some(href) = href {
                    self.links.add(href);
                }
            }
        }
        for attribute in [Attribute::Source, Attribute::Action, Attribute::Background] {
            if let Some(target) = tag.get(attribute) {
                self.links.add(target);
            }
        }
        for target in style.iter().flat_map(|s| &s.urls) {
            self.links.add(target);
        }
    }
}

/// How text inside of `tag` is shown.
pub(super) fn sight_in(
    nesting: &Nesting,
    sheet: &Sheet,
    tag: &Tag,
    style: Option<&Style>,
) -> Sight {
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
