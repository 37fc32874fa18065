//! The fields that say what a part is: Content-Type and Content-Disposition, as SpamAssassin reads them.

use super::field::Field;

/// What a Content-Type field says.
pub(super) struct ContentType {
    pub(super) kind: String,
    pub(super) boundary: Option<Vec<u8>>,
    pub(super) charset: Option<String>,
    pub(super) name: Option<String>,
    pub(super) missing: bool,
}

/// The last field of that name, decoded.
pub(super) fn value(fields: &[Field], name: &str) -> Option<String> {
    let field = fields.iter().rev().find(|f| f.is(name))?;
    Some(String::from_utf8_lossy(field.decoded()).into_owned())
}

pub(super) fn content_type(fields: &[Field]) -> ContentType {
    match fields.iter().rev().find(|f| f.is("content-type")) {
        Some(field) => read_content_type(field.decoded()),
        None => read_content_type(b""),
    }
}

pub(super) fn read_content_type(field: &[u8]) -> ContentType {
    let text = String::from_utf8_lossy(field);
    let (text, mut missing) = match text.as_ref() {
        "" | "0" => ("text/plain; charset=us-ascii", true),
        given => (given, false),
    };
    let kind: String = text
        .trim_start()
        .split(';')
        .next()
        .unwrap_or_default()
        .to_owned();
    let kind = match kind.split_once('/') {
        Some((main, sub)) => {
            let sub = sub
                .split(['/', ' ', '\t', '\r', '\n'])
                .next()
                .unwrap_or_default();
            format!("{main}/{sub}")
        }
        None => kind,
    };
    let mut kind = kind.to_ascii_lowercase();
    missing |= kind.is_empty();
    let other_text = kind
        .strip_prefix("text")
        .is_some_and(|r| !r.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
        && !matches!(
            kind.as_str(),
            "text/x-vcard" | "text/calendar" | "text/html"
        );
    if kind.is_empty() || other_text {
        kind = "text/plain".to_owned();
    }
    kind.retain(|c| c.is_ascii_graphic() && !"\"(),:;<=>?@[\\]".contains(c));
    ContentType {
        kind,
        boundary: boundary(text).map(String::into_bytes),
        charset: parameter(text, &["charset"]),
        name: parameter(text, &["name", "filename"]).filter(|n| !n.is_empty()),
        missing,
    }
}

/// Where the value of a parameter starts, in the text behind its name and `=`.
fn after<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower.get(from..)?.find(name).map(|at| at + from) {
        let before = lower.get(..at).and_then(|b| b.chars().next_back());
        let word = before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let rest = text.get(at + name.len()..)?.trim_start();
        if !word && let Some(value) = rest.strip_prefix('=') {
            return Some(value.trim_start());
        }
        from = at + name.len();
    }
    None
}

fn boundary(text: &str) -> Option<String> {
    let value = after(text, "boundary")?;
    if let Some(quoted) = value.strip_prefix('"')
        && let Some((inner, _)) = quoted.split_once('"')
        && !inner.is_empty()
    {
        return Some(inner.to_owned());
    }
    let end = value
        .find(|c: char| c.is_whitespace() || c == ';' || c == '"')
        .unwrap_or(value.len());
    let (token, rest) = value.split_at_checked(end)?;
    (!token.is_empty() && !rest.starts_with('"')).then(|| token.to_owned())
}

fn parameter(text: &str, names: &[&str]) -> Option<String> {
    let value = names.iter().find_map(|name| after(text, name))?;
    let value = value.split(';').next().unwrap_or_default();
    let value = value.strip_prefix(['"', '\'']).unwrap_or(value);
    Some(value.strip_suffix(['"', '\'']).unwrap_or(value).to_owned())
}

pub(super) fn disposition_name(field: &str) -> Option<String> {
    let lower = field.to_ascii_lowercase();
    let at = lower.find("name=")?;
    let value = field.get(at + 5..)?.trim_start();
    let value = value.strip_prefix('"').unwrap_or(value);
    let end = value.find(['"', ';']).unwrap_or(value.len());
    value
        .get(..end)
        .filter(|v| !v.is_empty())
        .map(str::to_owned)
}
