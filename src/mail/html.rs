//! HTML as a reader sees it: visible text, hidden text, links. Linear, no tree, so no depth bomb.
//!
//! In: the text of one HTML part. Out: [`Rendered`]. The tokenizer (html5gum, the WHATWG tokenizer)
//! hands over tags and text; open elements are a stack of at most 256 entries, deeper ones are only
//! counted. What browsers do not show is kept apart, because it is there to mislead a filter: text
//! that is not displayed, transparent, tiny, of the colour of its ground, or hidden by a style sheet.
//! `mso-hide:all` alone does not hide, since only Outlook knows it and buttons use it. In doubt text
//! counts as visible: elements that the WHATWG parser closes by itself are closed here too, and behind
//! more open elements than the stack holds nothing counts as hidden.

use std::borrow::Cow;
use std::convert::Infallible;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use super::Limits;
use super::element::{Attribute, Tag, gap_of, implied_end, is_void};
use super::flow::{Flow, Gap};
use super::sight::Sight;
use super::style::{Color, Ground, Sheet, Style};
use super::url::{URL_BYTES, cut, is_relative, join};

/// Open elements whose state is kept.
const DEPTH: usize = 256;
/// Bytes of shown text that are kept per link.
const SHOWN_BYTES: usize = 1024;
/// Bytes of style sheets that are read.
const SHEET_BYTES: usize = 256 * 1024;

/// What one HTML part says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rendered {
    /// Text that a reader sees, blocks separated by line ends, white space folded, characters
    /// without width left out, images by their alternative text.
    pub(super) visible: String,
    /// Text that a reader does not see (`display:none`, zero size, same colour as its ground).
    pub(super) hidden: String,
    /// Link targets with the text shown for them (empty for images and forms), in order.
    pub(super) links: Vec<(String, String)>,
    /// Whether a limit cut text off.
    pub(super) text_cut: bool,
    /// Whether a limit cut links off.
    pub(super) links_cut: bool,
}

/// Renders `html` to text, within the limits of text and URLs.
pub(super) fn render(html: &str, limits: &Limits) -> Rendered {
    let html = shown_noscript(html);
    let mut page = Page::new(limits);
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| {
        page.event(event);
        None::<Infallible>
    });
    emitter.naively_switch_states(true);
    // Reading from memory has no errors, and the emitter yields nothing: this runs to the end.
    for token in Tokenizer::new_with_emitter(html.as_ref(), emitter) {
        let Ok(_) = token;
    }
    page.finish()
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

/// Element whose text is not markup, and is not shown as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raw {
    Sheet,
    Dropped,
}

struct Page {
    visible: Flow,
    hidden: Flow,
    links: Vec<(String, String)>,
    links_limit: usize,
    links_cut: bool,
    /// Index of the open link, and its shown text.
    link: Option<(usize, Flow)>,
    stack: Vec<(u64, Sight)>,
    /// Open elements beyond the stack.
    deeper: usize,
    /// Whether there were any, so that it is not known what an end tag closes.
    lost: bool,
    tag: Option<Tag>,
    raw: Option<Raw>,
    sheet: Sheet,
    sheet_bytes: usize,
    base: Option<String>,
}

impl Page {
    fn new(limits: &Limits) -> Page {
        Page {
            visible: Flow::new(limits.text_bytes),
            hidden: Flow::new(limits.text_bytes),
            links: Vec::new(),
            links_limit: limits.urls.saturating_mul(4),
            links_cut: false,
            link: None,
            stack: Vec::new(),
            deeper: 0,
            lost: false,
            tag: None,
            raw: None,
            sheet: Sheet::default(),
            sheet_bytes: SHEET_BYTES,
            base: None,
        }
    }

    fn finish(mut self) -> Rendered {
        self.close_link();
        Rendered {
            text_cut: self.visible.cut || self.hidden.cut,
            visible: self.visible.text,
            hidden: self.hidden.text,
            links: self.links,
            links_cut: self.links_cut,
        }
    }

    fn event(&mut self, event: CallbackEvent<'_>) {
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

    fn sight(&self) -> Sight {
        self.stack.last().map_or(Sight::PAGE, |(_, sight)| *sight)
    }

    /// Text in the current element.
    fn say(&mut self, text: &str) {
        if self.sight().hidden() && !self.lost {
            self.hidden.push(text);
            return;
        }
        self.visible.push(text);
        if let Some((_, shown)) = &mut self.link {
            shown.push(text);
        }
    }

    fn gap(&mut self, gap: Gap) {
        self.visible.gap(gap);
        self.hidden.gap(gap);
        if let Some((_, shown)) = &mut self.link {
            shown.gap(Gap::Space);
        }
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
        if self.deeper == 0 {
            self.close_implied(name);
        }
        let style = tag.get(Attribute::Style).map(Style::parse);
        let sight = self.sight_in(tag, style.as_ref());
        self.targets(tag, style.as_ref());
        if is_void(name) {
            if !sight.hidden() {
                self.replaced(tag);
            }
            return;
        }
        if self.stack.len() < DEPTH {
            self.stack.push((key(name), sight));
        } else {
            self.deeper += 1;
            self.lost = true;
        }
    }

    fn close(&mut self, name: &[u8]) {
        if let Some(gap) = gap_of(name) {
            self.gap(gap);
        }
        if name == b"a" {
            self.close_link();
        }
        if self.deeper > 0 {
            self.deeper -= 1;
            return;
        }
        let key = key(name);
        if let Some(at) = self.stack.iter().rposition(|(k, _)| *k == key) {
            self.stack.truncate(at);
        }
    }

    /// Closes what ends where an element of that name starts (WHATWG HTML, section 13.2.6).
    fn close_implied(&mut self, name: &[u8]) {
        let Some((ends, within)) = implied_end(name) else {
            return;
        };
        let within = |k: u64| within.iter().any(|n| key(n) == k);
        let ends = |k: u64| ends.iter().any(|n| key(n) == k);
        let found = self
            .stack
            .iter()
            .enumerate()
            .rev()
            .take_while(|(_, (k, _))| !within(*k))
            .find(|(_, (k, _))| ends(*k))
            .map(|(at, _)| at);
        if let Some(at) = found {
            self.stack.truncate(at);
        }
    }

    /// What holds inside of `tag`.
    fn sight_in(&self, tag: &Tag, style: Option<&Style>) -> Sight {
        let mut sight = self.sight();
        let classes = tag.get(Attribute::Class);
        let id = tag.get(Attribute::Id);
        sight.gone |= tag.get(Attribute::Hidden).is_some()
            || tag.name == b"template"
            || classes.is_some_and(|c| self.sheet.hides_class(c))
            || id.is_some_and(|i| self.sheet.hides_id(i));
        if self.sheet.grounds && (classes.is_some() || id.is_some()) {
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
            b"a" => {
                self.close_link();
                if let Some(href) = href {
                    self.link(href);
                    if !self.links_cut {
                        let shown = Flow::new(SHOWN_BYTES);
                        self.link = Some((self.links.len().saturating_sub(1), shown));
                    }
                }
            }
            b"base" if self.base.is_none() => self.base = href.map(str::to_owned),
            b"base" => {}
            b"meta" => {
                // `<meta http-equiv="refresh" content="0; url=...">`
                let content = tag.get(Attribute::Content).unwrap_or_default();
                let at = content.to_ascii_lowercase().find("url=");
                if let Some(target) = at.and_then(|at| content.get(at + 4..)) {
                    self.link(target.trim_matches(['"', '\'', ' ']));
                }
            }
            _ => {
                if let Some(href) = href {
                    self.link(href);
                }
            }
        }
        for attribute in [Attribute::Source, Attribute::Action, Attribute::Background] {
            if let Some(target) = tag.get(attribute) {
                self.link(target);
            }
        }
        for target in style.iter().flat_map(|s| &s.urls) {
            self.link(target);
        }
    }

    fn link(&mut self, target: &str) {
        if self.links.len() >= self.links_limit {
            self.links_cut = true;
            return;
        }
        let target = target.trim();
        let joined = match &self.base {
            Some(base) if is_relative(target) => Cow::Owned(join(base, target)),
            _ => Cow::Borrowed(target),
        };
        self.links
            .push((cut(&joined, URL_BYTES * 2).to_owned(), String::new()));
    }

    fn close_link(&mut self) {
        if let Some((index, shown)) = self.link.take()
            && let Some((_, text)) = self.links.get_mut(index)
        {
            *text = shown.text;
        }
    }
}

/// A name as a number that is compared fast (FNV-1a).
fn key(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> Rendered {
        render(html, &Limits::default())
    }

    fn visible(html: &str) -> String {
        page(html).visible
    }

    #[test]
    fn blocks_break_lines_and_white_space_is_folded() {
        for (html, text) in [
            ("<p>one<p>two", "one\ntwo"),
            ("a<br>b<BR/>c", "a\nb\nc"),
            ("<b>w</b>ord <i> x </i>", "word x"),
            ("<div>a</div>\n\n<div> b&nbsp;&amp; c</div>", "a\nb & c"),
            ("<table><tr><td>a<td>b<tr><td>c</table>", "a b\nc"),
            ("<ul><li>a<li>b</ul>c", "a\nb\nc"),
            ("V\u{200b}i&#8203;a&shy;gra", "Viagra"),
            ("plain text", "plain text"),
            ("<select><option>a<option>b</select>", "a\nb"),
            ("a<!-- comment -->b<![CDATA[x]]>", "ab"),
            ("<a>1 < 2</a", "1 < 2"),
        ] {
            assert_eq!(visible(html), text, "{html}");
        }
    }

    #[test]
    fn what_is_no_text_is_dropped() {
        for html in [
            "<script>var x = '<p>no</p>';</script>yes",
            "<style>.a{color:red}</style>yes",
            "<head><title>no</title></head>yes",
            "<template>no</template>yes",
            "<iframe>no</iframe>yes",
            "<textarea></textarea>yes",
            "<input type=hidden value=no>yes",
        ] {
            let page = page(html);
            assert_eq!(page.visible.trim(), "yes", "{html}");
        }
        assert_eq!(visible("<head>no end of head<p>yes"), "no end of head\nyes");
        assert_eq!(visible("<NoScript><b>yes</b></noscript>!"), "yes!");
    }

    #[test]
    fn hidden_text_stands_apart() {
        for html in [
            "<p style='display:none'>no</p>yes",
            "<span style=\"visibility: hidden\">no</span>yes",
            "<div style=font-size:0>no</div>yes",
            "<font color=#ffffff>no</font>yes",
            "<div style='color:#fefefe'>no</div>yes",
            "<table bgcolor=#336699><tr><td><font color=336699>no</font></table>yes",
            "<div style='background:#000'><span style='color:black'>no</span></div>yes",
            "<div hidden>no<b>no</b></div>yes",
            "<div style='max-height:0;overflow:hidden;mso-hide:all'>no</div>yes",
            "<style>.x{display:none}</style><p class='a x'>no</p>yes",
            "<span style='display:none'><img alt=no></span>yes",
            "<div style='color:transparent'>no</div>yes",
            "<div style='opacity:0'><div style='opacity:1'>no</div></div>yes",
        ] {
            let page = page(html);
            assert_eq!(page.visible, "yes", "{html}");
            if !html.contains("alt") {
                assert!(page.hidden.starts_with("no"), "{html}");
            }
        }
    }

    #[test]
    fn text_that_a_reader_sees_is_never_taken_for_hidden() {
        let unclosed = format!("<div style=display:none>{}</div>yes", "<b>".repeat(300));
        for html in [
            "<p style='display:none'>no<div>yes</div>",
            "<table><tr><td hidden>no<tr><td>yes</table>",
            "<table><tr><td hidden>no<td>yes</table>",
            "<ul><li hidden>no<li>yes</ul>",
            "<div hidden>no</span></div>yes",
            "<div hidden>no<p>no</div>yes",
            "<div style='visibility:hidden'>no<b style='visibility:visible'>yes</b></div>",
            "<div style='font-size:0'>no<b style='font-size:12px'>yes</b></div>",
            "<div style='background:#000'><p style='color:#fff'>yes</p></div>",
            "<td background=x.png><font color=white>yes</font></td>",
            "<style>.b{background:#000}</style><p class=b><font color=white>yes</font>",
            "<img style='display:none'>yes",
            "<br hidden>yes",
            &unclosed,
        ] {
            assert_eq!(visible(html), "yes", "{html}");
        }
    }

    #[test]
    fn links_have_targets_and_shown_text() {
        let page = page(
            "<base href='http://base.example/dir/page'>\
             <a href=' http://evil.example/x '>Go to <b>www.bank.example</b></a>\
             <a href=http://open.example>no end <a href=sub>two</a>\
             <a href='http://img.example'><img src=http://pic.example/a.png alt='Click'></a>\
             <form action=http://form.example></form><area href=//area.example>\
             <td background=http://bg.example><div style='background:url(\"http://css.example/x\")'>\
             <meta http-equiv=refresh content='0; URL=http://meta.example'>\
             <a href='http://e.example/?a&amp;b=1'></a>",
        );
        let links: Vec<_> = page
            .links
            .iter()
            .map(|(t, s)| (t.as_str(), s.as_str()))
            .collect();
        assert_eq!(
            links,
            [
                ("http://evil.example/x", "Go to www.bank.example"),
                ("http://open.example", "no end"),
                ("http://base.example/dir/sub", "two"),
                ("http://img.example", "Click"),
                ("http://pic.example/a.png", ""),
                ("http://form.example", ""),
                ("//area.example", ""),
                ("http://bg.example", ""),
                ("http://css.example/x", ""),
                ("http://meta.example", ""),
                ("http://e.example/?a&b=1", ""),
            ]
        );
    }

    #[test]
    fn bombs_take_bounded_time_and_memory() {
        let limits = Limits {
            text_bytes: 1000,
            urls: 10,
            ..Limits::default()
        };
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
        ] {
            let page = render(&unit.repeat(500_000 / unit.len()), &limits);
            assert!(page.visible.len() <= 1000 && page.links.len() <= 40);
        }
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }

    #[test]
    fn limits_are_told() {
        let limits = Limits {
            text_bytes: 20,
            urls: 1,
            ..Limits::default()
        };
        let html = "<a href=http://a.example>".repeat(10) + &"word ".repeat(10);
        let page = render(&html, &limits);
        assert!(page.text_cut && page.links_cut);
        assert!(page.visible.len() <= 20);
    }
}
