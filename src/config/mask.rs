//! Secrets in a file that is shown. In: the text of a configuration file, in order or not. Out: the same
//! text, byte for byte as long, with `*` in place of the values of every key called `key`.

use std::borrow::Cow;

/// The key whose values are secret.
const KEY: &str = "key";

/// `text` with secrets masked. Places in it stay what they were.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    let mut out: Option<Vec<u8>> = None;
    for (at, _) in text.match_indices(KEY) {
        let Some(start) = value_start(text, at) else {
            continue;
        };
        let end = start + value_length(text, at, start);
        let bytes = out.get_or_insert_with(|| text.as_bytes().to_vec());
        if let Some(value) = bytes.get_mut(start..end) {
            for byte in value.iter_mut().filter(|b| !b.is_ascii_whitespace()) {
                *byte = b'*';
            }
        }
    }
    // Whole characters are masked, so it is UTF-8 still.
    match out.map(String::from_utf8) {
        Some(Ok(text)) => Cow::Owned(text),
        Some(Err(_)) => Cow::Owned("*".repeat(text.len())),
        None => Cow::Borrowed(text),
    }
}

/// Where the value begins, when what stands at `at` is the key.
fn value_start(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?.chars().next_back();
    let is_first = before.is_none_or(|c| c.is_whitespace() || "{,[-\"'?".contains(c));
    let after = at + KEY.len();
    let rest = text.get(after..)?;
    let bare = rest
        .trim_start_matches(['"', '\''])
        .trim_start_matches([' ', '\t']);
    let value = bare.strip_prefix(':')?;
    // The value may stand on the next line.
    let value = value.trim_start();
    is_first.then(|| text.len() - value.len())
}

/// How long the value that begins at `start` is.
fn value_length(text: &str, key: usize, start: usize) -> usize {
    let value = text.get(start..).unwrap_or_default();
    let line = value.split('\n').next().unwrap_or_default();
    let quoted = |quote: char| {
        let inside = value.get(1..)?;
        Some(inside.find(quote).map_or(value.len(), |end| end + 2))
    };
    let length = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(quote),
        _ => {
            let line_start = text.get(..key).and_then(|t| t.rfind('\n')).unwrap_or(0);
            let before = text.get(line_start..key).unwrap_or_default();
            let flow = before.contains(['{', ',']);
            let end = match flow {
                true => line.find([',', '}']),
                false => line.find(" #"),
            };
            end.or(Some(line.len()))
        }
    };
    length.unwrap_or(line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_keys_are_masked_and_places_stay() {
        for (text, shown) in [
            (
                "zones:\n  - key: s3cret\n    x: 1\n",
                "zones:\n  - key: ******\n    x: 1\n",
            ),
            (
                "{ zone: a, key: s3cret, score: 1 }",
                "{ zone: a, key: ******, score: 1 }",
            ),
            ("{key: \"s3 cr}t\", a: b}", "{key: *** *****, a: b}"),
            ("key: 's3cret' # mine", "key: ******** # mine"),
            ("\"key\" : s3cret # mine", "\"key\" : ****** # mine"),
            ("  key:\n    s3cret\nb: 1", "  key:\n    ******\nb: 1"),
            ("key: \u{e9}t\u{e9}\n", "key: *****\n"),
            ("key: \"open\nend", "key: *****\n***"),
            ("key_file: a\nmonkey: b\n", "key_file: a\nmonkey: b\n"),
            ("- key: [a, b]", "- key: *** **"),
            ("key", "key"),
            ("", ""),
        ] {
            let masked = masked(text);
            assert_eq!(masked, shown, "{text}");
            assert_eq!(masked.len(), text.len());
        }
    }
}
