//! The `quarantine` section of the configuration, as written.

use std::path::PathBuf;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{ByteSize, Problem, Problems, Seconds, Source, span_of, unwritten};

/// Where messages are held back, how long, and how they are released. Every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The folder; relative to `data_dir`. It must be on a local file system. Default `quarantine`.
    pub path: PathBuf,
    /// When messages are removed.
    pub retention: RetentionOptions,
    /// How messages are released.
    pub release: ReleaseOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            path: PathBuf::from("quarantine"),
            retention: RetentionOptions::default(),
            release: ReleaseOptions::default(),
        }
    }
}

/// `quarantine.retention`: the first bound that is passed removes the oldest messages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionOptions {
    /// Since the message was last seen. Default 30d.
    pub age: Spanned<Seconds>,
    /// Of all messages together. Default 2GiB.
    pub bytes: Spanned<ByteSize>,
    /// Number of messages. Default 100000.
    pub messages: Spanned<u64>,
}

impl Default for RetentionOptions {
    fn default() -> Self {
        RetentionOptions {
            age: unwritten(Seconds::new(30 * 86_400)),
            bytes: unwritten(ByteSize(2 << 30)),
            messages: unwritten(100_000),
        }
    }
}

/// `quarantine.release`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseOptions {
    /// The mail server that takes released messages, `host:port`. Default 127.0.0.1:25.
    pub smtp: Spanned<String>,
    /// The name given in EHLO; null for the name of this host.
    pub helo: Option<Spanned<String>>,
    /// For each answer of the server. Default 30s.
    pub timeout: Spanned<Seconds>,
    /// How long the mark on a released message lets it pass. Default 1h.
    pub mark_valid: Spanned<Seconds>,
}

impl Default for ReleaseOptions {
    fn default() -> Self {
        ReleaseOptions {
            smtp: unwritten("127.0.0.1:25".to_owned()),
            helo: None,
            timeout: unwritten(Seconds::new(30)),
            mark_valid: unwritten(Seconds::new(3600)),
        }
    }
}

impl Options {
    /// What is wrong with the values, each with its place in `source`.
    pub fn problems(&self, source: &Source) -> Problems {
        let mut found = Vec::new();
        let mut at = |span, message: &str, help: &str| {
            found.push(Problem::at(source, span, message).help(help));
        };
        if self.path.as_os_str().is_empty() {
            at(
                0..1,
                "the quarantine needs a folder",
                "set quarantine.path, or leave it out",
            );
        }
        let retention = &self.retention;
        if retention.age.value.0.is_zero() {
            let help = "a message must be kept for some time, such as 30d";
            at(span_of(&retention.age), "retention.age is zero", help);
        }
        if retention.bytes.value.0 == 0 {
            let help = "give the quarantine some room, such as 2GiB";
            at(span_of(&retention.bytes), "retention.bytes is zero", help);
        }
        if retention.messages.value == 0 {
            let help = "the quarantine must hold at least one message";
            at(
                span_of(&retention.messages),
                "retention.messages is zero",
                help,
            );
        }
        let release = &self.release;
        if server(&release.smtp.value).is_none() {
            let help = "write host:port, such as 127.0.0.1:25, [::1]:25 or mail.example.org:10025";
            at(span_of(&release.smtp), "not a host with a port", help);
        }
        if let Some(helo) = release.helo.as_ref().filter(|h| !is_host(&h.value)) {
            let help = "write a host name such as mail.example.org, or null";
            at(span_of(helo), "not a host name", help);
        }
        if release.timeout.value.0.is_zero() {
            let help = "the mail server needs some time to answer, such as 30s";
            at(span_of(&release.timeout), "release.timeout is zero", help);
        }
        if release.mark_valid.value.0.is_zero() {
            let help = "the mark must outlast the delivery to the mail server, such as 1h";
            at(
                span_of(&release.mark_valid),
                "release.mark_valid is zero",
                help,
            );
        }
        Problems(found)
    }
}

/// Host and port of `host:port` or `[address]:port`.
pub(super) fn server(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|p| *p != 0)?;
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match bracketed {
        Some(address) => {
            let _: std::net::Ipv6Addr = address.parse().ok()?;
            Some((address, port))
        }
        None => is_host(host).then_some((host, port)),
    }
}

/// Letters, digits, hyphens and dots (RFC 1123, section 2.1), at most 253 bytes.
fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;

    fn problems(text: &str) -> String {
        let source = Source::new("q.yaml", text);
        let options: Options = parse_yaml(&source).unwrap();
        options.problems(&source).to_string()
    }

    #[test]
    fn defaults_are_valid_and_an_empty_section_is_the_default() {
        assert_eq!(problems("{}"), "");
        assert_eq!(
            problems("release: { smtp: '[::1]:10025', helo: mail.example.org }"),
            ""
        );
    }

    #[test]
    fn senseless_values_are_shown_where_they_stand() {
        for (text, place) in [
            ("retention:\n  age: 0s\n", "q.yaml:2:8"),
            ("retention:\n  bytes: 0\n", "q.yaml:2:10"),
            ("retention:\n  messages: 0\n", "q.yaml:2:13"),
            ("release:\n  smtp: localhost\n", "q.yaml:2:9"),
            ("release:\n  smtp: 'a b:25'\n", "q.yaml:2:9"),
            ("release:\n  smtp: 'host:0'\n", "q.yaml:2:9"),
            ("release:\n  helo: 'a b'\n", "q.yaml:2:9"),
            ("release:\n  timeout: 0s\n", "q.yaml:2:12"),
            ("release:\n  mark_valid: 0s\n", "q.yaml:2:15"),
        ] {
            let shown = problems(text);
            assert!(shown.contains(place), "{text}: {shown}");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let source = Source::new("q.yaml", "release: { port: 25 }");
        assert!(parse_yaml::<Options>(&source).is_err());
    }
}
