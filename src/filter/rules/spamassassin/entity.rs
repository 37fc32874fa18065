//! Character references in HTML, as Perl's HTML::Entities reads them: a name counts only whole.

use std::borrow::Cow;

use html5gum::{Token, Tokenizer};

/// Longest name that is looked up, bytes.
const NAME_BYTES: usize = 32;

/// Text with its references replaced; what is no reference stays.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        match reference(tail) {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('&');
                rest = tail.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The reference at the start of `text` (which is `&`), and what follows.
fn reference(text: &str) -> Option<(String, &str)> {
    let rest = text.strip_prefix('&')?;
    if let Some(number) = rest.strip_prefix('#') {
        let (digits, base) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16),
            None => (number, 10),
        };
        let end = digits
            .find(|c: char| !c.is_digit(base))
            .unwrap_or(digits.len());
        let (digits, after) = digits.split_at(end);
        let code = u32::from_str_radix(digits, base).ok()?;
        let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        return Some((c.to_string(), after.strip_prefix(';').unwrap_or(after)));
    }
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end)?;
    if name.is_empty() || name.len() > NAME_BYTES {
        return None;
    }
    let (whole, after) = match after.strip_prefix(';') {
        Some(tail) => (format!("&{name};"), tail),
        None => (format!("&{name}"), after),
    };
    let value = match name {
        "amp" => "&".to_owned(),
        "lt" => "<".to_owned(),
        "gt" => ">".to_owned(),
        "quot" => "\"".to_owned(),
        "nbsp" => "\u{a0}".to_owned(),
        _ => named(&whole)?,
    };
    Some((value, after))
}

/// The value of a whole reference by the table of HTML.
fn named(reference: &str) -> Option<String> {
    let mut texts = Tokenizer::new(reference).filter_map(|token| match token {
        Ok(Token::String(text)) => Some(text),
        _ => None,
    });
    let (Some(text), None) = (texts.next(), texts.next()) else {
        return None;
    };
    let value = String::from_utf8(text.value.0.clone()).ok()?;
    // A prefix of the name that has a meaning of its own does not count.
    (!value.contains(['&', ';']) && value.chars().count() <= 2).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_count_whole_with_or_without_semicolon() {
        assert_eq!(decode("a &amp; b &lt c"), "a & b < c");
        assert_eq!(decode("&#65;&#x42 &eacute;&eacute"), "AB éé");
        assert_eq!(
            decode("&copyright &nothing; & &# x"),
            "&copyright &nothing; & &# x"
        );
        assert_eq!(decode("&Omega;"), "\u{3a9}");
    }
}
