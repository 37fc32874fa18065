//! The configuration as run: checked, with the command line applied.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_saphyr::Spanned;

use super::file::{File, FilterName};
use super::{Findings, LogSection, Problem, Problems, Seconds, Source, parse_yaml};
use crate::events;
use crate::mail::Limits;
use crate::policy::Policies;
use crate::scanners;
use crate::server::{Address, Listen, Settings, SocketAccess};
use crate::verdict::Thresholds;
use crate::web;

/// What the command line says; it wins over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--milter`
    pub milter: Option<Address>,
    /// `--http`
    pub http: Option<SocketAddr>,
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
}

/// The embedded default configuration, which is also shipped as a commented file.
pub const DEFAULT: &str = include_str!("../../mailweir.yaml");

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file, for problems that are found later.
    pub source: Source,
    /// As written, for the options of the filters.
    pub file: File,
    /// Relative paths in it are relative to this folder.
    pub base: PathBuf,
    /// Where the daemon keeps its own files.
    pub data_dir: PathBuf,
    /// How often the files are looked at for changes; `None`: never.
    pub watch: Option<Duration>,
    /// Where MTAs connect.
    pub listen: Vec<Listen>,
    /// Who may connect to unix sockets.
    pub access: SocketAccess,
    /// The HTTP listener.
    pub http: Option<SocketAddr>,
    /// The console; `None` where it is off.
    pub console: Option<web::Settings>,
    /// Bounds and waits of sessions.
    pub settings: Settings,
    /// Other protocols than milter.
    pub scanners: scanners::Settings,
    /// Events to the outside.
    pub events: events::Checked,
    /// Bounds of parsing.
    pub mail_limits: Limits,
    /// From end of message to the verdict.
    pub deadline: Duration,
    /// Scores from which on something happens.
    pub thresholds: Thresholds,
    /// The filters, in order, each once.
    pub chain: Vec<FilterName>,
}

impl Config {
    /// Reads and checks a file; without one, the embedded default, with the current folder as base.
    ///
    /// # Errors
    /// Every problem found, with places.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Config, Problems> {
        match Config::examine(path, overrides)? {
            (config, problems) if problems.0.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }

    /// As [`Config::load`], and gives a file that could be read together with the problems in it, so that
    /// what it names can be looked at too. A configuration with problems is not to be run.
    ///
    /// # Errors
    /// A file that cannot be read, or not as YAML with these keys.
    pub fn examine(
        path: Option<&Path>,
        overrides: &Overrides,
    ) -> Result<(Config, Problems), Problem> {
        let (source, base) = match path {
            Some(path) => {
                let base = path.parent().filter(|p| !p.as_os_str().is_empty());
                (
                    Source::read(path)?,
                    base.unwrap_or(Path::new(".")).to_path_buf(),
                )
            }
            None => (Source::new("(built in)", DEFAULT), PathBuf::from(".")),
        };
        Config::check(source, base, overrides)
    }

    fn check(
        source: Source,
        base: PathBuf,
        overrides: &Overrides,
    ) -> Result<(Config, Problems), Problem> {
        let mut file: File = match source.text().trim().is_empty() {
            true => File::default(),
            false => parse_yaml(&source)?,
        };
        file.quarantine.resolve(&base);
        let mut problems = Checker(Findings::new(&source));
        let milter = &file.milter;
        let mode = problems.0.octal("milter.socket_mode", &milter.socket_mode);
        let data_dir = overrides
            .data_dir
            .clone()
            .unwrap_or_else(|| base.join(&file.data_dir));
        let settings = Settings {
            connections: problems.number("milter.connections", &milter.connections, 1, 100_000),
            message_bytes: problems.number(
                "limits.message",
                &Spanned::new(
                    file.limits.message.value.bytes(),
                    file.limits.message.referenced,
                    file.limits.message.defined,
                ),
                1 << 10,
                1 << 31,
            ),
            total_bytes: file.limits.total.value.bytes(),
            read_timeout: problems.wait("milter.read_timeout", &milter.read_timeout, 1, 7200),
            write_timeout: problems.wait("milter.write_timeout", &milter.write_timeout, 1, 7200),
            idle_timeout: problems.wait("milter.idle_timeout", &milter.idle_timeout, 1, 86_400),
            // Sendmail gives up when it hears nothing for 10 seconds.
            progress_interval: problems.wait(
                "milter.progress_interval",
                &milter.progress_interval,
                1,
                9,
            ),
            drain: problems.wait("milter.drain", &milter.drain, 0, 3600),
        };
        if settings.total_bytes < settings.message_bytes {
            problems.0.wrong(
                &file.limits.total,
                "limits.total is smaller than limits.message, so such a message never fits",
            );
        }
        if milter.listen.is_empty() && overrides.milter.is_none() {
            problems.0.extend([Problem::without_place(
                "milter.listen is empty, so no mail server could connect",
            )]);
        }
        for (number, listen) in milter.listen.iter().enumerate() {
            let address = &listen.address;
            let mut before = milter.listen.iter().take(number);
            if !address.is_any_port() && before.any(|other| other.address == *address) {
                problems.0.extend([Problem::without_place(format!(
                    "milter.listen has {address} twice"
                ))]);
            }
        }
        let mail_limits = Limits {
            fields: problems.number("limits.fields", &file.limits.fields, 1, 1_000_000),
            depth: problems.number("limits.depth", &file.limits.depth, 1, 1000),
            parts: problems.number("limits.parts", &file.limits.parts, 1, 100_000),
            text_bytes: file.limits.text.value.bytes(),
            urls: problems.number("limits.urls", &file.limits.urls, 1, 100_000),
        };
        // Sendmail waits five minutes in all from end of message on.
        let deadline = problems.wait("deadline", &file.deadline, 1, 270);
        let watch = file
            .watch
            .as_ref()
            .map(|w| problems.within("watch", w, Seconds::millis(50), Seconds::new(3600)));
        problems.0.extend(file.quarantine.problems(&source).0);
        let events = file.events.check(&source, &base, &data_dir);
        let events = events.unwrap_or_else(|found| {
            problems.0.extend(found.0);
            events::Checked::default()
        });
        let scanners = file.scanners.check(&base, &mut problems.0);
        let console = web::Settings::new(&file.console, &source, &base).unwrap_or_else(|found| {
            problems.0.extend(found.0);
            None
        });
        file.history.check(&mut problems.0);
        let config = Config {
            data_dir,
            watch,
            listen: match &overrides.milter {
                Some(address) => vec![address.clone().into()],
                None => milter.listen.clone(),
            },
            access: SocketAccess {
                mode,
                group: milter
                    .socket_group
                    .as_ref()
                    .map(|group| group.value.clone()),
            },
            http: overrides.http.or(file.http.listen),
            console,
            settings,
            scanners,
            events,
            mail_limits,
            deadline,
            thresholds: problems.thresholds(&file),
            chain: problems.chain(&file.chain),
            base,
            file: file.clone(),
            source: source.clone(),
        };
        Ok((config, problems.0.finish(()).err().unwrap_or_default()))
    }

    /// The policies, with the lists that they name.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn policies(&self) -> Result<Policies, Problems> {
        let (file, source) = (&self.file, &self.source);
        Policies::build(file, source, &self.base, &self.thresholds, &self.chain)
    }

    /// `log:`
    pub fn log(&self) -> LogSection {
        self.file.log
    }
}

struct Checker<'a>(Findings<'a>);

impl Checker<'_> {
    fn number(&mut self, key: &str, value: &Spanned<usize>, least: usize, most: usize) -> usize {
        if value.value < least || value.value > most {
            self.0
                .wrong(value, format!("{key} must be between {least} and {most}"));
        }
        value.value
    }

    fn wait(&mut self, key: &str, value: &Spanned<Seconds>, least: u64, most: u64) -> Duration {
        self.within(key, value, Seconds::new(least), Seconds::new(most))
    }

    fn within(
        &mut self,
        key: &str,
        value: &Spanned<Seconds>,
        least: Seconds,
        most: Seconds,
    ) -> Duration {
        if !(least..=most).contains(&value.value) {
            self.0
                .wrong(value, format!("{key} must be between {least} and {most}"));
        }
        value.value.0
    }

    fn thresholds(&mut self, file: &File) -> Thresholds {
        let written = file.thresholds.value;
        let thresholds = Thresholds {
            tag: written.tag,
            quarantine: written.quarantine,
            reject: written.reject,
        };
        self.0.thresholds(&file.thresholds, &thresholds);
        thresholds
    }

    fn chain(&mut self, names: &[Spanned<FilterName>]) -> Vec<FilterName> {
        let mut seen = HashSet::new();
        for name in names {
            if !seen.insert(name.value) {
                self.0.wrong(name, "this filter stands in the chain twice");
            }
        }
        names.iter().map(|n| n.value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Config, Problems> {
        let source = Source::new("mailweir.yaml", text);
        match Config::check(source, PathBuf::from("."), &Overrides::default())? {
            (config, problems) if problems.0.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }

    #[test]
    fn the_shipped_file_says_what_holds_without_it() {
        let shipped = check(DEFAULT).unwrap();
        let empty = check("").unwrap();
        assert_eq!(
            format!("{:?}", shipped.settings),
            format!("{:?}", empty.settings)
        );
        assert_eq!(shipped.thresholds, empty.thresholds);
        assert_eq!(shipped.watch, empty.watch);
        assert_eq!(shipped.listen, empty.listen);
        assert_eq!(shipped.http, empty.http);
        assert_eq!(shipped.chain, empty.chain);
        assert_eq!(shipped.mail_limits, empty.mail_limits);
        assert_eq!(shipped.deadline, empty.deadline);
    }

    #[test]
    fn all_values_out_of_range_are_named_at_once() {
        let problems = check(
            "milter: { connections: 0, socket_mode: \"9\" }\ndeadline: 10m\n\
             thresholds: { tag: 9, reject: 3 }\nchain: [rules, rules]\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "mailweir.yaml:1:24",
            "milter.connections must be between 1 and 100000",
            "octal permissions",
            "deadline must be between 1s and 270s",
            "thresholds must rise",
            "mailweir.yaml:4:16",
            "twice",
        ] {
            assert!(problems.contains(part), "{part} in:\n{problems}");
        }
    }

    #[test]
    fn a_history_is_bounded() {
        let problems = check("history: { keep: 1s, size: 1MiB }\n").unwrap_err();
        let problems = problems.to_string();
        for part in ["mailweir.yaml:1:18", "mailweir.yaml:1:28", "16MiB", "1h"] {
            assert!(problems.contains(part), "{part} in:\n{problems}");
        }
    }

    #[test]
    fn a_misspelt_filter_is_explained() {
        let problems = check("chain: [rules, clamv]\n").unwrap_err().to_string();
        assert!(problems.contains("did you mean `clamav`?"), "{problems}");
    }

    #[test]
    fn what_could_not_be_listened_on_is_said_before_the_start() {
        let listen = |items: &str| check(&format!("milter: {{ listen: [{items}] }}"));
        let same = "'127.0.0.1:8895', { address: '127.0.0.1:8895', profile: outbound }";
        let problems = listen(same).unwrap_err().to_string();
        assert!(
            problems.contains("milter.listen has 127.0.0.1:8895 twice"),
            "{problems}"
        );
        assert!(listen("'127.0.0.1:0', '127.0.0.1:0', '[::1]:8895'").is_ok());
        let long = format!("'unix:/{}'", "x".repeat(107));
        let problems = listen(&long).unwrap_err().to_string();
        assert!(problems.contains("at most 107 bytes"), "{problems}");
        assert!(listen(&format!("'unix:/{}'", "x".repeat(106))).is_ok());
    }

    #[test]
    fn a_listener_is_an_address_or_one_with_a_profile() {
        use crate::mail::Direction::{Inbound, Outbound};
        let read = "milter: { listen: ['127.0.0.1:1', { address: '127.0.0.1:2', profile: outbound }, { address: '[::1]:3' }] }";
        let listen = check(read).unwrap().listen;
        let profiles: Vec<_> = listen.iter().map(|l| l.profile).collect();
        assert_eq!(profiles, [Inbound, Outbound, Inbound]);
        for (wrong, part) in [
            ("{ profile: outbound }", "the key `address` is missing"),
            (
                "{ address: '127.0.0.1:2', profil: x }",
                "unknown key `profil`",
            ),
            (
                "{ address: '127.0.0.1:2', profile: out }",
                "unknown value `out`",
            ),
            ("{ address: there }", "is no address"),
            ("7", "expected an address, or a map"),
        ] {
            let problems = check(&format!("milter:\n  listen:\n    - {wrong}\n"));
            let problems = problems.unwrap_err().to_string();
            assert!(problems.contains(part), "{part} in:\n{problems}");
            assert!(problems.contains("mailweir.yaml:3:"), "{problems}");
        }
        let outbound = check("outbound: { networks: [192.0.2.1/24] }");
        let problems = outbound.and_then(|config| config.policies()).unwrap_err();
        assert!(problems.to_string().contains("192.0.2.0/24"), "{problems}");
    }

    #[test]
    fn the_command_line_wins() {
        let overrides = Overrides {
            milter: Some("unix:/run/m.sock".parse().unwrap()),
            http: Some("127.0.0.1:0".parse().unwrap()),
            data_dir: Some(PathBuf::from("/tmp/x")),
        };
        let source = Source::new("a.yaml", "data_dir: other\n");
        let (config, _) = Config::check(source, PathBuf::from("/etc"), &overrides).unwrap();
        assert_eq!(config.listen, [overrides.milter.unwrap().into()]);
        assert_eq!(config.http, overrides.http);
        assert_eq!(config.data_dir, PathBuf::from("/tmp/x"));
    }
}
