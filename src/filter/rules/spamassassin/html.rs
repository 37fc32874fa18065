//! HTML as SpamAssassin renders it: the text with white space for block elements, and the URIs of its tags.

use super::entity;
use super::html_tag::{Piece, Pieces, is_space};
use super::uri_relative::target;

/// Longest URI that is kept, characters.
const URI_CHARS: usize = 8192;

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
    for piece in Pieces::new(&source) {
        match piece {
            Piece::Text { text, raw } => page.text(text, raw),
            Piece::Start(name, attributes) => page.start(&name, &attributes),
            Piece::End(name) => page.end(&name),
            Piece::Other => {}
        }
    }
    Rendered {
        wide: page.out.chars().any(|c| c > '\u{ff}'),
        text: page.out,
        uris: page.uris,
    }
}

/// Non-breaking spaces are plain ones, `<br/>` is `<br>`, curly quotes are straight.
fn prepared(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find(['&', '<', '\u{201c}', '\u{201d}']) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        rest = tail;
        if let Some(after) = rest.strip_prefix("&nbsp;") {
            out.push(' ');
            rest = after;
        } else if let Some(after) = rest.strip_prefix(['\u{201c}', '\u{201d}']) {
            out.push('"');
            rest = after;
        } else if let Some((name, after)) = self_closing(rest) {
            out.push('<');
            out.push_str(name);
            out.push('>');
            rest = after;
        } else {
            let (first, after) = rest.split_at_checked(1).unwrap_or((rest, ""));
            out.push_str(first);
            rest = after;
        }
    }
    out.push_str(rest);
    out
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
        let mut blank = false;
        for c in text.chars() {
            if is_space(c) {
                blank = true;
                continue;
            }
            if blank && !(self.out.len() == start && self.last == Last::Space) {
                self.out.push(' ');
            }
            blank = false;
            self.out.push(c);
        }
        if blank && !(self.out.len() == start && self.last == Last::Space) {
            self.out.push(' ');
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

    fn start(&mut self, name: &str, attributes: &[(String, String)]) {
        match name {
            "script" => self.script += 1,
            "style" => self.style += 1,
            _ => {}
        }
        self.space(name);
        let value = |wanted: &str| {
            let slashed = format!("/{wanted}");
            attributes
                .iter()
                .rev()
                .find(|(name, _)| name == wanted || name.ends_with(&slashed))
                .map(|(_, value)| value.as_str())
        };
        match name {
            "body" | "table" | "tr" | "td" => self.uri(value("background")),
            "a" | "area" | "link" => {
                let href = value("href").map(|h| h.replace('\u{feff}', ""));
                if name == "a" {
                    // An anchor is known by what is written, beside where it leads.
                    self.push(clean(href.as_deref().unwrap_or_default()));
                }
                self.uri(href.as_deref());
                self.uri(value("data-saferedirecturl"));
            }
            "img" | "frame" | "iframe" | "embed" | "script" | "bgsound" => self.uri(value("src")),
            "form" => self.uri(value("action")),
            "base" => self.base(value("href").map(clean).unwrap_or_default()),
            "meta" => self.refresh(value("http-equiv"), value("content")),
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
