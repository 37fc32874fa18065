//! HTML as SpamAssassin renders it: the text with white space for block elements, and the URIs of its tags.

use std::borrow::Cow;

use super::entity;
use super::html_tag::{Attribute, Piece, Pieces, is_space};
use super::uri_relative::target;

/// Longest URI that is kept, characters.
const URI_CHARS: usize = 8192;
/// Longest name of an element that means something here, bytes.
const NAME_BYTES: usize = 10;

/// A rendered part.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pub(super) text: String,
    /// URIs of tags, resolved against `<base>`, each once.
    pub(super) uris: Vec<String>,
    /// Whether it holds characters rather than bytes: then all of the body is written as UTF-8. Text in ASCII
    /// with references to Latin-1 stays bytes.
    pub(super) wide: bool,
}

/// Renders a source.
pub(super) fn render(source: &str) -> Rendered {
    let source = prepared(source);
    let mut page = Page::default();
    let mut pieces = Pieces::new(&source);
    let mut lower = [0; NAME_BYTES];
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Text { text, raw } => page.text(text, raw),
            Piece::Start(name) => page.start(known(name, &mut lower), pieces.attributes()),
            Piece::End(name) => page.end(known(name, &mut lower)),
            Piece::Other => {}
        }
    }
    Rendered {
        // Characters beyond Latin-1 begin with such a byte.
        wide: page.out.bytes().any(|b| b >= 0xc4),
        text: page.out,
        uris: page.uris,
    }
}

/// Non-breaking spaces are plain ones, `<br/>` is `<br>`, curly quotes are straight.
fn prepared(source: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    // What is replaced begins with one of these, the last for curly quotes.
    for at in memchr::memchr3_iter(b'&', b'<', 0xe2, source.as_bytes()) {
        let Some(rest) = source.get(at..).filter(|_| at >= copied) else {
            continue;
        };
        let (pieces, behind) = if let Some(behind) = rest.strip_prefix("&nbsp;") {
            ([" ", "", ""], behind)
        } else if let Some(behind) = rest.strip_prefix(['\u{201c}', '\u{201d}']) {
            (["\"", "", ""], behind)
        } else if let Some((name, behind)) = self_closing(rest) {
            (["<", name, ">"], behind)
        } else {
            continue;
        };
        out.push_str(source.get(copied..at).unwrap_or_default());
        out.extend(pieces);
        copied = source.len() - behind.len();
    }
    if copied == 0 {
        return Cow::Borrowed(source);
    }
    out.push_str(source.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// The name of an element in lower case, or nothing where it is longer than those that mean something.
fn known<'b>(name: &str, lower: &'b mut [u8; NAME_BYTES]) -> &'b str {
    let Some(lower) = lower.get_mut(..name.len()) else {
        return "";
    };
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).unwrap_or_default()
}

/// The name of a tag such as `<br />` without attributes, and what follows.
fn self_closing(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix('<')?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    let (name, after) = rest.split_at_checked(end)?;
    let after = after.trim_start().strip_prefix("/>")?;
    (!name.is_empty()).then_some((name, after))
}

#[derive(Default)]
struct Page {
    out: String,
    uris: Vec<String>,
    base: String,
    script: usize,
    style: usize,
    /// What was shown last: nothing, white space of an element, or text.
    last: Last,
    /// Where that begins.
    last_start: usize,
}

#[derive(Default, PartialEq, Eq)]
enum Last {
    #[default]
    Nothing,
    Space,
    Text,
}

impl Page {
    fn text(&mut self, text: &str, raw: bool) {
        if self.script > 0 || self.style > 0 {
            return;
        }
        let text = match raw {
            true => text.into(),
            false => entity::decode(text),
        };
        let start = self.out.len();
        let mut rest = text.as_ref();
        loop {
            let blank = rest.bytes().take_while(|b| is_space(*b)).count();
            if blank > 0 && !(self.out.len() == start && self.last == Last::Space) {
                self.out.push(' ');
            }
            rest = rest.get(blank..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let word = rest.bytes().position(is_space).unwrap_or(rest.len());
            let (word, behind) = rest.split_at_checked(word).unwrap_or((rest, ""));
            self.out.push_str(word);
            rest = behind;
        }
        self.last = Last::Text;
        self.last_start = start;
    }

    fn space(&mut self, name: &str) {
        let space = match name {
            "br" | "div" => "\n",
            "li" | "th" | "td" | "dt" | "dd" | "embed" | "h1" | "h2" | "h3" | "h4" | "h5"
            | "h6" => " ",
            "p" | "hr" | "blockquote" | "pre" | "listing" | "plaintext" | "xmp" | "title" => "\n\n",
            _ => return,
        };
        if self.last == Last::Text && self.out.len() > self.last_start && self.out.ends_with(' ') {
            self.out.pop();
        }
        self.last_start = self.out.len();
        self.out.push_str(space);
        self.last = Last::Space;
    }

    fn end(&mut self, name: &str) {
        match name {
            "script" => self.script = self.script.saturating_sub(1),
            "style" => self.style = self.style.saturating_sub(1),
            _ => {}
        }
        self.space(name);
    }

    fn start(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        match name {
            "script" => self.script += 1,
            "style" => self.style += 1,
            _ => {}
        }
        self.space(name);
        let value = |wanted: &str| {
            let last = attributes.iter().rev().find(|a| a.is(wanted));
            last.map(Attribute::value)
        };
        match name {
            "body" | "table" | "tr" | "td" => self.uri(value("background").as_deref()),
            "a" | "area" | "link" => {
                let href = value("href").map(|h| h.replace('\u{feff}', ""));
                if name == "a" {
                    // An anchor is known by what is written, beside where it leads.
                    self.push(clean(href.as_deref().unwrap_or_default()));
                }
                self.uri(href.as_deref());
                self.uri(value("data-saferedirecturl").as_deref());
            }
            "img" | "frame" | "iframe" | "embed" | "script" | "bgsound" => {
                self.uri(value("src").as_deref())
            }
            "form" => self.uri(value("action").as_deref()),
            "base" => self.base(value("href").map(|h| clean(&h)).unwrap_or_default()),
            "meta" => self.refresh(value("http-equiv").as_deref(), value("content").as_deref()),
            _ => {}
        }
    }

    fn base(&mut self, mut uri: String) {
        if uri.is_empty() {
            return;
        }
        self.uri(Some(&uri));
        let lower = uri.to_ascii_lowercase();
        let Some(scheme) = ["http:", "https:", "ftp:"]
            .iter()
            .find(|s| lower.starts_with(**s))
        else {
            return;
        };
        // A file name at the end is not part of the base.
        let behind = uri.get(scheme.len()..).unwrap_or_default();
        let host = scheme.len() + behind.len() - behind.trim_start_matches('/').len();
        if let Some(slash) = uri.rfind('/').filter(|s| *s > host)
            && let Some((stem, extension)) = uri.get(slash + 1..).and_then(|f| f.split_once('.'))
            && !stem.is_empty()
            && (2..=4).contains(&extension.len())
            && !extension.contains('.')
        {
            uri.truncate(slash + 1);
        }
        if !uri.ends_with('/') {
            uri.push('/');
        }
        self.base = uri;
    }

    fn refresh(&mut self, equivalent: Option<&str>, content: Option<&str>) {
        let (Some(equivalent), Some(content)) = (equivalent, content) else {
            return;
        };
        let lower = content.to_ascii_lowercase();
        if !equivalent.to_ascii_lowercase().contains("refresh") {
            return;
        }
        let Some(at) = lower.rfind("url") else { return };
        let after = content.get(at + 3..).unwrap_or_default().trim_start();
        if let Some(uri) = after.strip_prefix('=') {
            let uri = uri.trim_start().split(';').next().unwrap_or_default();
            self.uri(Some(uri.trim_end()));
        }
    }

    fn uri(&mut self, uri: Option<&str>) {
        let uri = clean(uri.unwrap_or_default());
        if uri.is_empty() {
            return;
        }
        let lower = uri.get(..8).unwrap_or(&uri).to_ascii_lowercase();
        let own = ["data:", "mailto:", "file:", "cid:", "tel:"];
        if own.iter().any(|s| lower.starts_with(s)) {
            self.push(uri);
        } else {
            let resolved = target(&self.base, &uri);
            if !resolved.is_empty() {
                self.push(resolved);
            }
        }
    }

    fn push(&mut self, uri: String) {
        self.uris.push(uri);
    }
}

fn clean(uri: &str) -> String {
    let trimmed = uri.trim_matches(|c: char| c.is_whitespace() || c == '\u{a0}');
    trimmed.chars().take(URI_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_leave_white_space_and_scripts_nothing() {
        let page =
            render("<title>T</title><p>a <b>b</b> </p>c<br/> d<script>x</script><td>e&nbsp; f");
        assert_eq!(page.text, "\n\nT\n\n\n\na b\n\nc\nd e f");
    }

    #[test]
    fn links_are_resolved_and_kept_as_written() {
        let page = render(
            "<base href=http://h.example/d/index.html><a href=' x.html '>y</a><img src=cid:1><meta http-equiv=refresh content='0; URL=http://r.example/'>",
        );
        assert_eq!(
            page.uris,
            [
                "http://h.example/d/index.html",
                "x.html",
                "http://h.example/d/x.html",
                "cid:1",
                "http://r.example/"
            ]
        );
    }
}
