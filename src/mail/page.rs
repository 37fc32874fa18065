//! A page while it is read: which text is shown, which is hidden, and where it leads.
//!
//! In: its elements and texts, in order. Out: [`Rendered`]. Text and links are each bounded.

use super::Limits;
use super::element::{Attribute, Tag, gap_of, is_void};
use super::flow::{Flow, Gap};
use super::html::Rendered;
use super::links::Links;
use super::markup::{Element, Reader};
use super::style::Style;

/// A page while it is read.
pub(super) struct Page {
    visible: Flow,
    hidden: Flow,
    links: Links,
}

impl Page {
    /// Nothing read yet.
    pub(super) fn new(limits: &Limits) -> Page {
        Page {
            visible: Flow::new(limits.text_bytes),
            hidden: Flow::new(limits.text_bytes),
            links: Links::new(limits.urls.saturating_mul(4)),
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

    fn gap(&mut self, gap: Gap) {
        self.visible.gap(gap);
        self.hidden.gap(gap);
        self.links.gap();
    }

    /// What a void element shows in the place of text.
    fn replaced(&mut self, tag: &Tag, hidden: bool) {
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
            self.text(text, hidden);
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

impl Reader for Page {
    fn open(&mut self, element: &Element<'_>) {
        let name = element.name();
        if let Some(gap) = gap_of(name) {
            self.gap(gap);
        }
        self.targets(element.tag, element.style.as_ref());
        if is_void(name) && !element.hidden {
            self.replaced(element.tag, element.within_hidden);
        }
    }

    fn close(&mut self, name: &[u8]) {
        if let Some(gap) = gap_of(name) {
            self.gap(gap);
        }
        if name == b"a" {
            self.links.close();
        }
    }

    fn text(&mut self, text: &str, hidden: bool) {
        if hidden {
            self.hidden.push(text);
            return;
        }
        self.visible.push(text);
        self.links.say(text);
    }
}
