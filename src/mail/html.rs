//! HTML as a reader sees it: visible text, hidden text, links. Linear, no tree, so no depth bomb.
//!
//! In: the text of one HTML part. Out: [`Rendered`]. The tokenizer (html5gum, the WHATWG tokenizer)
//! hands over tags and text; open elements are a stack of at most 256 entries, deeper ones are only
//! counted. What browsers do not show is kept apart, because it is there to mislead a filter: text
//! that is not displayed, transparent, tiny, of the colour of its ground, or hidden by a style sheet.
//! `mso-hide:all` alone does not hide, since only Outlook knows it and buttons use it. In doubt text
//! counts as visible: elements that the WHATWG parser closes by itself are closed here too, and behind
//! more open elements than the stack holds nothing counts as hidden.

use super::page::Page;
use super::{Limits, markup};

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
    let mut page = Page::new(limits);
    markup::read(html, &mut page);
    page.finish()
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
        for unit in markup::BOMBS {
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
