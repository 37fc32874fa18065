//! Text from outside, made harmless for a terminal and for the reader of a page: no control characters, no escape sequences, nothing that
//! turns the direction of writing or hides itself.

use std::path::Path;

/// At most `max` characters of `text`, escaped as Rust writes them (`\n`, `\u{202e}`); a cut is shown by `…`.
/// The result is one line.
pub(crate) fn printable(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for (i, c) in text.chars().enumerate() {
        if i >= max {
            out.push('…');
            break;
        }
        if c == '\\' || deceives(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A path for a terminal, a log or a page: file names come from elsewhere.
pub(crate) fn printable_path(path: &Path) -> String {
    printable(&path.display().to_string(), 300)
}

/// Text as HTML and SVG show it, also within a quoted attribute: markup and quotes as references, characters that deceive as Rust
/// writes them.
pub(crate) fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match reference(c) {
            Some(reference) => out.push_str(reference),
            None if deceives(c) => out.extend(c.escape_default()),
            None => out.push(c),
        }
    }
    out
}

/// What stands in HTML and SVG for a character that would be markup or end an attribute.
pub(crate) fn reference(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    }
}

/// A line of a file that an admin wrote, as it stands but for characters that deceive; at most `max`
/// characters.
pub(crate) fn visible(line: &str, max: usize) -> String {
    let mut out = String::with_capacity(line.len());
    for (i, c) in line.chars().enumerate() {
        if i >= max {
            out.push('…');
            break;
        }
        match c {
            '\t' => out.push_str("    "),
            c if deceives(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that act on a terminal or on the reader's eye instead of being seen.
pub(crate) fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            // Zero width, marks of direction, line and paragraph separators, embeddings, isolates.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_the_terminal() {
        for (text, shown) in [
            ("plain", "plain"),
            ("Grüße 你好", "Grüße 你好"),
            ("a\r\nb\tc\0", "a\\r\\nb\\tc\\u{0}"),
            ("\u{1b}[2J\u{9b}31m\u{7f}", "\\u{1b}[2J\\u{9b}31m\\u{7f}"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            (
                "a\u{200b}b\u{feff}\u{2066}",
                "a\\u{200b}b\\u{feff}\\u{2066}",
            ),
            ("\\n", "\\\\n"),
            ("$(id) 'x' \"y\"", "$(id) 'x' \"y\""),
        ] {
            assert_eq!(printable(text, 100), shown);
        }
        assert_eq!(printable("abcdef", 3), "abc…");
    }

    #[test]
    fn nothing_is_markup() {
        assert_eq!(
            markup("<a b='c\"&\u{1b}\u{202e}"),
            "&lt;a b=&#39;c&quot;&amp;\\u{1b}\\u{202e}"
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_one_harmless_line(text in ".*") {
            let shown = printable(&text, 10_000);
            proptest::prop_assert!(!shown.chars().any(deceives));
        }
    }
}
