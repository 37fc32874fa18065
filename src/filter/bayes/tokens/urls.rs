//! Where a message leads: hosts, schemes, paths, and whether links show where they go.

use super::super::words;
use super::{HEADER_BYTES, Sink, bounded, clip, count, push_lower, registered_domain};
use crate::mail::Mail;

/// URLs looked at.
const URLS: usize = 100;
/// Words of the path of one URL.
const PATH_WORDS: usize = 8;

/// All but those in the lines of a list at the end, `footer`.
pub(super) fn urls(mail: &Mail, footer: &str, sink: &mut impl Sink) {
    let urls = mail.urls().iter();
    let urls = urls.filter(|u| footer.is_empty() || !footer.contains(&u.text));
    sink.field("url", "");
    sink.alone(count("count", urls.clone().count()).as_str());
    let mut token = String::new();
    for url in urls.take(URLS) {
        let host = bounded(&url.host);
        sink.alone(host);
        let registered = registered_domain(host);
        if registered != host {
            sink.alone(registered);
        }
        if let Some(dot) = registered.find('.') {
            sink.alone(registered.get(dot..).unwrap_or_default());
        }
        let (scheme, rest) = url.text.split_once(':').unwrap_or(("", &url.text));
        token.clear();
        push_lower(&mut token, clip(scheme, 12));
        token.push(':');
        sink.alone(&token);
        let rest = rest.trim_start_matches('/');
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            sink.alone("(user in authority)");
        }
        if authority
            .rsplit_once(':')
            .is_some_and(|(_, p)| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
        {
            sink.alone("(port)");
        }
        if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            sink.alone("(number for a host)");
        }
        let mut left = PATH_WORDS;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        words::split(clip(path, HEADER_BYTES), |word| {
            if left > 0 {
                left -= 1;
                token.clear();
                token.push('/');
                token.push_str(word.folded);
                sink.alone(&token);
            }
        });
        if !query.is_empty() {
            sink.alone("(query)");
        }
        if url
            .shown
            .as_deref()
            .is_some_and(|s| names_other_host(s, registered))
        {
            sink.alone("(shows another host)");
        }
    }
}

/// Whether the text of a link is itself a URL, and one that leads elsewhere.
fn names_other_host(shown: &str, registered: &str) -> bool {
    let shown = clip(shown.trim(), HEADER_BYTES);
    let Some((_, rest)) = shown.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    registered_domain(&host.to_ascii_lowercase()) != registered
}
