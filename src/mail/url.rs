//! URLs found in the text and the HTML of a message, and the hosts that they really lead to.
//!
//! In: text, link targets. Out: [`Url`]s with the host as a browser reads it, whatever disguise is
//! used: user parts, escapes, backslashes, full-width letters, numbers instead of addresses. Only
//! schemes that lead to a server count (http, https, ftp). Linear; text is looked at in pieces, since
//! a link finder may look back over all that has no space.

use std::collections::HashSet;
use std::ops::Range;

use linkify::{LinkFinder, LinkKind};

use super::host;

/// Longest URL that is kept, in bytes; the rest is cut, the host stays.
pub(super) const URL_BYTES: usize = 2048;
/// Schemes that lead to a server.
const SCHEMES: &[&str] = &["https", "http", "ftp"];
/// Longest run without white space that a link is looked for in.
const RUN_BYTES: usize = 4096;

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
        let host = host::read(rest)?;
        Some(Url {
            text: cut(text, URL_BYTES).to_owned(),
            host,
            shown: shown.map(|s| cut(s, URL_BYTES).to_owned()),
        })
    }

    /// Reads the target of a link, as browsers do: white space and line ends are left out, `//host` and `www.host`
    /// completed.
    pub fn of_link(target: &str, shown: Option<&str>) -> Option<Url> {
        Url::parse(&absolute(target), shown)
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

/// The part of a host name that somebody registered, by the Public Suffix List. `None` for addresses and
/// unknown suffixes.
pub fn registered_domain(host: &str) -> Option<&str> {
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
    SCHEMES
        .iter()
        .any(|s| scheme.eq_ignore_ascii_case(s))
        .then_some(rest)
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
        if let Some(url) = Url::of_link(target, Some(shown)) {
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
                let mut found = Vec::new();
                for link in finder.links(piece) {
                    if *link.kind() == LinkKind::Url {
                        self.add_found(link.as_str());
                    }
                    found.push(link.start()..link.end());
                }
                self.add_passed_over(piece, &found);
            }
        }
    }

    /// URLs with a scheme that the finder does not take and mail clients do: hosts with an underscore, under an
    /// internationalised ending, as one number, with escapes.
    fn add_passed_over(&mut self, piece: &str, found: &[Range<usize>]) {
        let mut done = 0;
        for at in memchr::memmem::find_iter(piece.as_bytes(), b"://") {
            let Some(start) = SCHEMES.iter().find_map(|scheme| {
                let start = at.checked_sub(scheme.len())?;
                let same = piece.get(start..at)?.eq_ignore_ascii_case(scheme);
                same.then_some(start)
            }) else {
                continue;
            };
            let next = found.partition_point(|taken| taken.end <= start);
            if start < done || found.get(next).is_some_and(|taken| taken.contains(&start)) {
                continue;
            }
            let rest = piece.get(start..).unwrap_or_default();
            let end = rest.trim_end_matches(|c: char| ".,;:!?)]}'".contains(c));
            if let Some(url) = Url::parse(end, None) {
                done = piece.len();
                self.add(url);
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

/// Whether a target needs a base: no scheme, no host.
pub(super) fn is_relative(target: &str) -> bool {
    let scheme = target
        .split(['/', '?', '#', '\\'])
        .next()
        .is_some_and(|first| first.contains(':'));
    !scheme && !target.starts_with("//") && !target.starts_with("\\\\") && !target.starts_with('#')
}

/// `target` on `base`, well enough to tell the host and most of the path.
pub(super) fn join(base: &str, target: &str) -> String {
    let after_host = base
        .find("//")
        .and_then(|s| base.get(s + 2..)?.find(['/', '?', '#']).map(|p| s + 2 + p))
        .unwrap_or(base.len());
    let root = base.get(..after_host).unwrap_or(base);
    if target.starts_with(['/', '\\']) {
        return format!("{root}{target}");
    }
    let path = base.get(after_host..).unwrap_or_default();
    let folder = path
        .rfind('/')
        .and_then(|at| path.get(..=at))
        .unwrap_or("/");
    format!("{root}{folder}{target}")
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
            ("go to (https://пример.рф/x).", &["https://пример.рф/x"]),
            ("Http://a_b.example.org/x!", &["Http://a_b.example.org/x"]),
            ("http://2130706433/", &["http://2130706433/"]),
            ("http://%65.example/ http://", &["http://%65.example/"]),
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
            "http://a_b",
            "http://(",
        ] {
            Urls::new(1000).add_text(&unit.repeat(200_000 / unit.len()));
        }
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
