//! HTML from outside, made safe for a page of our own: [`SafeHtml`].
//!
//! In: the text of one HTML part. Out: HTML that shows what it says and can do nothing. The way is not to
//! look for what is dangerous but to write a new page: every tag in it stands in this file, none has another
//! attribute than one of our classes, and everything that comes from outside is escaped text. So there is
//! nothing that runs, loads, sends, leads anywhere or covers anything, whatever was written.
//!
//! - Links become their text with the real target behind it, as text.
//! - Pictures, frames, forms and fields become marks that say what was there.
//! - Text that a reader would not see is shown, marked as hidden.
//! - Characters that turn the direction or act become marks; those without width are left out.
//!
//! Linear, without a tree: a page of open formatting elements costs a tree builder that follows the standard
//! the product of their number and that of the paragraphs, because each paragraph opens all of them anew.

mod page;
mod tag;
#[cfg(test)]
mod tests;
mod writer;

use serde::Serialize;

use super::markup;
use page::SafePage;
use writer::Writer;

/// What a page says, safe to be shown within a page of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SafeHtml {
    /// Elements without attributes but `class`: `link`, `target`, `mark`, `hidden`. Whole and nested well.
    pub html: String,
    /// Whether the limit cut something off.
    pub cut: bool,
    /// What was left out.
    pub removed: Removed,
}

/// What was left out of a page, each with its number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Scripts, and attributes and addresses that hold one.
    pub scripts: usize,
    /// Pictures, style sheets, fonts, sound and other things that would have been loaded from elsewhere.
    pub remote: usize,
    /// Frames, objects and applets.
    pub frames: usize,
    /// Forms.
    pub forms: usize,
    /// Texts that a reader would not have seen; they are shown, marked.
    pub hidden: usize,
    /// Characters that turn the direction, act, or cannot be seen.
    pub characters: usize,
}

/// Makes `html` safe; the result is at most some `limit` bytes long.
pub fn safe_html(html: &str, limit: usize) -> SafeHtml {
    let mut page = SafePage::new(limit);
    markup::read(html, &mut page);
    page.finish()
}

/// Plain text made safe in the same way: line ends stay, the rest is escaped.
pub fn safe_text(text: &str, limit: usize) -> SafeHtml {
    let mut page = Writer::new(limit);
    page.say(text);
    page.finish(Removed::default())
}
