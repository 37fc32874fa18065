//! A pattern between its delimiters: `/x/i`, `m{x}`, `m,x,`.

/// A pattern and its flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delimited {
    pub(super) pattern: String,
    pub(super) flags: String,
}

/// Takes the delimiters off.
///
/// # Errors
/// Why that cannot be done, in the cases in which SpamAssassin refuses the rule too.
pub(super) fn read(text: &str) -> Result<Delimited, String> {
    let (body, close) = if let Some(body) = text.strip_prefix('/') {
        (body, '/')
    } else {
        let rest = text
            .strip_prefix("qr")
            .or_else(|| text.strip_prefix('m'))
            .ok_or("the pattern has no delimiters")?;
        let mut chars = rest.chars();
        let close = match chars.next() {
            Some('{') => '}',
            Some('(') => ')',
            Some('<') => '>',
            Some('[') => ']',
            Some(c) if !(c.is_alphanumeric() || c == '_' || c == '\\') => c,
            _ => return Err("the pattern has no delimiters".to_owned()),
        };
        (chars.as_str(), close)
    };
    let at = body.rfind(close).ok_or("the pattern has no end")?;
    let (pattern, flags) = body.split_at(at);
    let flags = flags.get(close.len_utf8()..).unwrap_or_default();
    if !flags.chars().all(|c| c.is_ascii_lowercase() && c != 'e') {
        return Err(format!("`{flags}` are no flags"));
    }
    if pattern.contains("(?{") || pattern.contains("(??{") {
        return Err("the pattern holds code".to_owned());
    }
    if !matches!(close, '}' | ')' | ']') && has_bare(pattern, close) {
        return Err(format!("`{close}` stands in the pattern unescaped"));
    }
    Ok(Delimited {
        pattern: pattern.to_owned(),
        flags: flags.to_owned(),
    })
}

/// Whether `sign` occurs without a backslash before it.
fn has_bare(pattern: &str, sign: char) -> bool {
    let mut escaped = false;
    for c in pattern.chars() {
        if c == sign && !escaped {
            return true;
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_of_all_kinds() {
        for (text, pattern, flags) in [
            ("/a\\/b/is", "a\\/b", "is"),
            ("m{a{1,2}}x", "a{1,2}", "x"),
            ("m,http://x,i", "http://x", "i"),
            ("qr!a!", "a", ""),
            ("m'^a$'", "^a$", ""),
        ] {
            assert_eq!(
                read(text),
                Ok(Delimited {
                    pattern: pattern.into(),
                    flags: flags.into()
                })
            );
        }
        for bad in ["a", "/a", "/a/b/", "/a/e", "/(?{x})/", "m\\a\\"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
