//! A URI that is relative to another, resolved as SpamAssassin does (RFC 3986, section 5, with its liberties).

/// Resolves `uri` against `base` (RFC 3986, section 5.2), and gives one without scheme that begins as a web
/// or FTP server its scheme.
pub(super) fn target(base: &str, uri: &str) -> String {
    let (own, from) = (Pieces::of(uri), Pieces::of(base));
    let own_scheme = own.scheme.filter(|s| from.scheme != Some(*s));
    let (scheme, authority, path, query);
    if own_scheme.is_some() || own.authority.is_some() {
        scheme = own_scheme.or(from.scheme);
        authority = own.authority;
        path = without_dots(own.path);
        query = own.query;
    } else {
        scheme = from.scheme;
        authority = from.authority;
        if own.path.is_empty() {
            path = from.path.to_owned();
            query = own.query.or(from.query);
        } else {
            let merged = match own.path.starts_with('/') {
                true => own.path.to_owned(),
                false if from.authority.is_some() && from.path.is_empty() => {
                    format!("/{}", own.path)
                }
                false => {
                    let folder = from.path.rfind('/').map_or(0, |at| at + 1);
                    let folder = from.path.get(..folder).unwrap_or_default();
                    format!("{folder}{}", own.path)
                }
            };
            path = without_dots(&merged);
            query = own.query;
        }
    }
    let mut out = String::new();
    match (scheme, authority) {
        (Some(scheme), _) if !scheme.is_empty() => {
            out.push_str(scheme);
            out.push(':');
        }
        (_, Some(server)) => {
            for (prefix, scheme) in [("www", "http:"), ("ftp", "ftp:")] {
                let named = starts_with(server, prefix)
                    && server.get(3..).is_some_and(|r| {
                        r.trim_start_matches(|c: char| c.is_ascii_digit())
                            .starts_with('.')
                    });
                if named {
                    out.push_str(scheme);
                }
            }
        }
        _ => {}
    }
    if let Some(authority) = authority {
        out.push_str("//");
        out.push_str(authority);
    }
    out.push_str(&path);
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    if let Some(fragment) = own.fragment {
        out.push('#');
        out.push_str(fragment);
    }
    out
}

#[derive(Default)]
struct Pieces<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Pieces<'a> {
    fn of(uri: &'a str) -> Pieces<'a> {
        let mut pieces = Pieces::default();
        let mut rest = uri;
        if let Some((scheme, behind)) = rest.split_once(':')
            && !scheme.is_empty()
            && !scheme.contains(['/', '?', '#'])
        {
            pieces.scheme = Some(scheme);
            rest = behind;
        }
        if let Some((before, fragment)) = rest.split_once('#') {
            pieces.fragment = Some(fragment);
            rest = before;
        }
        if let Some((before, query)) = rest.split_once('?') {
            pieces.query = Some(query);
            rest = before;
        }
        if let Some(server) = rest.strip_prefix("//") {
            let end = server.find('/').unwrap_or(server.len());
            let (authority, path) = server.split_at_checked(end).unwrap_or((server, ""));
            pieces.authority = Some(authority);
            rest = path;
        }
        pieces.path = rest;
        pieces
    }
}

fn without_dots(path: &str) -> String {
    if !path.starts_with('.') && memchr::memmem::find(path.as_bytes(), b"/.").is_none() {
        return path.to_owned();
    }
    let rooted = path
        .strip_prefix("../")
        .or_else(|| path.strip_prefix("./"))
        .map(|rest| format!("/{rest}"));
    let path = rooted.as_deref().unwrap_or(path);
    let mut out: Vec<&str> = Vec::new();
    let pieces: Vec<&str> = path.split_inclusive('/').collect();
    // Segments with the slash in front of each.
    let mut segments: Vec<&str> = Vec::new();
    let mut at = 0;
    for piece in &pieces {
        let start = at;
        at += piece.len();
        let from = if start == 0 { 0 } else { start - 1 };
        let to = if piece.ends_with('/') { at - 1 } else { at };
        if to > from || start == 0 {
            segments.push(path.get(from..to).unwrap_or_default());
        }
    }
    if path.ends_with('/') {
        segments.push("/");
    }
    let last = segments.len().saturating_sub(1);
    for (number, segment) in segments.iter().enumerate() {
        match *segment {
            "/." if number == last => out.push("/"),
            "/." => {}
            "/.." => {
                out.pop();
                if number == last {
                    out.push("/");
                }
            }
            other => out.push(other),
        }
    }
    out.concat()
}

/// Whether `text` begins with `prefix`, ASCII case ignored.
pub(super) fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|t| t.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn relative_uris_are_resolved() {
        for (base, uri, expected) in [
            ("", "x/y.html", "x/y.html"),
            ("http://h.example/a/", "../b", "http://h.example/b"),
            ("http://h.example/a/b", "c?q#f", "http://h.example/a/c?q#f"),
            ("http://h.example", "c", "http://h.example/c"),
            (
                "http://h.example/a/",
                "//www.o.example/x",
                "http://www.o.example/x",
            ),
            ("", "http://h.example/a/../b/./c", "http://h.example/b/c"),
            ("", "HTTP://h.example", "HTTP://h.example"),
        ] {
            assert_eq!(target(base, uri), expected, "{base} {uri}");
        }
    }
}
