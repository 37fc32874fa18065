//! The parts of a URL as written (RFC 3986, section 3), found the way browsers find them: backslashes
//! count as slashes, the last `@` before the path ends the user part, the fragment is no part of the query.
//!
//! Each is a piece of [`Url::text`], undecoded; the host stands decoded in [`Url::host`].

use super::Url;

impl Url {
    /// The scheme as written, without the colon.
    pub fn scheme(&self) -> &str {
        self.text.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// What stands before the last `@` of the authority: `user` or `user:password`.
    pub fn userinfo(&self) -> Option<&str> {
        self.authority().rsplit_once('@').map(|(user, _)| user)
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        let authority = self.authority();
        let server = authority.rsplit('@').next().unwrap_or(authority);
        let after_host = match server.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').map(|(_, rest)| rest)?,
            None => server,
        };
        after_host.split_once(':')?.1.parse().ok()
    }

    /// The path, with its first slash; empty when there is none.
    pub fn path(&self) -> &str {
        let rest = self.after_authority();
        rest.split(['?', '#']).next().unwrap_or(rest)
    }

    /// What follows the first `?`, up to the fragment.
    pub fn query(&self) -> Option<&str> {
        let rest = self.after_authority();
        let rest = rest.split('#').next().unwrap_or(rest);
        rest.split_once('?').map(|(_, query)| query)
    }

    /// What follows the first `#`.
    pub fn fragment(&self) -> Option<&str> {
        self.after_authority()
            .split_once('#')
            .map(|(_, fragment)| fragment)
    }

    fn after_scheme(&self) -> &str {
        let rest = self.text.split_once(':').map_or("", |(_, rest)| rest);
        rest.trim_start_matches(['/', '\\'])
    }

    fn authority(&self) -> &str {
        let rest = self.after_scheme();
        rest.split(['/', '\\', '?', '#']).next().unwrap_or(rest)
    }

    fn after_authority(&self) -> &str {
        let rest = self.after_scheme();
        rest.get(self.authority().len()..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_into_its_parts() {
        let url = |text: &str| Url::parse(text, None).unwrap();
        let full = url("HTTPS://paypal.com:x@Evil.example:8443/a/b?c=d?e#f?g");
        assert_eq!(full.scheme(), "HTTPS");
        assert_eq!(full.userinfo(), Some("paypal.com:x"));
        assert_eq!(full.host, "evil.example");
        assert_eq!(full.port(), Some(8443));
        assert_eq!(full.path(), "/a/b");
        assert_eq!(full.query(), Some("c=d?e"));
        assert_eq!(full.fragment(), Some("f?g"));
        let bare = url("http://example.org");
        assert_eq!(
            (bare.userinfo(), bare.port(), bare.path(), bare.query()),
            (None, None, "", None)
        );
        assert_eq!(url("http:\\\\evil.example\\x@y").path(), "\\x@y");
        assert_eq!(url("http://[2001:db8::1]:81/").port(), Some(81));
        assert_eq!(url("http://[2001:db8::1]/").port(), None);
        assert_eq!(url("http://a.example?q#").query(), Some("q"));
        assert_eq!(url("http://a.example#x?y").query(), None);
    }
}
