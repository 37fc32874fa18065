//! URLs found in the text and the HTML of a message, and the hosts that they really lead to.
//!
//! In: text, link targets. Out: [`Url`]s with the host as a browser reads it, whatever disguise is
//! used: user parts, escapes, backslashes, full-width letters, numbers instead of addresses. Only
//! schemes that lead to a server count (http, https, ftp). Linear; text is looked at in pieces, since
//! a link finder may look back over all that has no space.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use linkify::{LinkFinder, LinkKind};

/// Longest URL that is kept, in bytes; the rest is cut, the host stays.
pub(super) const URL_BYTES: usize = 2048;
/// Longest run without white space that a link is looked for in.
const RUN_BYTES: usize = 4096;
/// Longest host name (RFC 1035, section 2.3.4).
const HOST_BYTES: usize = 253;

/// One URL as found, with its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// As written (scheme added where the text had none), at most 2048 bytes.
    pub text: String,
    /// Host in lower case, without port or user part. Escapes are undone, an IPv4 address in any
    /// notation is dotted decimal, IPv6 stands without brackets, internationalised names as given.
    pub host: String,
    /// The text shown for the link in HTML; `None` when the URL itself stood in the text.
    pub shown: Option<String>,
}

impl Url {
    /// Reads a URL with scheme. `None` when it leads to no server: another scheme, no host.
    pub fn parse(text: &str, shown: Option<&str>) -> Option<Url> {
        let rest = after_scheme(text)?;
        let host = host(rest)?;
        Some(Url {
            text: cut(text, URL_BYTES).to_owned(),
            host,
            shown: shown.map(|s| cut(s, URL_BYTES).to_owned()),
        })
    }

    /// The part of the host that somebody registered, by the Public Suffix List:
    /// `a.b.example.co.uk` gives `example.co.uk`. `None` for addresses and unknown suffixes.
    pub fn registered_domain(&self) -> Option<&str> {
        registered_domain(&self.host)
    }

    /// The host as an address, when it is one.
    pub fn address(&self) -> Option<std::net::IpAddr> {
        self.host.parse().ok()
    }
}

fn registered_domain(host: &str) -> Option<&str> {
    if host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let domain = psl::domain(host.as_bytes())?;
    let known = domain.suffix().is_known();
    known
        .then(|| std::str::from_utf8(domain.as_bytes()).ok())
        .flatten()
}

/// At most `max` bytes of `text`, ending with a whole character.
pub(super) fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// What follows `scheme:` of a scheme that leads to a server.
fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    ["http", "https", "ftp"]
        .iter()
        .any(|s| scheme.eq_ignore_ascii_case(s))
        .then_some(rest)
}

/// The host in what follows the scheme, as browsers read it (WHATWG URL, "special" schemes): any
/// number of slashes, backslashes count as slashes, the last `@` ends the user part.
fn host(rest: &str) -> Option<String> {
    let rest = rest.trim_start_matches(['/', '\\']);
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let server = authority.rsplit('@').next()?;
    if let Some(bracketed) = server.strip_prefix('[') {
        let address: Ipv6Addr = bracketed.split(']').next()?.parse().ok()?;
        return Some(address.to_string());
    }
    let named = server.split(':').next()?;
    let mut host = String::with_capacity(named.len().min(HOST_BYTES));
    for c in unescape(cut(named, HOST_BYTES * 3)).chars() {
        match c {
            '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => host.push('.'),
            '\u{ff01}'..='\u{ff5e}' => {
                let plain = char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c);
                host.extend(plain.to_lowercase());
            }
            c if is_invisible(c) => {}
            c => host.extend(c.to_lowercase()),
        }
    }
    let host = host.trim_matches('.');
    let good = |c: char| !c.is_control() && !c.is_whitespace() && !"<>\"'()[]{}|^`,;".contains(c);
    if host.is_empty() || host.len() > HOST_BYTES || !host.chars().all(good) {
        return None;
    }
    Some(ipv4(host).map_or_else(|| host.to_owned(), |a| a.to_string()))
}

/// Characters that take no space; browsers ignore them in host names (UTS 46).
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Undoes percent escapes; what is no escape stays.
fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => match super::transfer::hex(*high, *low) {
                Some(value) => {
                    out.push(value);
                    rest = tail;
                }
                None => out.push(b'%'),
            },
            _ => out.push(*byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// An IPv4 address in any notation that `inet_aton` takes: one to four numbers, decimal, octal or
/// hexadecimal, the last of which fills the remaining bytes.
fn ipv4(host: &str) -> Option<Ipv4Addr> {
    let pieces: Vec<&str> = host.split('.').take(5).collect();
    if pieces.len() > 4 {
        return None;
    }
    let numbers: Vec<u64> = pieces.iter().map(|p| number(p)).collect::<Option<_>>()?;
    let (last, leading) = numbers.split_last()?;
    let mut value: u64 = 0;
    for byte in leading {
        if *byte > 255 {
            return None;
        }
        value = value << 8 | byte;
    }
    let bits = 32 - 8 * u32::try_from(leading.len()).ok()?;
    if *last >= 1 << bits {
        return None;
    }
    u32::try_from(value << bits | last).ok().map(Ipv4Addr::from)
}

fn number(piece: &str) -> Option<u64> {
    let (digits, radix) = match piece.strip_prefix("0x").or(piece.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if piece.len() > 1 && piece.starts_with('0') => (piece, 8),
        None => (piece, 10),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// URLs found so far, each pair of target and shown text once, in order.
#[derive(Debug, Default)]
pub(super) struct Urls {
    list: Vec<Url>,
    known: HashSet<(String, Option<String>)>,
    limit: usize,
    /// Whether one was left out for the limit.
    pub(super) truncated: bool,
}

impl Urls {
    /// Room for `limit` URLs.
    pub(super) fn new(limit: usize) -> Urls {
        Urls {
            limit,
            ..Urls::default()
        }
    }

    /// All of them.
    pub(super) fn into_list(self) -> Vec<Url> {
        self.list
    }

    fn add(&mut self, url: Url) {
        // Hearsay of a target that is known with a shown text says nothing new.
        let key = (url.text.clone(), url.shown.clone());
        if self.known.contains(&key) {
            return;
        }
        if self.list.len() >= self.limit {
            self.truncated = true;
            return;
        }
        self.known.insert(key);
        self.list.push(url);
    }

    /// Takes the target of a link in HTML and the text shown for it.
    pub(super) fn add_link(&mut self, target: &str, shown: &str) {
        if let Some(url) = Url::parse(&absolute(target), Some(shown)) {
            self.add(url);
        }
    }

    /// Takes every URL in `text`: with a scheme, starting with `www.`, or a bare domain with a public
    /// suffix that exists.
    pub(super) fn add_text(&mut self, text: &str) {
        let mut finder = LinkFinder::new();
        finder.kinds(&[LinkKind::Url, LinkKind::Email]);
        finder.url_must_have_scheme(false);
        for run in text.split(|c: char| c.is_whitespace() || c == '<' || c == '>' || c == '"') {
            let mut rest = run;
            while !rest.is_empty() && !self.truncated {
                let piece = cut(rest, RUN_BYTES);
                rest = rest.get(piece.len()..).unwrap_or_default();
                if piece.len() < 4 || memchr::memchr2(b'.', b':', piece.as_bytes()).is_none() {
                    continue;
                }
                for link in finder.links(piece) {
                    if *link.kind() == LinkKind::Url {
                        self.add_found(link.as_str());
                    }
                }
            }
        }
    }

    fn add_found(&mut self, found: &str) {
        if found.contains("://") {
            if let Some(url) = Url::parse(found, None) {
                self.add(url);
            }
            return;
        }
        if let Some(url) = Url::parse(&format!("http://{found}"), None)
            && (url.address().is_some() || url.registered_domain().is_some())
            && url.host.contains('.')
        {
            self.add(url);
        }
    }
}

/// A link target with a scheme: white space and line ends removed as browsers do, `//host` and
/// `www.host` completed.
fn absolute(target: &str) -> String {
    let clean: String = target
        .trim_matches(|c: char| c.is_whitespace() || c.is_control())
        .chars()
        .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
        .collect();
    if clean.starts_with("//") || clean.starts_with("\\\\") {
        return format!("http:{clean}");
    }
    if clean
        .get(..4)
        .is_some_and(|p| p.eq_ignore_ascii_case("www."))
    {
        return format!("http://{clean}");
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(url: &str) -> Option<String> {
        Url::parse(url, None).map(|u| u.host)
    }

    fn found(text: &str) -> Vec<String> {
        let mut urls = Urls::new(100);
        urls.add_text(text);
        urls.into_list().into_iter().map(|u| u.text).collect()
    }

    #[test]
    fn the_host_is_the_one_that_a_browser_goes_to() {
        for (url, host) in [
            ("http://Example.ORG/path", Some("example.org")),
            (
                "https://user:pw@evil.example:8080/x@y",
                Some("evil.example"),
            ),
            ("http://paypal.com@evil.example", Some("evil.example")),
            ("http:\\\\evil.example\\x", Some("evil.example")),
            ("http:evil.example", Some("evil.example")),
            ("http:////evil.example", Some("evil.example")),
            ("http://ex%61mple.org.", Some("example.org")),
            ("http://ex\u{ad}am\u{200b}ple.org", Some("example.org")),
            ("http://ｅｘａｍｐｌｅ。org", Some("example.org")),
            ("http://münchen.example/", Some("münchen.example")),
            ("http://2130706433/", Some("127.0.0.1")),
            ("http://0x7f.1/", Some("127.0.0.1")),
            ("http://0177.0.0.01/", Some("127.0.0.1")),
            ("http://0x7f000001", Some("127.0.0.1")),
            ("http://[2001:DB8::1]:80/", Some("2001:db8::1")),
            ("http://1.2.3.4.5/", Some("1.2.3.4.5")),
            ("http://256.1.1.1.example/", Some("256.1.1.1.example")),
            ("mailto:a@b.example", None),
            ("javascript:alert(1)", None),
            ("http://", None),
            ("http:///?x", None),
            ("no scheme", None),
        ] {
            assert_eq!(host_of(url).as_deref(), host, "{url}");
        }
    }

    #[test]
    fn the_registered_domain_follows_the_public_suffix_list() {
        for (url, domain) in [
            ("http://a.b.example.co.uk/", Some("example.co.uk")),
            ("http://example.org", Some("example.org")),
            ("http://co.uk", None),
            ("http://host.internal-only", None),
            ("http://127.0.0.1", None),
            ("http://a.xn--p1ai", Some("a.xn--p1ai")),
            ("http://b.a.рф", Some("a.рф")),
        ] {
            let url = Url::parse(url, None).unwrap();
            assert_eq!(url.registered_domain(), domain, "{}", url.text);
        }
    }

    #[test]
    fn text_gives_urls_with_and_without_scheme() {
        for (text, urls) in [
            (
                "see http://a.example/x?y=1, and",
                &["http://a.example/x?y=1"][..],
            ),
            ("(https://a.example/b)", &["https://a.example/b"]),
            (
                "go to www.example.org/x now.",
                &["http://www.example.org/x"],
            ),
            ("buy at example.com!", &["http://example.com"]),
            ("mail me@example.com", &[]),
            ("end.Of sentence, 3.14, a.b.c, e.g.", &[]),
            ("<http://a.example>", &["http://a.example"]),
            (
                "HTTP://A.EXAMPLE http://a.example",
                &["HTTP://A.EXAMPLE", "http://a.example"],
            ),
            (
                "twice http://a.example http://a.example",
                &["http://a.example"],
            ),
        ] {
            assert_eq!(found(text), urls, "{text}");
        }
    }

    #[test]
    fn links_are_completed_and_cleaned() {
        let mut urls = Urls::new(10);
        urls.add_link(" //cdn.example/x ", "");
        urls.add_link("htt\nps://a.exam\tple/", "Click");
        urls.add_link("www.example.org", "");
        urls.add_link("cid:1@2", "");
        urls.add_link("relative/path", "");
        let list = urls.into_list();
        let hosts: Vec<_> = list.iter().map(|u| u.host.as_str()).collect();
        assert_eq!(hosts, ["cdn.example", "a.example", "www.example.org"]);
        assert_eq!(list[1].shown.as_deref(), Some("Click"));
    }

    #[test]
    fn length_and_number_are_bounded() {
        let long = format!("http://a.example/{}", "ä".repeat(5000));
        let url = Url::parse(&long, None).unwrap();
        assert!(url.text.len() <= URL_BYTES && url.host == "a.example");
        let mut urls = Urls::new(2);
        urls.add_text("http://a.example http://b.example http://c.example");
        assert!(urls.truncated);
        assert_eq!(urls.into_list().len(), 2);
    }

    #[test]
    fn a_megabyte_without_spaces_is_no_trap() {
        let started = std::time::Instant::now();
        for unit in [
            "a.",
            "http://",
            "a@",
            ":",
            "www.",
            "a.b/",
            "((",
            "http://a.example/x",
        ] {
            Urls::new(1000).add_text(&unit.repeat(200_000 / unit.len()));
        }
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
