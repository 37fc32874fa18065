//! The new page while it is written: markup of ours, text from outside escaped, elements nested well.
//!
//! At its limit it takes no more text; what is open still ends.

use std::fmt::Write as _;

use super::super::content::changes_direction;
use super::super::element::ended_by;
use super::{Removed, SafeHtml};
use crate::printable::{deceives, reference};

/// Open elements of the new page; the text of deeper ones stands in the last.
const DEPTH: usize = 64;
/// Characters of a target, a name or another text in a mark.
const MARK_CHARS: usize = 300;

/// An open element of the new page.
struct Open {
    /// Its name in the page from outside.
    name: Vec<u8>,
    end: End,
}

/// How an open element ends.
enum End {
    Tag(&'static str),
    /// A link: its text ends, and where it leads follows.
    Target(String),
}

/// The new page while it is written.
pub(super) struct Writer {
    out: String,
    limit: usize,
    cut: bool,
    /// Characters that were left out.
    characters: usize,
    open: Vec<Open>,
}

impl Writer {
    /// An empty page of at most some `limit` bytes.
    pub(super) fn new(limit: usize) -> Writer {
        Writer {
            out: String::new(),
            limit,
            cut: false,
            characters: 0,
            open: Vec::new(),
        }
    }

    /// The page, with what else was removed from it.
    pub(super) fn finish(mut self, removed: Removed) -> SafeHtml {
        self.close_down_to(0);
        SafeHtml {
            html: self.out,
            cut: self.cut,
            removed: Removed {
                characters: self.characters,
                ..removed
            },
        }
    }

    /// Writes markup of our own.
    pub(super) fn write(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// Whether there is no room for more.
    pub(super) fn is_full(&mut self) -> bool {
        self.cut |= self.out.len() >= self.limit;
        self.cut
    }

    /// Writes text from outside.
    pub(super) fn say(&mut self, text: &str) {
        for c in text.chars() {
            if self.is_full() {
                return;
            }
            self.character(c);
        }
    }

    fn character(&mut self, c: char) {
        if let Some(reference) = reference(c) {
            return self.out.push_str(reference);
        }
        match c {
            '\n' | '\t' | ' ' => self.out.push(c),
            '\r' => {}
            c if changes_direction(c) || c.is_control() => {
                self.characters += 1;
                let _ = write!(
                    self.out,
                    "<span class=\"mark\">U+{:04X}</span>",
                    u32::from(c)
                );
            }
            c if deceives(c) => self.characters += 1,
            c => self.out.push(c),
        }
    }

    /// A mark in brackets: words of ours, and text from outside.
    pub(super) fn mark(&mut self, words: &'static str, text: &str) {
        if self.is_full() {
            return;
        }
        self.write("<span class=\"mark\">[");
        self.write(words);
        let text = text.trim();
        if !text.is_empty() {
            self.write(": ");
            self.say_short(text);
        }
        self.write("]</span>");
    }

    fn say_short(&mut self, text: &str) {
        for c in text.chars().take(MARK_CHARS) {
            self.character(if matches!(c, '\n' | '\t') { ' ' } else { c });
        }
        if text.chars().nth(MARK_CHARS).is_some() {
            self.out.push('…');
        }
    }

    /// Text that a reader would not have seen, marked.
    pub(super) fn say_hidden(&mut self, text: &str) {
        if self.is_full() {
            return;
        }
        self.write("<span class=\"hidden\">");
        self.say(text);
        self.write("</span>");
    }

    /// Opens the element that stands for one of `name`.
    pub(super) fn open(&mut self, name: &[u8], tag: &'static str) {
        if self.open.len() >= DEPTH {
            return;
        }
        self.write("<");
        self.write(tag);
        self.write(">");
        self.open.push(Open {
            name: name.to_vec(),
            end: End::Tag(tag),
        });
    }

    /// Opens a link, whose text follows.
    pub(super) fn open_link(&mut self, target: String) {
        if self.open.len() >= DEPTH {
            self.mark("link", &target);
            return;
        }
        self.write("<span class=\"link\">");
        self.open.push(Open {
            name: b"a".to_vec(),
            end: End::Target(target),
        });
    }

    /// Ends the innermost element that stands for one of `name`, and what is open in it.
    pub(super) fn close(&mut self, name: &[u8]) {
        if let Some(at) = self.open.iter().rposition(|o| o.name == name) {
            self.close_down_to(at);
        }
    }

    /// Ends what ends where an element of `name` starts.
    pub(super) fn close_implied(&mut self, name: &[u8]) {
        if let Some(at) = ended_by(name, &self.open, |open, name| open.name == name) {
            self.close_down_to(at);
        }
    }

    /// Ends the innermost elements, so that what is open is always nested well.
    fn close_down_to(&mut self, at: usize) {
        while self.open.len() > at {
            match self.open.pop().map(|open| open.end) {
                Some(End::Tag(tag)) => {
                    self.write("</");
                    self.write(tag);
                    self.write(">");
                }
                Some(End::Target(target)) => {
                    self.write("</span> <span class=\"target\">");
                    self.say_short(&target);
                    self.write("</span>");
                }
                None => return,
            }
        }
    }
}
