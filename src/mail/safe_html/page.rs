//! A page from outside while it is read: what of each element is shown, marked or left out.

use super::super::element::{Attribute, Tag};
use super::super::markup::{Element, Reader};
use super::super::url::{is_relative, join};
use super::tag::tag_for;
use super::writer::Writer;
use super::{Removed, SafeHtml};

/// A page from outside, and what is written of it.
pub(super) struct SafePage {
    new: Writer,
    removed: Removed,
    base: Option<String>,
}

impl SafePage {
    /// Nothing read yet; the result is at most some `limit` bytes long.
    pub(super) fn new(limit: usize) -> SafePage {
        SafePage {
            new: Writer::new(limit),
            removed: Removed::default(),
            base: None,
        }
    }

    /// What it says.
    pub(super) fn finish(self) -> SafeHtml {
        self.new.finish(self.removed)
    }

    fn element(&mut self, name: &[u8], tag: &Tag) {
        let source = tag.get(Attribute::Source).unwrap_or_default();
        match name {
            b"script" => self.removed.scripts += 1,
            b"br" => self.new.write("<br>"),
            b"hr" => self.new.write("<hr>"),
            b"img" | b"image" => self.picture(tag, source),
            b"a" | b"area" => self.link(tag, name == b"a"),
            b"base" => {
                if self.base.is_none() {
                    self.base = tag.get(Attribute::Href).map(str::to_owned);
                }
            }
            b"iframe" | b"frame" | b"object" | b"embed" | b"applet" | b"portal" => {
                self.removed.frames += 1;
                self.new.mark("frame", &self.target(source));
            }
            b"link" | b"video" | b"audio" | b"source" | b"track" | b"bgsound" => {
                self.removed.remote += 1;
            }
            b"meta" => {
                let content = tag.get(Attribute::Content).unwrap_or_default();
                if content.to_ascii_lowercase().contains("url=") {
                    self.new.mark("would go on to another page", content);
                }
            }
            b"form" => {
                self.removed.forms += 1;
                self.new.open(name, "div");
                let action = self.target(tag.get(Attribute::Action).unwrap_or_default());
                self.new.mark("form that sends what is written to", &action);
            }
            b"input" => self.field(tag),
            _ => {
                if let Some(tag) = tag_for(name) {
                    self.new.open(name, tag);
                }
            }
        }
    }

    fn picture(&mut self, tag: &Tag, source: &str) {
        let source = source.trim();
        let lower = source.get(..5).unwrap_or(source).to_ascii_lowercase();
        let alt = tag.get(Attribute::Alt).unwrap_or_default();
        let (words, from) = if lower.starts_with("cid:") {
            ("picture that is attached", String::new())
        } else if lower.starts_with("data:") {
            ("picture", String::new())
        } else {
            self.removed.remote += 1;
            ("picture, not loaded", self.target(source))
        };
        let text = match (alt.trim(), from.as_str()) {
            ("", from) => from.to_owned(),
            (alt, "") => alt.to_owned(),
            (alt, from) => format!("{alt} ({from})"),
        };
        self.new.mark(words, &text);
    }

    fn link(&mut self, tag: &Tag, has_text: bool) {
        let Some(href) = tag.get(Attribute::Href) else {
            return;
        };
        let target = self.target(href);
        let scheme: String = target
            .chars()
            .filter(|c| !c.is_whitespace() && !c.is_control())
            .take(11)
            .collect();
        if scheme.to_ascii_lowercase().starts_with("javascript:")
            || scheme.to_ascii_lowercase().starts_with("vbscript:")
        {
            self.removed.scripts += 1;
        }
        match has_text {
            true => self.new.open_link(target),
            false => self.new.mark("link", &target),
        }
    }

    fn field(&mut self, tag: &Tag) {
        let kind = tag
            .get(Attribute::Kind)
            .unwrap_or("text")
            .to_ascii_lowercase();
        let value = tag.get(Attribute::Value).unwrap_or_default();
        match kind.as_str() {
            "hidden" => {}
            "submit" | "button" | "reset" | "image" => self.new.mark("button", value),
            "password" => self.new.mark("field for a password", ""),
            _ => self.new.mark("field", value),
        }
    }

    /// A target as the page means it.
    fn target(&self, target: &str) -> String {
        let target = target.trim();
        match &self.base {
            Some(base) if !target.is_empty() && is_relative(target) => join(base, target),
            _ => target.to_owned(),
        }
    }
}

impl Reader for SafePage {
    fn open(&mut self, element: &Element<'_>) {
        let tag = element.tag;
        self.removed.scripts += tag.handlers;
        self.removed.remote += element.style.as_ref().map_or(0, |style| style.urls.len());
        self.removed.remote += usize::from(tag.get(Attribute::Background).is_some());
        self.new.close_implied(element.name());
        if !self.new.is_full() {
            self.element(element.name(), tag);
        }
    }

    fn close(&mut self, name: &[u8]) {
        self.new.close(name);
    }

    fn text(&mut self, text: &str, hidden: bool) {
        if hidden && !text.trim().is_empty() {
            self.removed.hidden += 1;
            self.new.say_hidden(text);
        } else {
            self.new.say(text);
        }
    }
}
