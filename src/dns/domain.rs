//! Domain names as they are asked for and compared: ASCII, lower case, without a final dot.

/// Longest name, bytes, without the final dot (RFC 1035, section 2.3.4).
pub const NAME_BYTES: usize = 253;
/// Longest label, bytes.
const LABEL_BYTES: usize = 63;

/// The name as DNS has it: internationalised labels as A-labels (RFC 5891), lower case, without a final dot.
/// `None` for what is no name of a domain: two labels or more of letters, digits, hyphens and underscores, the
/// last not a number.
pub fn name(written: &str) -> Option<String> {
    let name = labels(written)?;
    let (_, last) = name.rsplit_once('.')?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (name.bytes().all(good) && !last.bytes().all(|b| b.is_ascii_digit())).then_some(name)
}

/// As [`name`], for all that DNS can be asked for: a single label, and any characters in it.
pub fn labels(written: &str) -> Option<String> {
    let written = written.strip_suffix('.').unwrap_or(written);
    if written.len() > 4 * NAME_BYTES {
        return None;
    }
    let name = if written.is_ascii() {
        written.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(written).ok()?
    };
    let sound = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES
            && label.bytes().all(|b| (b' '..=b'~').contains(&b))
    };
    (name.len() <= NAME_BYTES && name.split('.').all(sound)).then_some(name)
}

/// Whether `name` is `parent` or lies under it. Both as [`name()`] gives them.
pub fn is_within(name: &str, parent: &str) -> bool {
    match name.strip_suffix(parent) {
        Some("") => true,
        Some(rest) => rest.ends_with('.'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ascii_and_lower_case() {
        assert_eq!(name("Example.ORG."), Some("example.org".into()));
        assert_eq!(name("müller.example"), Some("xn--mller-kva.example".into()));
        assert_eq!(name("_spf.example.org"), Some("_spf.example.org".into()));
        let long = format!("{}.example", "a".repeat(64));
        for bad in [
            "",
            ".",
            "org",
            "a..b",
            ".a.b",
            "a b.example",
            "a.b..",
            "[192.0.2.1]",
            "192.0.2.1",
            &long,
        ] {
            assert_eq!(name(bad), None, "{bad:?}");
        }
        assert_eq!(labels("a b:%/c"), Some("a b:%/c".into()));
        assert_eq!(name(&format!("{}example", "a.".repeat(130))), None);
    }

    #[test]
    fn a_name_lies_within_itself_and_its_parents() {
        assert!(is_within("a.example.org", "example.org"));
        assert!(is_within("example.org", "example.org"));
        assert!(!is_within("badexample.org", "example.org"));
        assert!(!is_within("example.org", "a.example.org"));
    }
}
