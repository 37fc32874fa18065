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

use std::convert::Infallible;
use std::fmt::Write as _;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use super::content::changes_direction;
use super::element::{Attribute, Tag, implied_end, is_void};
use super::html::shown_noscript;
use super::nesting::Nesting;
use super::page::sight_in;
use super::style::{Sheet, Style};
use super::url::{is_relative, join};
use crate::printable::{deceives, reference};

/// Open elements of the new page; the text of deeper ones stands in the last.
const DEPTH: usize = 64;
/// Bytes of style sheets that are read.
const SHEET_BYTES: usize = 256 * 1024;
/// Characters of a target, a name or another text in a mark.
const MARK_CHARS: usize = 300;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    let html = shown_noscript(html);
    let mut page = SafePage::new(limit);
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| {
        page.event(event);
        None::<Infallible>
    });
    emitter.naively_switch_states(true);
    for token in Tokenizer::new_with_emitter(html.as_ref(), emitter) {
        let Ok(_) = token;
    }
    page.finish()
}

/// Plain text made safe in the same way: line ends stay, the rest is escaped.
pub fn safe_text(text: &str, limit: usize) -> SafeHtml {
    let mut page = SafePage::new(limit);
    page.say(text);
    page.finish()
}

/// The tag that stands for an element; `None` for one that is passed over, its text not.
fn tag_for(name: &[u8]) -> Option<&'static str> {
    Some(match name {
        b"p" => "p",
        b"div" | b"center" | b"section" | b"article" | b"header" | b"footer" | b"main" | b"nav"
        | b"aside" | b"address" | b"fieldset" | b"form" | b"figure" | b"figcaption"
        | b"details" | b"summary" | b"legend" | b"option" | b"optgroup" | b"select"
        | b"textarea" => "div",
        b"b" | b"strong" => "b",
        b"i" | b"em" | b"cite" | b"dfn" => "i",
        b"u" | b"ins" => "u",
        b"s" | b"strike" | b"del" => "s",
        b"sub" => "sub",
        b"sup" => "sup",
        b"small" => "small",
        b"code" | b"tt" | b"kbd" | b"samp" => "code",
        b"pre" | b"listing" | b"xmp" | b"plaintext" => "pre",
        b"blockquote" => "blockquote",
        b"h1" | b"h2" => "h3",
        b"h3" | b"h4" => "h4",
        b"h5" | b"h6" => "h5",
        b"ul" | b"dir" | b"menu" => "ul",
        b"ol" => "ol",
        b"li" => "li",
        b"dl" => "dl",
        b"dt" => "dt",
        b"dd" => "dd",
        b"table" => "table",
        b"thead" => "thead",
        b"tbody" => "tbody",
        b"tfoot" => "tfoot",
        b"tr" => "tr",
        b"td" => "td",
        b"th" => "th",
        b"caption" => "caption",
        _ => return None,
    })
}

/// Elements whose text is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raw {
    Sheet,
    Dropped,
}

/// An open element of the new page.
struct Open {
    name: Vec<u8>,
    /// `None` for a link.
    tag: Option<&'static str>,
    target: String,
}

struct SafePage {
    out: String,
    limit: usize,
    cut: bool,
    removed: Removed,
    open: Vec<Open>,
    nesting: Nesting,
    sheet: Sheet,
    sheet_bytes: usize,
    tag: Option<Tag>,
    raw: Option<Raw>,
    base: Option<String>,
}

impl SafePage {
    fn new(limit: usize) -> SafePage {
        SafePage {
            out: String::new(),
            limit,
            cut: false,
            removed: Removed::default(),
            open: Vec::new(),
            nesting: Nesting::default(),
            sheet: Sheet::default(),
            sheet_bytes: SHEET_BYTES,
            tag: None,
            raw: None,
            base: None,
        }
    }

    fn finish(mut self) -> SafeHtml {
        self.close_down_to(0);
        SafeHtml {
            html: self.out,
            cut: self.cut,
            removed: self.removed,
        }
    }

    fn event(&mut self, event: CallbackEvent<'_>) {
        match event {
            CallbackEvent::OpenStartTag { name } => self.tag = Some(Tag::new(name)),
            CallbackEvent::AttributeName { name } => {
                if name.starts_with(b"on") {
                    self.removed.scripts += 1;
                }
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
                self.nesting.close(name);
                self.close(name);
            }
            CallbackEvent::String { value } => self.text(value),
            _ => {}
        }
    }

    fn text(&mut self, value: &[u8]) {
        match self.raw {
            Some(Raw::Dropped) => {}
            Some(Raw::Sheet) => {
                let css = value.get(..self.sheet_bytes).unwrap_or(value);
                self.sheet_bytes = self.sheet_bytes.saturating_sub(css.len());
                self.sheet.read(&String::from_utf8_lossy(css));
            }
            None => {
                let text = String::from_utf8_lossy(value);
                if self.nesting.hides() && !text.trim().is_empty() {
                    self.removed.hidden += 1;
                    self.write("<span class=\"hidden\">");
                    self.say(&text);
                    self.out.push_str("</span>");
                } else {
                    self.say(&text);
                }
            }
        }
    }

    /// Writes markup of our own, unless the page is full.
    fn write(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    fn is_full(&mut self) -> bool {
        self.cut |= self.out.len() >= self.limit;
        self.cut
    }

    /// Writes text from outside.
    fn say(&mut self, text: &str) {
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
                self.removed.characters += 1;
                let _ = write!(
                    self.out,
                    "<span class=\"mark\">U+{:04X}</span>",
                    u32::from(c)
                );
            }
            c if deceives(c) => self.removed.characters += 1,
            c => self.out.push(c),
        }
    }

    /// A mark in brackets: words of ours, and text from outside.
    fn mark(&mut self, words: &'static str, text: &str) {
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

    fn open(&mut self, tag: &Tag) {
        let name = tag.name.as_slice();
        self.raw = match name {
            b"style" => Some(Raw::Sheet),
            b"script" | b"title" | b"iframe" | b"noembed" | b"noframes" => Some(Raw::Dropped),
            _ => None,
        };
        self.nesting.close_implied(name);
        let style = tag.get(Attribute::Style).map(Style::parse);
        let sight = sight_in(&self.nesting, &self.sheet, tag, style.as_ref());
        if let Some(style) = &style {
            self.removed.remote += style.urls.len();
        }
        if tag.get(Attribute::Background).is_some() {
            self.removed.remote += 1;
        }
        if !is_void(name) {
            self.nesting.open(name, sight);
        }
        self.close_implied(name);
        if self.is_full() {
            return;
        }
        self.element(name, tag);
    }

    fn element(&mut self, name: &[u8], tag: &Tag) {
        let source = tag.get(Attribute::Source).unwrap_or_default();
        match name {
            b"script" => self.removed.scripts += 1,
            b"br" => self.write("<br>"),
            b"hr" => self.write("<hr>"),
            b"img" | b"image" => self.picture(tag, source),
            b"a" | b"area" => self.link(tag, name == b"a"),
            b"base" => {
                if self.base.is_none() {
                    self.base = tag.get(Attribute::Href).map(str::to_owned);
                }
            }
            b"iframe" | b"frame" | b"object" | b"embed" | b"applet" | b"portal" => {
                self.removed.frames += 1;
                self.mark("frame", &self.target(source));
            }
            b"link" | b"video" | b"audio" | b"source" | b"track" | b"bgsound" => {
                self.removed.remote += 1;
            }
            b"meta" => {
                let content = tag.get(Attribute::Content).unwrap_or_default();
                if content.to_ascii_lowercase().contains("url=") {
                    self.mark("would go on to another page", content);
                }
            }
            b"form" => {
                self.removed.forms += 1;
                self.push(name, "div");
                let action = self.target(tag.get(Attribute::Action).unwrap_or_default());
                self.mark("form that sends what is written to", &action);
            }
            b"input" => self.field(tag),
            _ => {
                if let Some(tag) = tag_for(name) {
                    self.push(name, tag);
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
        self.mark(words, &text);
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
        if !has_text {
            self.mark("link", &target);
        } else if self.open.len() < DEPTH {
            self.write("<span class=\"link\">");
            self.open.push(Open {
                name: b"a".to_vec(),
                tag: None,
                target,
            });
        } else {
            self.mark("link", &target);
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
            "submit" | "button" | "reset" | "image" => self.mark("button", value),
            "password" => self.mark("field for a password", ""),
            _ => self.mark("field", value),
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

    fn push(&mut self, name: &[u8], tag: &'static str) {
        if self.open.len() >= DEPTH {
            return;
        }
        self.out.push('<');
        self.out.push_str(tag);
        self.out.push('>');
        self.open.push(Open {
            name: name.to_vec(),
            tag: Some(tag),
            target: String::new(),
        });
    }

    fn close(&mut self, name: &[u8]) {
        if let Some(at) = self.open.iter().rposition(|o| o.name == name) {
            self.close_down_to(at);
        }
    }

    fn close_implied(&mut self, name: &[u8]) {
        let Some((ends, within)) = implied_end(name) else {
            return;
        };
        let found = self
            .open
            .iter()
            .enumerate()
            .rev()
            .take_while(|(_, o)| !within.contains(&o.name.as_slice()))
            .find(|(_, o)| ends.contains(&o.name.as_slice()))
            .map(|(at, _)| at);
        if let Some(at) = found {
            self.close_down_to(at);
        }
    }

    /// Ends the innermost elements, so that what is open is always nested well.
    fn close_down_to(&mut self, at: usize) {
        while self.open.len() > at {
            let Some(Open { tag, target, .. }) = self.open.pop() else {
                return;
            };
            match tag {
                Some(tag) => {
                    self.out.push_str("</");
                    self.out.push_str(tag);
                    self.out.push('>');
                }
                None => {
                    self.write("</span> <span class=\"target\">");
                    self.say_short(&target);
                    self.write("</span>");
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::string_slice)]
mod tests {
    use super::*;

    fn safe(html: &str) -> SafeHtml {
        safe_html(html, 1 << 20)
    }

    /// Whether nothing but our tags and classes stands in a page, nested well.
    fn harmless(html: &str) -> Result<(), String> {
        let mut open: Vec<String> = Vec::new();
        let mut rest = html;
        while let Some(at) = rest.find(['<', '>']) {
            let (_, tail) = rest.split_at(at);
            let end = tail.find('>').ok_or("a tag without end")?;
            let (tag, behind) = tail.split_at(end + 1);
            let inner = tag
                .strip_prefix('<')
                .ok_or_else(|| format!("lone > at {tail:.60}"))?;
            let inner = inner.trim_end_matches('>');
            match inner {
                "br" | "hr" => {}
                "span class=\"link\""
                | "span class=\"target\""
                | "span class=\"mark\""
                | "span class=\"hidden\"" => open.push("span".to_owned()),
                _ if inner.starts_with('/') => {
                    let last = open.pop().ok_or_else(|| format!("{tag} closes nothing"))?;
                    if Some(last.as_str()) != inner.strip_prefix('/') {
                        return Err(format!("{tag} closes {last}"));
                    }
                }
                name => {
                    let ours = [
                        "p",
                        "div",
                        "b",
                        "i",
                        "u",
                        "s",
                        "sub",
                        "sup",
                        "small",
                        "code",
                        "pre",
                        "blockquote",
                        "h3",
                        "h4",
                        "h5",
                        "ul",
                        "ol",
                        "li",
                        "dl",
                        "dt",
                        "dd",
                        "table",
                        "thead",
                        "tbody",
                        "tfoot",
                        "tr",
                        "td",
                        "th",
                        "caption",
                    ];
                    if !ours.contains(&name) {
                        return Err(format!("<{name}> is none of ours"));
                    }
                    open.push(name.to_owned());
                }
            }
            rest = behind;
        }
        let bad = html
            .chars()
            .find(|c| deceives(*c) && !matches!(c, '\n' | '\t'));
        match (open.as_slice(), bad) {
            ([], None) => Ok(()),
            (open, bad) => Err(format!("open {open:?}, character {bad:?}")),
        }
    }

    #[test]
    fn what_a_page_says_is_kept() {
        for (html, expected) in [
            ("<p>one<p>two", "<p>one</p><p>two</p>"),
            ("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>"),
            ("<b><div>x</b>y</div>", "<b><div>x</div></b>y"),
            ("1 < 2 &amp; \"3\"", "1 &lt; 2 &amp; &quot;3&quot;"),
            ("<span>a</span><font color=red>b</font>", "ab"),
            (
                "<table><tr><td>a<td>b</table>",
                "<table><tr><td>a</td><td>b</td></tr></table>",
            ),
            (
                "<a href='http://evil.example/?a=1&amp;b'>www.bank.example</a>",
                "<span class=\"link\">www.bank.example</span> \
                 <span class=\"target\">http://evil.example/?a=1&amp;b</span>",
            ),
            (
                "<img src=http://t.example/1.gif alt=Logo>",
                "<span class=\"mark\">[picture, not loaded: Logo (http://t.example/1.gif)]</span>",
            ),
            (
                "<p style=display:none>secret</p>",
                "<p><span class=\"hidden\">secret</span></p>",
            ),
            (
                "a\u{202e}b\u{200b}c\0",
                "a<span class=\"mark\">U+202E</span>bc<span class=\"mark\">U+0000</span>",
            ),
        ] {
            let made = safe(html).html;
            assert_eq!(made, expected, "{html}");
            harmless(&made).unwrap();
        }
    }

    /// What came in, and what must not stand in the result.
    const ATTACKS: &[(&str, &[&str])] = &[
        ("<script>alert(1)</script>", &["alert"]),
        ("<ScRiPt src=//x.example/a.js></sCrIpT>x", &["x.example"]),
        ("<script/x>alert(1)</script\n>", &["alert"]),
        ("<scr<script>ipt>alert(1)</script>", &["<scr"]),
        ("<img src=x onerror=alert(1)>", &["onerror", "alert"]),
        ("<svg/onload=alert(1)>", &["svg", "onload"]),
        ("<svg><script>alert(1)</script></svg>", &["alert"]),
        (
            "<svg><style><img src=x onerror=alert(1)></style>",
            &["onerror"],
        ),
        (
            "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
            &["onerror", "<img", "<math"],
        ),
        (
            "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
            &["<form", "<img", "<math"],
        ),
        (
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            &["<img", "title"],
        ),
        (
            "<textarea></textarea><img src=x onerror=alert(1)>",
            &["<textarea", "<img"],
        ),
        (
            "<title><img src=x onerror=alert(1)></title>",
            &["onerror", "<img"],
        ),
        ("<xmp><img src=x onerror=alert(1)></xmp>", &["<xmp", "<img"]),
        (
            "<plaintext><img src=x onerror=alert(1)>",
            &["<plaintext", "<img"],
        ),
        ("<!--><img src=x onerror=alert(1)>-->", &["<img", "<!--"]),
        (
            "<!--[if mso]><img src=x onerror=alert(1)><![endif]-->",
            &["<img", "<!--"],
        ),
        ("<![CDATA[<img src=x onerror=alert(1)>]]>", &["<img"]),
        ("<a href=javascript:alert(1)>x</a>", &["href"]),
        ("<a href='java\nscript:alert(1)'>x</a>", &["href", "\n"]),
        (
            "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
            &["href", "<script"],
        ),
        (
            "<a href='x' style='position:fixed;top:0;left:0;width:100%'>x</a>",
            &["style", "position"],
        ),
        (
            "<base href=//evil.example/><a href=x>y</a>",
            &["<base", "href"],
        ),
        (
            "<meta http-equiv=refresh content='0;url=http://evil.example'>",
            &["<meta", "http-equiv"],
        ),
        (
            "<link rel=stylesheet href=http://evil.example/a.css>",
            &["<link", "evil.example"],
        ),
        (
            "<style>@import 'http://evil.example/a.css'; body{background:url(http://evil.example)}</style>",
            &["evil.example", "import"],
        ),
        (
            "<div style=\"background:url(http://evil.example/x)\">x</div>",
            &["evil.example", "style"],
        ),
        (
            "<body background=http://evil.example/x onload=alert(1)>",
            &["evil.example", "onload"],
        ),
        (
            "<iframe src=http://evil.example></iframe>",
            &["<iframe", "src"],
        ),
        (
            "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
            &["srcdoc", "alert"],
        ),
        (
            "<object data=http://evil.example></object>",
            &["<object", "data="],
        ),
        ("<embed src=http://evil.example>", &["<embed", "src"]),
        (
            "<video poster=http://evil.example><source src=http://evil.example></video>",
            &["evil.example"],
        ),
        (
            "<form action=http://evil.example><input name=password type=password><button formaction=x>go</button></form>",
            &["<form", "<input", "<button", "action="],
        ),
        (
            "<input autofocus onfocus=alert(1)>",
            &["onfocus", "autofocus"],
        ),
        (
            "<p id=top class=\"hidden mark\" name=x>x</p>",
            &["id=", "class", "name"],
        ),
        (
            "</div></div></body></html><script>alert(1)</script>",
            &["</div>", "</body>", "alert"],
        ),
        (
            "<p title='\">x</p><img src=x onerror=alert(1)>'>y</p>",
            &["title", "onerror"],
        ),
        (
            "<img src=\"x` `<script>alert(1)</script>\"` `>",
            &["<script", "<img"],
        ),
        ("<0script>alert(1)</0script>", &["<0"]),
        (
            "<template><script>alert(1)</script><img src=x></template>",
            &["<template", "alert(1)<"],
        ),
        (
            "\u{202e}gpj.exe\u{202c} \u{7}\u{1b}[2J\u{9b}31m",
            &["\u{202e}", "\u{1b}", "\u{7}", "\u{9b}"],
        ),
        (
            "&#x202e;&#8238;&lt;script&gt;alert(1)&lt;/script&gt;",
            &["\u{202e}", "<script"],
        ),
        ("&lt;img src=x onerror=alert(1)&gt;", &["<img"]),
    ];

    #[test]
    fn no_attack_survives() {
        for (html, never) in ATTACKS {
            let made = safe(html);
            harmless(&made.html).unwrap_or_else(|why| panic!("{html}: {why}: {}", made.html));
            for part in *never {
                assert!(!made.html.contains(part), "{html}: {part} in {}", made.html);
            }
            // What is safe stays as it is when it is read as a page once more: it says one thing to all.
            harmless(&safe(&made.html).html).unwrap();
        }
    }

    #[test]
    fn what_was_left_out_is_counted() {
        let made = safe(
            "<script>x</script><p onclick=x><a href=' JavaScript:x'>l</a><img src=//a.example/x>\
             <div style='background:url(//b.example/y)'><iframe></iframe><form>\
             <b hidden>no</b>\u{202e}",
        );
        let removed = Removed {
            scripts: 3,
            remote: 2,
            frames: 1,
            forms: 1,
            hidden: 1,
            characters: 1,
        };
        assert_eq!(made.removed, removed, "{}", made.html);
    }

    #[test]
    fn half_a_megabyte_of_anything_costs_linear_time_and_bounded_room() {
        let started = std::time::Instant::now();
        for unit in [
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
            "<![CDATA[",
            "<svg><math>",
        ] {
            let html = unit.repeat(500_000 / unit.len());
            let made = safe_html(&html, 100_000);
            assert!(made.html.len() < 120_000, "{unit}: {}", made.html.len());
            harmless(&made.html).unwrap_or_else(|why| panic!("{unit}: {why}"));
        }
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }

    #[test]
    fn plain_text_keeps_its_lines() {
        let made = safe_text("a <b>\r\n\tc\u{202e}", 1_000);
        assert_eq!(
            made.html,
            "a &lt;b&gt;\n\tc<span class=\"mark\">U+202E</span>"
        );
        assert!(safe_text(&"x".repeat(100), 10).cut);
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_in_harmless_markup_comes_out(
            parts in proptest::collection::vec(
                proptest::prop_oneof![
                    "[<>/a-z \"'=&;!-]{0,12}",
                    ".{0,6}",
                    "<(/)?(p|a|b|div|table|tr|td|script|style|svg|math|title|textarea|xmp|form|img|a href=x|p hidden)>",
                ],
                0..40,
            )
        ) {
            let html = parts.concat();
            let made = safe(&html);
            proptest::prop_assert_eq!(harmless(&made.html), Ok(()), "{}", html);
        }
    }
}
