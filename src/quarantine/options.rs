//! The `quarantine` section of the configuration, as written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::digest::DigestOptions;
use super::forward::ForwardOptions;
use super::objects::ObjectsOptions;
use crate::config::{ByteSize, Findings, Problem, Problems, Seconds, Source, unwritten};

/// Where messages are held back, how long, and how they are released. Every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The folder; relative to `data_dir`. It must be on a local file system. Default `quarantine`.
    pub path: PathBuf,
    /// Where the bytes of messages are moved.
    pub objects: ObjectsOptions,
    /// When messages are removed.
    pub retention: RetentionOptions,
    /// How messages are released.
    pub release: ReleaseOptions,
    /// To whom messages are shown.
    pub forward: ForwardOptions,
    /// When recipients are told what is held for them, and how.
    pub digest: DigestOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            path: PathBuf::from("quarantine"),
            objects: ObjectsOptions::default(),
            retention: RetentionOptions::default(),
            release: ReleaseOptions::default(),
            forward: ForwardOptions::default(),
            digest: DigestOptions::default(),
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
    /// Age for recipients of single domains, `example.org: 7d`. A message is kept for the longest time that one
    /// of its recipients asks for.
    pub domains: BTreeMap<String, Spanned<Seconds>>,
}

impl Default for RetentionOptions {
    fn default() -> Self {
        RetentionOptions {
            age: unwritten(Seconds::new(30 * 86_400)),
            bytes: unwritten(ByteSize(2 << 30)),
            messages: unwritten(100_000),
            domains: BTreeMap::new(),
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
    /// Whether the connection is encrypted. Default none.
    pub tls: Spanned<Tls>,
    /// Certificates in PEM form that are trusted instead of those of the system, with `required` and
    /// `implicit`; relative to the configuration file. Default: those of the system.
    pub ca_file: Option<Spanned<PathBuf>>,
    /// Whom to log in as (AUTH PLAIN or LOGIN), with `required` and `implicit`. Default: nobody.
    pub user: Option<Spanned<String>>,
    /// The file whose one line is the password, not readable for others; relative to the configuration
    /// file.
    pub password_file: Option<Spanned<PathBuf>>,
    /// How long the mark on a released message lets it pass. Default 1h.
    pub mark_valid: Spanned<Seconds>,
}

/// `quarantine.release.tls`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Plain SMTP: for a server on this host.
    #[default]
    None,
    /// STARTTLS where it is offered; the certificate is not checked.
    Opportunistic,
    /// STARTTLS or nothing; the certificate is checked.
    Required,
    /// TLS from the first byte (RFC 8314, port 465); the certificate is checked.
    Implicit,
}

impl Default for ReleaseOptions {
    fn default() -> Self {
        ReleaseOptions {
            smtp: unwritten("127.0.0.1:25".to_owned()),
            helo: None,
            timeout: unwritten(Seconds::new(30)),
            tls: unwritten(Tls::None),
            ca_file: None,
            user: None,
            password_file: None,
            mark_valid: unwritten(Seconds::new(3600)),
        }
    }
}

impl Options {
    /// Turns paths that are relative to the folder of the configuration file into whole ones.
    pub(crate) fn resolve(&mut self, base: &Path) {
        self.objects.resolve(base);
        self.release.resolve(base);
        self.digest.resolve(base);
    }

    /// What is wrong with the values, each with its place in `source`.
    pub fn problems(&self, source: &Source) -> Problems {
        let mut findings = Findings::new(source);
        if self.path.as_os_str().is_empty() {
            let problem = Problem::at(source, 0..1, "the quarantine needs a folder");
            findings.extend([problem.help("set quarantine.path, or leave it out")]);
        }
        let retention = &self.retention;
        if retention.age.value.0.is_zero() {
            let help = "a message must be kept for some time, such as 30d";
            findings.wrong_with_help(&retention.age, "retention.age is zero", help);
        }
        if retention.bytes.value.0 == 0 {
            let help = "give the quarantine some room, such as 2GiB";
            findings.wrong_with_help(&retention.bytes, "retention.bytes is zero", help);
        }
        if retention.messages.value == 0 {
            let help = "the quarantine must hold at least one message";
            findings.wrong_with_help(&retention.messages, "retention.messages is zero", help);
        }
        for (domain, age) in &retention.domains {
            if domain.is_empty() || domain.contains(['@', '*', ' ']) {
                let help = "write a domain such as example.org, without `*`";
                findings.wrong_with_help(age, format!("{domain:?} is no domain"), help);
            } else if age.value.0.is_zero() {
                let help = "a message must be kept for some time, such as 7d";
                findings.wrong_with_help(age, format!("the age for {domain} is zero"), help);
            }
        }
        self.objects.check(&mut findings);
        self.release.check(&mut findings);
        self.forward.check(&mut findings);
        self.digest.check(&mut findings);
        findings.finish(()).err().unwrap_or_default()
    }
}

impl ReleaseOptions {
    fn resolve(&mut self, base: &Path) {
        for file in [&mut self.ca_file, &mut self.password_file]
            .into_iter()
            .flatten()
        {
            file.value = base.join(&file.value);
        }
    }

    fn check(&self, findings: &mut Findings<'_>) {
        if server(&self.smtp.value).is_none() {
            let help = "write host:port, such as 127.0.0.1:25, [::1]:25 or mail.example.org:10025";
            findings.wrong_with_help(&self.smtp, "not a host with a port", help);
        }
        if let Some(helo) = self.helo.as_ref().filter(|h| !is_host(&h.value)) {
            let help = "write a host name such as mail.example.org, or null";
            findings.wrong_with_help(helo, "not a host name", help);
        }
        if self.timeout.value.0.is_zero() {
            let help = "the mail server needs some time to answer, such as 30s";
            findings.wrong_with_help(&self.timeout, "release.timeout is zero", help);
        }
        if self.mark_valid.value.0.is_zero() {
            let help = "the mark must outlast the delivery to the mail server, such as 1h";
            findings.wrong_with_help(&self.mark_valid, "release.mark_valid is zero", help);
        }
        let checked = matches!(self.tls.value, Tls::Required | Tls::Implicit);
        if let Some(file) = self.ca_file.as_ref().filter(|_| !checked) {
            let help = "set `tls: required` or `tls: implicit`";
            findings.wrong_with_help(file, "no certificate is checked without TLS", help);
        }
        match (&self.user, &self.password_file) {
            (Some(user), Some(_)) if !checked => {
                let help = "set `tls: required` or `tls: implicit`";
                findings.wrong_with_help(user, "the password could be read on its way", help);
            }
            (Some(user), None) => {
                let help = "name the file that holds it in `password_file`";
                findings.wrong_with_help(user, "a user needs a password", help);
            }
            (None, Some(file)) => {
                let help = "name the user in `user`";
                findings.wrong_with_help(file, "a password needs a user", help);
            }
            _ => {}
        }
        if let Some(user) = &self.user
            && (user.value.is_empty() || user.value.contains(char::is_control))
        {
            findings.wrong(user, "not the name of a user");
        }
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
        assert_eq!(
            problems(
                "objects: { url: s3://held-mail/mx1, endpoint: 'https://minio.example.org:9000' }"
            ),
            ""
        );
        assert_eq!(
            problems("release: { tls: required, ca_file: a.pem, user: a, password_file: b }"),
            ""
        );
    }

    #[test]
    fn senseless_values_are_shown_where_they_stand() {
        for (text, place) in [
            ("retention:\n  age: 0s\n", "q.yaml:2:8"),
            ("retention:\n  bytes: 0\n", "q.yaml:2:10"),
            ("retention:\n  messages: 0\n", "q.yaml:2:13"),
            (
                "retention:\n  domains: { example.org: 0s }\n",
                "q.yaml:2:27",
            ),
            ("retention:\n  domains: { 'a@b': 1d }\n", "q.yaml:2:21"),
            ("forward:\n  to: analyst\n", "q.yaml:2:7"),
            ("forward:\n  from: 'a <b>'\n", "q.yaml:2:9"),
            ("digest:\n  at: [\"7:00\"]\n", "q.yaml:2:8"),
            ("digest:\n  at: [\"24:00\"]\n", "q.yaml:2:8"),
            ("digest:\n  from: nobody\n", "q.yaml:2:9"),
            ("digest:\n  base_url: mail.example.org\n", "q.yaml:2:13"),
            ("digest:\n  link_valid: 0s\n", "q.yaml:2:15"),
            ("digest:\n  messages: 0\n", "q.yaml:2:13"),
            ("digest:\n  domains: ['*.org']\n", "q.yaml:2:13"),
            ("digest:\n  subject: '{{no}}'\n", "q.yaml:2:12"),
            ("digest:\n  text: /absent\n", "q.yaml:2:9"),
            ("objects:\n  url: ftp://a\n", "q.yaml:2:8"),
            ("objects:\n  url: s3://B/x\n", "q.yaml:2:8"),
            ("objects:\n  url: s3://bucket/a//b\n", "q.yaml:2:8"),
            ("objects:\n  url: http://dav.example.org/\n", "q.yaml:2:8"),
            (
                "objects:\n  url: https://u:p@dav.example.org/\n",
                "q.yaml:2:8",
            ),
            ("objects:\n  endpoint: http://minio:9000\n", "q.yaml:2:13"),
            ("objects:\n  endpoint: https://minio/path\n", "q.yaml:2:13"),
            (
                "objects: { url: https://dav.example.org/q,\n  endpoint: https://minio }\n",
                "q.yaml:2:13",
            ),
            ("objects:\n  region: ''\n", "q.yaml:2:11"),
            ("objects:\n  user: a\n", "q.yaml:2:9"),
            ("objects:\n  password_file: a\n", "q.yaml:2:18"),
            ("objects:\n  timeout: 0s\n", "q.yaml:2:12"),
            ("objects:\n  parallel: 0\n", "q.yaml:2:13"),
            ("objects:\n  waiting: 0\n", "q.yaml:2:12"),
            ("release:\n  smtp: localhost\n", "q.yaml:2:9"),
            ("release:\n  smtp: 'a b:25'\n", "q.yaml:2:9"),
            ("release:\n  smtp: 'host:0'\n", "q.yaml:2:9"),
            ("release:\n  helo: 'a b'\n", "q.yaml:2:9"),
            ("release:\n  timeout: 0s\n", "q.yaml:2:12"),
            ("release:\n  mark_valid: 0s\n", "q.yaml:2:15"),
            ("release:\n  ca_file: a.pem\n", "q.yaml:2:12"),
            ("release:\n  user: a\n", "q.yaml:2:9"),
            ("release:\n  password_file: a\n", "q.yaml:2:18"),
            (
                "release: { tls: opportunistic, password_file: a,\n  user: a }\n",
                "q.yaml:2:9",
            ),
            (
                "release: { tls: required, password_file: a,\n  user: \"a\\0\" }\n",
                "q.yaml:2:9",
            ),
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
