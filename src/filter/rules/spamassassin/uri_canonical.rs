//! The forms of one URI: SpamAssassin's `uri` rules see it as written and undisguised, each form once.

use super::domain;
use super::uri_relative::starts_with;

/// Redirections in redirections that are followed.
const FORMS: usize = 20;

/// The URI itself and its other forms.
pub(super) fn forms(uri: &str) -> Vec<String> {
    if is_plain(uri) {
        return vec![uri.to_owned()];
    }
    let mut given = vec![uri.to_owned()];
    let mut made = Vec::new();
    let mut at = 0;
    while let Some(next) = given.get(at).cloned().filter(|_| at < FORMS) {
        let clean = next.replace(['\n', '\r'], "").trim().to_owned();
        if let Some(target) = of_one(&clean, &mut made) {
            given.push(target);
        }
        if let Some(entry) = given.get_mut(at) {
            *entry = clean;
        }
        at += 1;
    }
    given.append(&mut made);
    given.sort_unstable();
    given.dedup();
    given
}

/// Whether a URI is of the usual kind, of which there is no other form: nothing in it to undo, no port, no user, no
/// scheme within it, a host of several labels whose last is a word.
fn is_plain(uri: &str) -> bool {
    let mut schemes = ["http://", "https://"].iter();
    let Some(behind) = schemes.find_map(|s| uri.strip_prefix(s)) else {
        return false;
    };
    let usual = |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'%' | b'@' | b':');
    let host = match behind.split_once(['/', '?', '#']) {
        Some((host, _)) if behind.as_bytes().get(host.len()) == Some(&b'/') => host,
        Some(_) => return false,
        None => behind,
    };
    // A name without a domain gets one.
    let name = match starts_with(host, "www.") {
        true => host.get(4..).unwrap_or_default(),
        false => host,
    };
    let Some((_, last)) = name.rsplit_once('.') else {
        return false;
    };
    behind.bytes().all(usual)
        && !behind.contains("&#")
        && last.starts_with(|c: char| c.is_ascii_alphabetic())
        && last.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// Adds the other forms of one URI; gives the target when it redirects.
fn of_one(uri: &str, forms: &mut Vec<String>) -> Option<String> {
    let local =
        uri.starts_with(['#', '?', '&']) || (uri.starts_with('/') && !uri.starts_with("//"));
    if uri.len() <= 1 || local {
        return None;
    }
    let before_colon = uri.split(':').next().unwrap_or_default();
    if starts_with(uri, "mailto:") || before_colon.contains('@') {
        addresses(uri, forms);
        return None;
    }
    let plain = undisguised(uri);
    if plain != uri {
        forms.push(plain.clone());
    }
    let scheme_length = match () {
        () if starts_with(&plain, "http://") => 7,
        () if starts_with(&plain, "https://") => 8,
        () => return None,
    };
    let (scheme, behind) = plain.split_at_checked(scheme_length)?;
    let host_end = |text: &str| text.find(['/', '?', '#', ':']).unwrap_or(text.len());
    let user = behind
        .find(['/', '?', '#', '@'])
        .filter(|at| behind.get(*at..).is_some_and(|r| r.starts_with('@')))
        .map_or(0, |at| at + 1);
    let server = behind.get(user..)?;
    let (host, rest) = server.split_at_checked(host_end(server))?;
    if host.is_empty() {
        return None;
    }
    let default_port = match scheme {
        "http://" => ":80",
        _ => ":443",
    };
    if let Some(no_port) = rest.strip_prefix(default_port)
        && !no_port.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    {
        forms.push(format!("{scheme}{host}{no_port}"));
    }
    let mut host = host.to_owned();
    if host.contains(|c: char| c <= ' ') {
        host.retain(|c| c > ' ');
        forms.push(format!("{scheme}{host}{rest}"));
    }
    let target = redirection(rest);
    let port = rest.strip_prefix(':').map_or("", |p| {
        let end = p.find(|c: char| !c.is_ascii_digit()).unwrap_or(p.len());
        p.get(..end).unwrap_or_default()
    });
    let trimmed = host.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let named = host.to_ascii_lowercase();
    if trimmed.len() < host.len() {
        host.truncate(trimmed.len());
        forms.push(format!("{scheme}{host}{rest}"));
    }
    if let Some(address) = address(&host) {
        forms.push(format!("{scheme}{address}{rest}"));
    } else if scheme == "http://"
        && user == 0
        && named != "localhost"
        && matches!(port, "" | "80")
        && let name = named.strip_prefix("www.").unwrap_or(&named)
        && !name.contains('.')
        && !name.is_empty()
    {
        forms.push(format!("{scheme}www.{name}.com{rest}"));
    }
    target
}

/// Addresses in a mailto URI or in what looks like an address.
fn addresses(uri: &str, forms: &mut Vec<String>) {
    for (end, stop) in [('?', &['?'][..]), ('&', &['?', '&'][..])] {
        if let Some((user, host)) = uri.split_once('@')
            && let Some(at) = host.find(stop)
            && at > 0
            && host.get(at..).is_some_and(|r| r.starts_with(end))
            && !user.is_empty()
        {
            forms.push(format!("{user}@{}", host.get(..at).unwrap_or_default()));
        }
    }
    if uri.contains("%20") {
        let bare = match starts_with(uri, "mailto:") {
            true => uri.get(7..).unwrap_or_default(),
            false => uri,
        };
        let bare = bare.trim_start_matches("%20");
        if let Some((user, host)) = bare.split_once('@') {
            let end = host.find(['?', '&', '%']).unwrap_or(host.len());
            let host = host.get(..end).unwrap_or_default();
            if !user.is_empty() && !host.is_empty() {
                forms.push(format!("mailto:{user}@{host}"));
            }
        }
    }
    let begin = uri.split(['?', '&']).next().unwrap_or_default();
    if let Some((_, behind)) = begin.rsplit_once('<')
        && let Some((user, host)) = uri
            .get(begin.len() - behind.len()..)
            .and_then(|r| r.split_once('@'))
        && let Some((host, _)) = host.split_once('>')
        && !user.is_empty()
        && !user.contains('>')
        && !host.is_empty()
    {
        forms.push(format!("mailto:{user}@{host}"));
    }
}

/// Slashes, escapes, references and a missing scheme put right.
fn undisguised(uri: &str) -> String {
    let mut plain = uri.replace('\\', "/");
    for scheme in ["http:", "https:"] {
        if starts_with(&plain, scheme) {
            let (name, behind) = plain.split_at_checked(scheme.len()).unwrap_or((&plain, ""));
            let slashes = behind.len() - behind.trim_start_matches('/').len();
            let behind = behind.get(slashes.min(2)..).unwrap_or_default();
            plain = format!("{name}//{behind}");
        }
    }
    if has_escape(&plain) {
        plain = unescaped(&plain);
    }
    let scheme = plain
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        .count();
    if scheme == 0 || plain.as_bytes().get(scheme) != Some(&b':') {
        let missing = match plain.starts_with("ftp.") {
            true => "ftp://",
            false => "http://",
        };
        plain.insert_str(0, missing);
    }
    if let Some(length) = [7, 8].into_iter().find(|l| {
        let scheme = if *l == 7 { "http://" } else { "https://" };
        starts_with(&plain, scheme)
    }) {
        let behind = plain.get(length..).unwrap_or_default();
        if let Some(at) = behind.find(['/', '?', '#'])
            && at > 0
            && !behind.get(at..).is_some_and(|r| r.starts_with('/'))
        {
            plain.insert(length + at, '/');
        }
    }
    references(&plain)
}

fn has_escape(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(3).any(
        |w| matches!(w, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    )
}

/// Escapes of printable characters undone, characters that need one escaped.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'%'
            && let Some(digits) = bytes.get(at + 1..at + 3)
            && digits.iter().all(u8::is_ascii_hexdigit)
        {
            let value = std::str::from_utf8(digits)
                .ok()
                .and_then(|d| u8::from_str_radix(d, 16).ok());
            match value {
                Some(value @ 0x21..=0x7e) => out.push(char::from(value)),
                _ => {
                    out.push('%');
                    out.extend(digits.iter().map(|d| char::from(*d)));
                }
            }
            at += 3;
            continue;
        }
        match byte {
            0..=32 | 127..=255 | b'"' | b'%' | b'<' | b'>' => {
                out.push_str(&format!("%{byte:02x}"));
            }
            plain => out.push(char::from(*plain)),
        }
        at += 1;
    }
    out
}

/// Numeric references to printable ASCII and to dots.
fn references(text: &str) -> String {
    if !text.contains("&#") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("&#") {
        let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(plain);
        let number = tail.get(2..).unwrap_or_default();
        let (digits, base) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16),
            None => (number, 10),
        };
        let end = digits
            .find(|c: char| !c.is_digit(base))
            .unwrap_or(digits.len());
        let code = digits
            .get(..end)
            .and_then(|d| u32::from_str_radix(d, base).ok());
        let c = match code {
            Some(code @ 33..=126) => char::from_u32(code),
            Some(12290 | 65294 | 65377) => Some('.'),
            _ => None,
        };
        match (c, digits.get(end..).and_then(|r| r.strip_prefix(';'))) {
            (Some(c), Some(after)) => {
                out.push(c);
                rest = after;
            }
            _ => {
                out.push_str("&#");
                rest = number;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The URI that stands within the path or query of another.
fn redirection(rest: &str) -> Option<String> {
    let lower = rest.to_ascii_lowercase();
    let at = ["http:", "https:"]
        .iter()
        .filter_map(|s| lower.find(s))
        .min()?;
    let found = rest.get(at..)?;
    let scheme = if starts_with(found, "https:") { 6 } else { 5 };
    let end = found.find(['&', '#']).unwrap_or(found.len());
    let found = found.get(..end)?;
    (found.len() > scheme && found.contains('.')).then(|| found.to_owned())
}

/// A host that is a number, or four in any base, as an address.
fn address(host: &str) -> Option<String> {
    let pieces: Vec<&str> = host.split('.').collect();
    let number = |piece: &&str| {
        let hex = piece
            .strip_prefix("0x")
            .or_else(|| piece.strip_prefix("0X"));
        match hex {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None if piece.is_empty() || !piece.bytes().all(|b| b.is_ascii_digit()) => None,
            None => match piece.strip_prefix('0') {
                Some(octal) if !octal.is_empty() && !octal.contains(['8', '9']) => {
                    u64::from_str_radix(octal, 8).ok()
                }
                _ => piece.parse().ok(),
            },
        }
    };
    let numbers: Option<Vec<u64>> = pieces.iter().map(number).collect();
    match (numbers?.as_slice(), pieces.as_slice()) {
        // A zero is left out altogether.
        (four @ [_, _, _, _], _) => {
            let octet = |n: &u64| {
                if *n == 0 {
                    String::new()
                } else {
                    n.to_string()
                }
            };
            Some(four.iter().map(octet).collect::<Vec<_>>().join("."))
        }
        ([one], [piece]) => {
            let one = match piece.bytes().all(|b| b.is_ascii_digit()) {
                true => piece.parse().ok()?,
                false => *one,
            };
            let [.., a, b, c, d] = one.to_be_bytes();
            Some(format!("{a}.{b}.{c}.{d}"))
        }
        _ => None,
    }
}

/// Whether the URI leads to a host that exists in name: what SpamAssassin demands of URIs found in text.
pub(super) fn leads_to_host(uri: &str) -> bool {
    let uri = uri.to_ascii_lowercase();
    if ["javascript:", "cid:", "file:"]
        .iter()
        .any(|s| uri.starts_with(s))
    {
        return false;
    }
    let host = match uri.strip_prefix("mailto:") {
        Some(address) => {
            let address = address.split('?').next().unwrap_or_default();
            if address.matches('@').count() != 1 {
                return false;
            }
            address.split('@').nth(1).unwrap_or_default()
        }
        None => {
            let scheme = uri.bytes().take_while(u8::is_ascii_lowercase).count();
            let behind = match uri.get(scheme..).and_then(|r| r.strip_prefix(':')) {
                Some(rest) if scheme > 0 => {
                    let slashes = rest.len() - rest.trim_start_matches('/').len();
                    rest.get(slashes.min(2)..).unwrap_or_default()
                }
                _ => uri.as_str(),
            };
            let server = behind.split(['/', '?', '#']).next().unwrap_or_default();
            let server = server.rsplit('@').next().unwrap_or_default();
            let port = server.rsplit_once(':');
            match port {
                Some((host, digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => host,
                _ => server,
            }
        }
    };
    domain::is_ipv4(host) || domain::is_real(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises_are_seen_through_and_redirections_followed() {
        let cases: &[(&str, &[&str])] = &[
            ("http:\\\\a.example\\x", &["http://a.example/x"]),
            ("www.a.example?q", &["http://www.a.example/?q"]),
            ("http://a.example/%61%20b", &["http://a.example/a%20b"]),
            ("http://a.example:80/x", &["http://a.example/x"]),
            ("http://0x7f.1.2.3/", &["http://127.1.2.3/"]),
            ("http://2130706433/", &["http://127.0.0.1/"]),
            ("http://spam", &["http://www.spam.com"]),
            ("http://a.example/&#120;", &["http://a.example/x"]),
            (
                "http://r.example/?u=http://t.example/x&y",
                &["http://t.example/x"],
            ),
            ("mailto:a@b.example?subject=x", &["mailto:a@b.example"]),
        ];
        for (uri, expected) in cases {
            let forms = forms(uri);
            assert!(forms.iter().any(|f| f == uri), "{forms:?}");
            for form in *expected {
                assert!(forms.iter().any(|f| f == form), "{uri}: {forms:?}");
            }
        }
        assert_eq!(forms("#top"), ["#top"]);
        assert_eq!(forms("http://a.example/"), ["http://a.example/"]);
        assert!(forms("http://www.spam/x").contains(&"http://www.spam.com/x".to_owned()));
    }

    #[test]
    fn hosts_must_exist_in_name() {
        assert!(leads_to_host("http://u:p@www.example.com:8080/x"));
        assert!(leads_to_host("mailto:a@example.org?x") && leads_to_host("http://10.1.2.3/"));
        assert!(!leads_to_host("http://localhost/") && !leads_to_host("http://a.nosuch/"));
        assert!(!leads_to_host("mailto:a@b@example.com"));
    }
}
