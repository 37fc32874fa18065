//! The `console` section of the configuration, as written and as run.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Uri;
use ipnet::IpNet;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::accounts::Lifetime;
use super::oidc;
use crate::config::{Findings, Problems, Seconds, Source, unwritten};
use crate::filter::trusted;

/// Where the console is served, and how. Every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Address of the console and the HTTP API, `127.0.0.1:8898`. Default null: there is none.
    pub listen: Option<Spanned<SocketAddr>>,
    /// What people type to get there, `https://filter.example.org`, for links. Default: from `listen`.
    pub url: Option<Spanned<String>>,
    /// Certificate and key. Default null: plain HTTP, for loopback or behind a proxy.
    pub tls: Option<TlsOptions>,
    /// Addresses and networks of proxies that encrypt, and whose `X-Forwarded-For` is believed. Default none.
    pub trusted_proxies: Vec<Spanned<String>>,
    /// When users have to sign in again.
    pub session: SessionOptions,
    /// Sign-in by a provider of OpenID Connect.
    pub oidc: oidc::Options,
    /// Connections at one time. Default 128.
    pub connections: Spanned<usize>,
    /// Those of one address among them, IPv6 by the first 64 bits; proxies that are trusted have no bound of their own.
    /// Default 32.
    pub connections_per_address: Spanned<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: None,
            url: None,
            tls: None,
            trusted_proxies: Vec::new(),
            session: SessionOptions::default(),
            oidc: oidc::Options::default(),
            connections: unwritten(128),
            connections_per_address: unwritten(32),
        }
    }
}

/// `console.tls`: files in PEM form, relative to the configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsOptions {
    /// The certificate, with those between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `console.session`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionOptions {
    /// After this time without a click. Default 1h.
    pub idle: Spanned<Seconds>,
    /// After this time in any case. Default 12h.
    pub total: Spanned<Seconds>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        SessionOptions {
            idle: unwritten(Seconds::new(3600)),
            total: unwritten(Seconds::new(12 * 3600)),
        }
    }
}

/// The console as run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Scheme, host and port that people type, without a slash at the end.
    pub url: Option<String>,
    /// Certificate and key.
    pub tls: Option<TlsOptions>,
    /// Who may say for whom they speak.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections at one time.
    pub connections: usize,
    /// Those of one address among them.
    pub connections_per_address: usize,
    pub(in crate::web) lifetime: Lifetime,
    pub(in crate::web) oidc: Option<oidc::Settings>,
}

impl Settings {
    /// What is written, checked; `None` where the console is off.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(
        options: &Options,
        source: &Source,
        base: &Path,
    ) -> Result<Option<Settings>, Problems> {
        let mut findings = Findings::new(source);
        let trusted_proxies = trusted::read(&options.trusted_proxies, &mut findings);
        let url = options.url.as_ref().and_then(|url| {
            let origin = origin(&url.value);
            if origin.is_none() {
                findings.wrong_with_help(
                    url,
                    "not the address of a web site",
                    "write scheme and host, and the port if it has one: https://filter.example.org",
                );
            }
            origin
        });
        findings.within(&options.connections, 4, 10_000, "connections");
        let of_address = &options.connections_per_address;
        findings.within(of_address, 1, 10_000, "connections");
        let (idle, total) = (&options.session.idle, &options.session.total);
        for (wait, most) in [(idle, 30 * 86_400), (total, 365 * 86_400)] {
            findings.within(wait, Seconds::new(60), Seconds::new(most), "of a session");
        }
        if idle.value > total.value {
            findings.wrong(idle, "session.idle is longer than session.total");
        }
        if let Some(listen) = &options.listen {
            let open = !listen.value.ip().is_loopback() && options.tls.is_none();
            if open && trusted_proxies.is_empty() {
                findings.wrong_with_help(
                    listen,
                    "passwords would cross the network in clear text",
                    "listen on 127.0.0.1, or set console.tls, or console.trusted_proxies where a proxy encrypts",
                );
            }
        }
        let listen = options.listen.as_ref().map(|listen| listen.value);
        let oidc = options
            .oidc
            .check(listen, url.is_some(), base, &mut findings);
        let settings = options.listen.as_ref().map(|listen| Settings {
            listen: listen.value,
            url,
            tls: options.tls.as_ref().map(|tls| TlsOptions {
                certificate: base.join(&tls.certificate),
                key: base.join(&tls.key),
            }),
            trusted_proxies,
            connections: options.connections.value,
            connections_per_address: of_address.value,
            lifetime: Lifetime {
                idle: idle.value.0,
                total: total.value.0,
                vouched_tokens: options.oidc.tokens.value.0,
            },
            oidc,
        });
        findings.finish(settings)
    }

    /// Whether browsers come by HTTPS: then cookies are bound to it.
    pub(super) fn is_encrypted(&self) -> bool {
        let by_url = self.url.as_deref().map(|url| url.starts_with("https:"));
        self.tls.is_some() || by_url.unwrap_or(!self.trusted_proxies.is_empty())
    }

    /// How a browser gets there, when the listener has this address.
    pub fn link(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        match &self.url {
            Some(url) => url.clone(),
            None => format!("{scheme}://{address}"),
        }
    }

    /// How many connections this other end may have at one time; `None` for a proxy that is trusted, because it speaks for
    /// many.
    pub(super) fn connections_of(&self, peer: IpAddr) -> Option<usize> {
        let peer = peer.to_canonical();
        let is_proxy = self.trusted_proxies.iter().any(|net| net.contains(&peer));
        (!is_proxy).then_some(self.connections_per_address)
    }

    /// The longest that a session lasts.
    pub(super) fn longest(&self) -> Duration {
        self.lifetime.total
    }
}

/// Scheme, host and port of an address that has nothing else.
fn origin(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let scheme = uri.scheme_str().filter(|s| ["http", "https"].contains(s))?;
    let authority = uri.authority().filter(|a| !a.as_str().contains('@'))?;
    let bare = uri.path() == "/" && uri.query().is_none();
    // Browsers leave out the port that goes without saying.
    let unsaid = if scheme == "https" { 443 } else { 80 };
    let host = authority.host().to_ascii_lowercase();
    bare.then(|| match authority.port_u16() {
        Some(port) if port != unsaid => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Option<Settings>, String> {
        let source = Source::new("console.yaml", text);
        let options: Options = crate::config::parse_yaml(&source).map_err(|p| p.to_string())?;
        Settings::new(&options, &source, Path::new("/etc/mailweir")).map_err(|p| p.to_string())
    }

    #[test]
    fn the_console_is_off_until_one_line_turns_it_on() {
        assert!(settings("{}").unwrap().is_none());
        let on = settings("listen: 127.0.0.1:8898").unwrap().unwrap();
        assert!(!on.is_encrypted());
        assert_eq!(on.link(on.listen), "http://127.0.0.1:8898");
        assert_eq!(on.longest(), Duration::from_secs(12 * 3600));
    }

    #[test]
    fn passwords_never_cross_a_network_in_clear_text() {
        let open = settings("listen: 192.0.2.1:80").unwrap_err();
        assert!(
            open.contains("clear text") && open.contains("console.tls"),
            "{open}"
        );
        let tls = "listen: 0.0.0.0:443\ntls: { certificate: a.pem, key: /b.pem }";
        let tls = settings(tls).unwrap().unwrap();
        assert!(tls.is_encrypted());
        let files = tls.tls.unwrap();
        assert_eq!(files.certificate, Path::new("/etc/mailweir/a.pem"));
        assert_eq!(files.key, Path::new("/b.pem"));
        let proxy = "listen: 192.0.2.1:80\ntrusted_proxies: [192.0.2.2]";
        assert!(settings(proxy).unwrap().unwrap().is_encrypted());
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_is() {
        for (text, part) in [
            ("listen: somewhere", "console.yaml:1:"),
            ("url: filter.example.org", "scheme and host"),
            ("url: 'https://example.org/console'", "scheme and host"),
            ("url: 'https://ann@example.org'", "scheme and host"),
            ("trusted_proxies: [192.0.2.1/24]", "192.0.2.0/24"),
            ("session: { idle: 1s }", "1m"),
            ("session: { idle: 2h, total: 1h }", "longer than"),
            ("connections: 1", "4 to 10000 connections"),
            ("connections_per_address: 0", "1 to 10000 connections"),
            ("tls: { certificate: a }", "key"),
            ("listn: x", "did you mean `listen`?"),
        ] {
            let told = settings(text).unwrap_err();
            // Durations are written as the standard library does.
            let told = told.replace("60s", "1m");
            assert!(told.contains(part), "{part} in:\n{told}");
        }
        let url = settings("{ listen: '127.0.0.1:1', url: 'https://Filter.example.org:8443/' }");
        let url = url.unwrap().unwrap();
        assert_eq!(url.link(url.listen), "https://filter.example.org:8443");
        assert!(url.is_encrypted());
    }

    #[test]
    fn a_trusted_proxy_may_have_as_many_connections_as_there_are() {
        let text =
            "{ listen: '127.0.0.1:1', connections_per_address: 5, trusted_proxies: [10.0.0.0/8] }";
        let settings = settings(text).unwrap().unwrap();
        let of = |peer: &str| settings.connections_of(peer.parse().unwrap());
        assert_eq!(of("192.0.2.1"), Some(5));
        assert_eq!((of("10.1.2.3"), of("::ffff:10.1.2.3")), (None, None));
    }

    #[test]
    fn the_address_is_the_one_that_browsers_say_they_come_from() {
        for (written, origin) in [
            (
                "https://filter.example.org:443",
                "https://filter.example.org",
            ),
            ("http://localhost:80/", "http://localhost"),
            (
                "https://filter.example.org:80",
                "https://filter.example.org:80",
            ),
            ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ] {
            let text = format!("{{ listen: '127.0.0.1:1', url: '{written}' }}");
            let url = settings(&text).unwrap().unwrap();
            assert_eq!(url.url.as_deref(), Some(origin), "{written}");
        }
    }
}
