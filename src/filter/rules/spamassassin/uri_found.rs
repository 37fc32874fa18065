//! URIs and addresses in running text, as Thunderbird finds them and SpamAssassin after it.

use super::domain;
use super::uri_relative::starts_with;

/// Longest URI, bytes.
const URI_BYTES: usize = 2048;
/// Longest half of an address, bytes.
const ADDRESS_BYTES: usize = 251;

/// The URIs of a text, completed: with a scheme each.
pub(super) fn in_text(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    // All that is found holds one of these signs, nothing before it that ends a URI, and something behind it.
    for sign in memchr::memchr3_iter(b'.', b'@', b':', bytes) {
        if sign < at || bytes.get(sign + 1).is_none_or(|b| ends_uri(*b)) {
            continue;
        }
        let before = bytes.get(at..sign).unwrap_or_default();
        at += before
            .iter()
            .rposition(|b| ends_uri(*b))
            .map_or(0, |n| n + 1);
        while at <= sign {
            let begun = starts(bytes, at).then(|| candidate(text, at)).flatten();
            match begun {
                Some((kind, end)) => {
                    // A byte that ends a URI may stand within a character.
                    let raw = String::from_utf8_lossy(bytes.get(at..end).unwrap_or_default());
                    found.extend(completed(&raw, kind));
                    at = end.max(at + 1);
                }
                None => at += 1,
            }
        }
    }
    found
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Known,
    Mail,
    /// A host alone, of that length.
    Bare(usize),
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a URI may begin here.
fn starts(bytes: &[u8], at: usize) -> bool {
    let here = bytes.get(at).copied().is_some_and(is_word);
    match at.checked_sub(1).and_then(|b| bytes.get(b)).copied() {
        None => here,
        Some(before) => {
            is_word(before) != here
                || matches!(
                    before,
                    b'>' | b'<'
                        | b'"'
                        | b'\''
                        | b'`'
                        | b','
                        | b'{'
                        | b'['
                        | b'('
                        | b'|'
                        | 0x1b
                        | 0xa0
                )
                || before.is_ascii_whitespace()
                || before == 0x0b
        }
    }
}

fn ends_uri(byte: u8) -> bool {
    matches!(
        byte,
        b'>' | b'<' | b'"' | b'`' | b'}' | b']' | b'{' | b'[' | b'|' | 0x1b | 0xa0 | 0x0b
    ) || byte.is_ascii_whitespace()
}

fn ends_address(byte: u8) -> bool {
    ends_uri(byte) || matches!(byte, b',' | b'(' | b'\'' | 0x80..)
}

/// What begins here, and where it ends.
fn candidate(text: &str, at: usize) -> Option<(Kind, usize)> {
    let bytes = text.as_bytes();
    let rest = bytes.get(at..)?;
    let run = |from: usize, most: usize, stop: fn(u8) -> bool| {
        let tail = rest.get(from..).unwrap_or_default();
        let length = tail
            .iter()
            .take(most + 1)
            .take_while(|b| !stop(**b))
            .count();
        // A run that is too long has no end that counts.
        (1..=most).contains(&length).then_some(from + length)
    };
    if let Some(prefix) = known_prefix(rest)
        && let Some(end) = run(prefix, URI_BYTES, ends_uri)
    {
        return Some((Kind::Known, at + end));
    }
    let mailto = rest
        .get(..7)
        .is_some_and(|p| p.eq_ignore_ascii_case(b"mailto:"));
    if mailto && let Some(end) = run(7, URI_BYTES, ends_address) {
        return Some((Kind::Mail, at + end));
    }
    let user = run(0, ADDRESS_BYTES, |b| ends_address(b) || b == b'@');
    if let Some(user) = user
        && rest.get(user) == Some(&b'@')
        && let Some(end) = run(user + 1, ADDRESS_BYTES, ends_address)
    {
        return Some((Kind::Mail, at + end));
    }
    let may_begin = match at.checked_sub(1).and_then(|b| bytes.get(b)) {
        None => true,
        Some(before) => {
            matches!(before, b'!'..=b'/' | b':'..=b'@' | b'['..=b'`' | b'{'..=b'~' | 0x1b | 0xa0 | 0x0b)
                && !matches!(before, b'%' | b'-' | b'.' | b'_' | b'}')
                || before.is_ascii_whitespace()
        }
    };
    if !may_begin {
        return None;
    }
    bare(rest).map(|(host, end)| (Kind::Bare(host), at + end))
}

/// `http://`, `https://`, `ftp://`, `www.`, `www12.`, `ftp.`: the length.
fn known_prefix(rest: &[u8]) -> Option<usize> {
    let first = rest.first()?.to_ascii_lowercase();
    if !matches!(first, b'h' | b'f' | b'w') {
        return None;
    }
    let is = |text: &[u8]| {
        rest.get(..text.len())
            .is_some_and(|r| r.eq_ignore_ascii_case(text))
    };
    for prefix in [&b"http://"[..], b"https://", b"ftp://", b"ftp."] {
        if is(prefix) {
            return Some(prefix.len());
        }
    }
    if !is(b"www") {
        return None;
    }
    let digits = rest
        .iter()
        .skip(3)
        .take(2)
        .take_while(|b| b.is_ascii_digit())
        .count();
    (rest.get(3 + digits) == Some(&b'.')).then_some(4 + digits)
}

/// A host name at the start, with port and path: length of the host, and of all.
fn bare(rest: &[u8]) -> Option<(usize, usize)> {
    if !rest.first()?.is_ascii_alphanumeric() {
        return None;
    }
    let run = rest
        .iter()
        .take(ADDRESS_BYTES + 64)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        .count();
    let mut end = run;
    // The host ends with a top-level domain; what is tried is the longest first.
    while let Some(dot) = memchr::memrchr(b'.', rest.get(..end)?) {
        let label = rest.get(dot + 1..run)?;
        let length = label
            .iter()
            .take_while(|b| **b != b'.' && **b != b'_')
            .count();
        let label = label.get(..length)?;
        if dot > 0
            && std::str::from_utf8(label).is_ok_and(domain::is_top_level)
            && let Some(all) = tail(rest, dot + 1 + length)
        {
            return Some((dot + 1 + length, all));
        }
        end = dot;
    }
    None
}

/// What may follow a host: a dot, a port, a path; then an end.
fn tail(rest: &[u8], host: usize) -> Option<usize> {
    let dot = usize::from(rest.get(host) == Some(&b'.'));
    let mut at = host + dot;
    if rest.get(at) == Some(&b':') {
        let digits = rest
            .iter()
            .skip(at + 1)
            .take(5)
            .take_while(|b| b.is_ascii_digit())
            .count();
        if digits > 0 {
            at += 1 + digits;
        }
    }
    if rest.get(at) == Some(&b'/') {
        let path = rest
            .iter()
            .skip(at + 1)
            .take(URI_BYTES)
            .take_while(|b| !ends_uri(**b))
            .count();
        if path > 0 {
            at += 1 + path;
        }
    }
    rest.get(at).is_none_or(|b| ends_uri(*b)).then_some(at)
}

/// Whether an `@` stands behind a slash, so that it is no address.
fn is_path_with_at(raw: &str) -> bool {
    let slash_and_at = raw.find('/').zip(raw.rfind('@'));
    slash_and_at.is_some_and(|(slash, at)| slash + 1 < at)
}

/// A URI as found, without what only surrounds it and with a scheme; `None` for what is none after all.
fn completed(raw: &str, kind: Kind) -> Option<String> {
    let host = match kind {
        Kind::Bare(length) => raw.get(..length),
        _ => None,
    };
    let raw = match raw.split_once(')') {
        Some((before, _)) if !before.contains('(') => {
            // The last such parenthesis counts when nothing opened before it.
            let open = raw.find('(').unwrap_or(raw.len());
            raw.get(..open)
                .and_then(|r| r.rsplit_once(')'))
                .map_or(before, |(b, _)| b)
        }
        _ => raw,
    };
    let raw = raw.trim_end_matches(|c| "-~!@#^&*()_+=:;'?,.".contains(c));
    if kind == Kind::Mail && !raw.contains('@') {
        return None;
    }
    if host.is_some_and(|h| !domain::is_well_formed(h)) {
        return None;
    }
    if starts_with(raw, "cid:") || starts_with(raw, "mid:") {
        return None;
    }
    let word = raw.bytes().take_while(|b| is_word(*b)).count();
    if word > 0 && matches!(raw.get(word..), Some(":" | ":/" | "://")) {
        return None;
    }
    let schemes = ["http:", "https:", "ftp:", "mailto:"];
    let uri = if schemes.iter().any(|s| starts_with(raw, s)) {
        raw.to_owned()
    } else if starts_with(raw, "ftp.") {
        format!("ftp://{raw}")
    } else if known_prefix(raw.as_bytes()).is_some() || is_path_with_at(raw) {
        format!("http://{raw}")
    } else if let Some((_, domain)) = raw.split_once('@') {
        if !domain.get(1..).is_some_and(|d| d.contains('.')) || raw.contains("&nbsp;") {
            return None;
        }
        let mut bare = raw;
        for prefix in ["skype:", "email:", "e-mail:", "mail:", ":"] {
            if starts_with(bare, prefix) {
                bare = bare.get(prefix.len()..)?.trim_start_matches(':');
                break;
            }
        }
        format!("mailto:{bare}")
    } else if raw.contains('.') {
        format!("http://{raw}")
    } else {
        return None;
    };
    if starts_with(&uri, "mailto:") {
        let (_, host) = uri.split_once('@')?;
        let host = host.split(['?', '&', '>']).next()?;
        let host = host.trim_end_matches("%20");
        if !domain::is_under_known(&host.to_ascii_lowercase()) {
            return None;
        }
    }
    Some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_hosts_and_addresses_are_found() {
        for (text, expected) in [
            ("see http://a.example/x, or", &["http://a.example/x"][..]),
            ("(http://a.example/x)", &["http://a.example/x"]),
            ("www.example.com.", &["http://www.example.com"]),
            ("go to example.com/path now", &["http://example.com/path"]),
            (
                "mail joe@example.com, ann@example.org;",
                &["mailto:joe@example.com", "mailto:ann@example.org"],
            ),
            ("file name.html and end.Then word", &[]),
            (
                "host example.com:8080 and x.y.zz.",
                &["http://example.com:8080"],
            ),
            ("vi@gra foo@bar", &[]),
            ("ftp.example.com/pub", &["ftp://ftp.example.com/pub"]),
        ] {
            assert_eq!(in_text(text), expected, "{text}");
        }
    }

    #[test]
    fn a_megabyte_without_spaces_takes_bounded_work() {
        for unit in ["a", "a.", "@", "a@", "http://", "www."] {
            let text = unit.repeat((1 << 18) / unit.len());
            assert!(in_text(&text).len() <= text.len());
        }
    }
}
