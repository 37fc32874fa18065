//! Where a page leads: the targets of its links, and the text that is shown for each.

use std::borrow::Cow;

use super::flow::{Flow, Gap};
use super::url::{URL_BYTES, cut, is_relative, join};

/// Bytes of shown text that are kept per link.
const SHOWN_BYTES: usize = 1024;

/// The links of a page, in order.
#[derive(Debug)]
pub(super) struct Links {
    found: Vec<(String, String)>,
    limit: usize,
    cut: bool,
    /// Index of the open link, and its shown text.
    open: Option<(usize, Flow)>,
    /// What relative targets are relative to.
    base: Option<String>,
}

impl Links {
    /// At most `limit` of them.
    pub(super) fn new(limit: usize) -> Links {
        Links {
            found: Vec::new(),
            limit,
            cut: false,
            open: None,
            base: None,
        }
    }

    /// Target and shown text of each, and whether the limit cut some off.
    pub(super) fn finish(mut self) -> (Vec<(String, String)>, bool) {
        self.close();
        (self.found, self.cut)
    }

    /// Relative targets are relative to this one from here on; the first counts.
    pub(super) fn set_base(&mut self, base: Option<&str>) {
        if self.base.is_none() {
            self.base = base.map(str::to_owned);
        }
    }

    /// Something that leads elsewhere, or is loaded.
    pub(super) fn add(&mut self, target: &str) {
        if self.found.len() >= self.limit {
            self.cut = true;
            return;
        }
        let target = target.trim();
        let joined = match &self.base {
            Some(base) if is_relative(target) => Cow::Owned(join(base, target)),
            _ => Cow::Borrowed(target),
        };
        self.found
            .push((cut(&joined, URL_BYTES * 2).to_owned(), String::new()));
    }

    /// A link starts, and ends the one before.
    pub(super) fn open(&mut self, target: Option<&str>) {
        self.close();
        let Some(target) = target else {
            return;
        };
        self.add(target);
        if !self.cut {
            let shown = Flow::new(SHOWN_BYTES);
            self.open = Some((self.found.len().saturating_sub(1), shown));
        }
    }

    /// The open link ends.
    pub(super) fn close(&mut self) {
        if let Some((index, shown)) = self.open.take()
            && let Some((_, text)) = self.found.get_mut(index)
        {
            *text = shown.text;
        }
    }

    /// Text that is shown, for the open link too.
    pub(super) fn say(&mut self, text: &str) {
        if let Some((_, shown)) = &mut self.open {
            shown.push(text);
        }
    }

    /// Blocks do not end a link.
    pub(super) fn gap(&mut self) {
        if let Some((_, shown)) = &mut self.open {
            shown.gap(Gap::Space);
        }
    }
}
