//! The section `events` of the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::event::Kind;
use crate::config::{
    ByteSize, Findings, Hidden, Problems, Seconds, Source, secret_line, unwritten,
};
use crate::https::Target;

/// The section as written. Without a file and a URL nothing is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The file of JSON lines; relative to `data_dir`. Default: none.
    pub file: Option<PathBuf>,
    /// From which size on the file is moved to FILE.1, and so on. Default 100MiB.
    pub file_bytes: Spanned<ByteSize>,
    /// How many such files are kept; 0 leaves rotation to others, who send SIGHUP. Default 5.
    pub files: Spanned<usize>,
    /// Which events are told; null for all. Default: all.
    pub which: Option<Vec<Kind>>,
    /// Where batches of events are sent.
    pub webhook: WebhookOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            file: None,
            file_bytes: unwritten(ByteSize::mib(100)),
            files: unwritten(5),
            which: None,
            webhook: WebhookOptions::default(),
        }
    }
}

/// `events.webhook`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookOptions {
    /// Where events are sent: https, or http to this host. Default: nowhere.
    pub url: Option<Spanned<String>>,
    /// The file whose one line is the secret that requests are signed with; relative to the configuration file. Needed
    /// where there is a URL.
    pub secret_file: Option<Spanned<PathBuf>>,
    /// Certificates in PEM form that are trusted instead of those of the system; relative to the configuration file.
    pub ca_file: Option<Spanned<PathBuf>>,
    /// For a request with its answer. Default 10s.
    pub timeout: Spanned<Seconds>,
    /// Events of one request. Default 100.
    pub batch: Spanned<usize>,
    /// How long events wait for more of them. Default 1s.
    pub wait: Spanned<Seconds>,
    /// The longest wait between two attempts. Default 5m.
    pub retry: Spanned<Seconds>,
    /// Events that wait on disk, at most. Default 64MiB.
    pub spool: Spanned<ByteSize>,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        WebhookOptions {
            url: None,
            secret_file: None,
            ca_file: None,
            timeout: unwritten(Seconds::new(10)),
            batch: unwritten(100),
            wait: unwritten(Seconds::new(1)),
            retry: unwritten(Seconds::new(300)),
            spool: unwritten(ByteSize::mib(64)),
        }
    }
}

/// The section, checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) file: Option<Rotation>,
    pub(super) webhook: Option<Hook>,
    pub(super) wanted: Vec<Kind>,
}

/// The file, and when it is moved away.
#[derive(Clone, Debug)]
pub(super) struct Rotation {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) kept: usize,
}

/// The webhook.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) target: Target,
    pub(super) secret: Hidden,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) timeout: Duration,
    pub(super) batch: usize,
    pub(super) wait: Duration,
    pub(super) retry: Duration,
    pub(super) spool_bytes: u64,
    /// The folder of the spool.
    pub(super) folder: PathBuf,
}

impl Settings {
    pub(super) fn check(
        options: &Options,
        source: &Source,
        base: &Path,
        data_dir: &Path,
    ) -> Result<Settings, Problems> {
        let mut findings = Findings::new(source);
        let Options {
            webhook,
            file_bytes,
            ..
        } = options;
        let (least, most) = (ByteSize(64 << 10), ByteSize(1 << 40));
        findings.within(file_bytes, least, most, "of a file");
        findings.within(&options.files, 0, 100, "files");
        findings.within(&webhook.batch, 1, 1_000, "events");
        let (least, most) = (Seconds::millis(100), Seconds::new(300));
        findings.within(&webhook.timeout, least, most, "for a request");
        findings.within(
            &webhook.wait,
            Seconds::millis(10),
            Seconds::new(60),
            "for more events",
        );
        let (least, most) = (Seconds::new(1), Seconds::new(86_400));
        findings.within(&webhook.retry, least, most, "between attempts");
        let (least, most) = (ByteSize(1 << 20), ByteSize(1 << 40));
        findings.within(&webhook.spool, least, most, "of a spool");
        let hook = webhook
            .url
            .as_ref()
            .and_then(|url| hook(webhook, url, base, data_dir, &mut findings));
        let settings = Settings {
            file: options.file.as_ref().map(|file| Rotation {
                path: data_dir.join(file),
                bytes: file_bytes.value.0,
                kept: options.files.value,
            }),
            webhook: hook,
            wanted: options.which.clone().unwrap_or_else(|| Kind::ALL.to_vec()),
        };
        findings.finish(settings)
    }
}

fn hook(
    written: &WebhookOptions,
    url: &Spanned<String>,
    base: &Path,
    data_dir: &Path,
    findings: &mut Findings<'_>,
) -> Option<Hook> {
    let target = match Target::parse(&url.value) {
        Ok(target) => target,
        Err(why) => {
            findings.wrong(url, why);
            return None;
        }
    };
    let Some(secret_file) = &written.secret_file else {
        let help = "name a file that holds one line in `secret_file`";
        findings.wrong_with_help(url, "requests are signed, and there is no secret", help);
        return None;
    };
    let secret = match secret_line(&base.join(&secret_file.value), "secret") {
        Ok(secret) => Hidden(secret),
        Err(why) => {
            findings.wrong(secret_file, why);
            return None;
        }
    };
    Some(Hook {
        target,
        secret,
        ca_file: written.ca_file.as_ref().map(|file| base.join(&file.value)),
        timeout: written.timeout.value.0,
        batch: written.batch.value,
        wait: written.wait.value.0,
        retry: written.retry.value.0,
        spool_bytes: written.spool.value.0,
        folder: data_dir.join("events"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;

    fn problems(text: &str) -> String {
        let source = Source::new("e.yaml", text);
        let options: Options = parse_yaml(&source).unwrap();
        let nowhere = Path::new("/nowhere");
        let checked = Settings::check(&options, &source, nowhere, nowhere);
        checked.err().map_or(String::new(), |p| p.to_string())
    }

    #[test]
    fn senseless_values_are_shown_where_they_stand() {
        assert_eq!(problems("{}"), "");
        assert_eq!(
            problems("file: e.jsonl\nwhich: [verdict, dns_list]\nfiles: 0\n"),
            ""
        );
        for (text, place) in [
            ("file_bytes: 1\n", "e.yaml:1:13"),
            ("files: 101\n", "e.yaml:1:8"),
            ("webhook:\n  batch: 0\n", "e.yaml:2:10"),
            ("webhook:\n  timeout: 0s\n", "e.yaml:2:12"),
            ("webhook:\n  wait: 0s\n", "e.yaml:2:9"),
            ("webhook:\n  retry: 0s\n", "e.yaml:2:10"),
            ("webhook:\n  spool: 1\n", "e.yaml:2:10"),
            ("webhook:\n  url: example.org\n", "e.yaml:2:8"),
            ("webhook:\n  url: 'http://example.org/'\n", "e.yaml:2:8"),
            (
                "webhook:\n  url: 'https://u:p@example.org/'\n",
                "e.yaml:2:8",
            ),
            ("webhook:\n  url: 'https://example.org/'\n", "e.yaml:2:8"),
            (
                "webhook:\n  url: 'https://example.org/'\n  secret_file: s\n",
                "e.yaml:3:16",
            ),
        ] {
            let shown = problems(text);
            assert!(shown.contains(place), "{text}: {shown}");
        }
    }
}
