//! Files and their lines: comments gone, escapes undone.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::FILE_BYTES;
use crate::config::Problem;

/// One line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    /// The setting, lower case, `-` as `_`.
    pub(super) key: String,
    pub(super) value: String,
}

/// Reads a file. Bytes become characters of the same number, because patterns mean bytes.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    let failed =
        |why: String| Problem::without_place(format!("cannot read {}: {why}", path.display()));
    let file = File::open(path).map_err(|e| failed(e.to_string()))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| failed(e.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(failed(format!("it is larger than {FILE_BYTES} bytes")));
    }
    Ok(bytes.into_iter().map(char::from).collect())
}

/// The lines of a text. `lang` lines are those of English only, as SpamAssassin reads them without a locale.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line> + '_ {
    text.split('\n').enumerate().filter_map(|(i, written)| {
        let line = uncommented(written);
        let mut line = line.trim_matches(is_space);
        if let Some(rest) = line.strip_prefix("lang")
            && rest.starts_with(is_space)
        {
            let (language, rest) = rest.trim_start_matches(is_space).split_once(is_space)?;
            let ours = "en_us".starts_with(&language.to_ascii_lowercase());
            if !ours {
                return None;
            }
            line = rest.trim_start_matches(is_space);
        }
        if line.is_empty() {
            return None;
        }
        let (key, value) = line.split_once(is_space).unwrap_or((line, ""));
        Some(Line {
            number: i + 1,
            key: key.to_ascii_lowercase().replace('-', "_"),
            value: value.trim_start_matches(is_space).to_owned(),
        })
    })
}

pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}')
}

/// Without the comment; `\#` is a `#` that begins none.
fn uncommented(line: &str) -> String {
    if !line.contains('#') {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    let mut before = None;
    for c in line.chars() {
        if c == '#' {
            if before != Some('\\') {
                break;
            }
            out.pop();
        }
        out.push(c);
        before = Some(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_escapes_and_languages() {
        let text = "  body  A /x\\#y/ # note\n# all\nlang de describe A Nein\nlang en describe A Yes\nReplace-Tag B c\r\n";
        let lines: Vec<_> = lines(text)
            .map(|l| format!("{} {}={}", l.number, l.key, l.value))
            .collect();
        assert_eq!(
            lines,
            ["1 body=A /x#y/", "4 describe=A Yes", "5 replace_tag=B c"]
        );
    }
}
