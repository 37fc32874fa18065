//! What can stand in a page that was made safe, whatever came in.
#![allow(clippy::string_slice)]

mod attacks;

use super::super::markup::BOMBS;
use super::*;
use crate::printable::deceives;
use attacks::ATTACKS;

fn safe(html: &str) -> SafeHtml {
    safe_html(html, 1 << 20)
}

/// Tags of the new page that have an end.
const OURS: &str = "p div b i u s sub sup small code pre blockquote h3 h4 h5 ul ol li dl dt dd \
    table thead tbody tfoot tr td th caption";

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
                if !OURS.split(' ').any(|ours| ours == name) {
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
    for unit in BOMBS {
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
