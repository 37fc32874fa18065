//! The section `scanners` of the configuration: as written, and checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::door::{Entrance, Protocol};
use crate::config::{Findings, Seconds, secret_line, unwritten};
use crate::filter::trusted;
use crate::server::{Address, SocketAccess};

/// The section as written. Without an address nothing listens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The protocol of SpamAssassin's spamd.
    pub spamd: SpamdOptions,
    /// The protocols of rspamd's workers.
    pub rspamd: RspamdOptions,
}

// A struct within both, taken in by `flatten`, would lose the places of its values.
/// Makes the section of one protocol: where its clients come in, which is the same for both, and keys of its own.
macro_rules! section {
    ($(#[doc = $doc:literal])* $name:ident, $path:literal, $protocol:expr;
        $( $(#[doc = $about:literal])+ $key:ident: $kind:ty = $default:expr; )*) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// Where clients connect. Default: nowhere.
            pub listen: Vec<Address>,
            /// Permissions of unix sockets, octal. Default 0660.
            pub socket_mode: Spanned<String>,
            /// Group of unix sockets.
            pub socket_group: Option<Spanned<String>>,
            /// Networks whose clients may connect by TCP. Default: loopback.
            pub networks: Vec<Spanned<String>>,
            /// Connections at the same time. Default 64.
            pub connections: Spanned<usize>,
            /// For a request to come, and for its answer to be taken. Default 5m.
            pub timeout: Spanned<Seconds>,
            $( $(#[doc = $about])+ pub $key: $kind, )*
        }

        impl Default for $name {
            fn default() -> Self {
                $name {
                    listen: Vec::new(),
                    socket_mode: unwritten("0660".to_owned()),
                    socket_group: None,
                    networks: loopback(),
                    connections: unwritten(64),
                    timeout: unwritten(Seconds::new(300)),
                    $( $key: $default, )*
                }
            }
        }

        impl $name {
            /// Checks where clients come in.
            fn entrance(&self, findings: &mut Findings<'_>) -> Entrance {
                let networks: Vec<IpNet> = trusted::read(&self.networks, findings);
                findings.within(&self.connections, 1, 100_000, "connections");
                let (least, most) = (Seconds::new(1), Seconds::new(7200));
                findings.within(&self.timeout, least, most, "for a request");
                let timeout: Duration = self.timeout.value.0;
                Entrance {
                    protocol: $protocol,
                    listen: self.listen.clone(),
                    access: SocketAccess {
                        mode: findings.octal(concat!($path, ".socket_mode"), &self.socket_mode),
                        group: self.socket_group.as_ref().map(|group| group.value.clone()),
                    },
                    networks,
                    connections: self.connections.value,
                    timeout,
                }
            }
        }
    };
}

section! {
    /// `scanners.spamd`
    SpamdOptions, "scanners.spamd", Protocol::Spamd;
    /// Which `Received` field, counted from the top, says who sent the message; 0: none. Default 0.
    received: Spanned<usize> = unwritten(0);
    /// Whether TELL teaches the classifier. Default false.
    learning: bool = false;
}

section! {
    /// `scanners.rspamd`
    RspamdOptions, "scanners.rspamd", Protocol::Rspamd;
    /// The file whose one line is the password for learning and statistics; relative to the configuration file. Without
    /// it nobody may learn.
    password_file: Option<Spanned<PathBuf>> = None;
    /// Whether copies are kept of messages whose verdict is quarantine or discard; they are then answered `discard`.
    /// Default false.
    quarantine: bool = false;
}

fn loopback() -> Vec<Spanned<String>> {
    ["127.0.0.0/8", "::1"]
        .map(|network| unwritten(network.to_owned()))
        .to_vec()
}

/// The section, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) spamd: Spamd,
    pub(super) rspamd: Rspamd,
}

/// What the spamd side runs with.
#[derive(Clone, Debug)]
pub(super) struct Spamd {
    pub(super) entrance: Entrance,
    pub(super) received: usize,
    pub(super) learning: bool,
}

/// What the rspamd side runs with.
#[derive(Clone, Debug)]
pub(super) struct Rspamd {
    pub(super) entrance: Entrance,
    /// BLAKE3 of the password: comparing digests takes the same time wherever they differ.
    pub(super) password: Option<blake3::Hash>,
    pub(super) quarantine: bool,
}

/// Most `Received` fields that may stand above the one of the sender.
const HOPS: usize = 30;

impl Options {
    /// Checks the section; what is wrong goes into `findings`. Relative paths are relative to `base`.
    pub(crate) fn check(&self, base: &Path, findings: &mut Findings<'_>) -> Settings {
        let Options { spamd, rspamd } = self;
        findings.within(&spamd.received, 0, HOPS, "fields");
        let spamd = Spamd {
            entrance: spamd.entrance(findings),
            received: spamd.received.value,
            learning: spamd.learning,
        };
        let password = rspamd.password_file.as_ref().and_then(|file| {
            match secret_line(&base.join(&file.value), "password") {
                Ok(password) => Some(blake3::hash(password.as_bytes())),
                Err(why) => {
                    findings.wrong(file, why);
                    None
                }
            }
        });
        let rspamd = Rspamd {
            entrance: rspamd.entrance(findings),
            password,
            quarantine: rspamd.quarantine,
        };
        Settings { spamd, rspamd }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, parse_yaml};

    fn problems(text: &str) -> String {
        let source = Source::new("s.yaml", text);
        let options: Options = parse_yaml(&source).unwrap();
        let mut findings = Findings::new(&source);
        options.check(Path::new("/nowhere"), &mut findings);
        let found = findings.finish(());
        found.err().map_or(String::new(), |p| p.to_string())
    }

    #[test]
    fn nothing_listens_unless_it_is_said() {
        let source = Source::new("s.yaml", "{}");
        let mut findings = Findings::new(&source);
        let settings = Options::default().check(Path::new("."), &mut findings);
        assert!(findings.finish(()).is_ok());
        assert!(settings.spamd.entrance.listen.is_empty());
        assert!(settings.rspamd.entrance.listen.is_empty());
        assert!(!settings.spamd.learning && settings.rspamd.password.is_none());
    }

    #[test]
    fn senseless_values_are_shown_where_they_stand() {
        for (text, place) in [
            ("spamd:\n  socket_mode: rw\n", "s.yaml:2:16"),
            ("spamd:\n  networks: [10.0.0.1/8]\n", "s.yaml:2:14"),
            ("spamd:\n  connections: 0\n", "s.yaml:2:16"),
            ("spamd:\n  timeout: 0s\n", "s.yaml:2:12"),
            ("spamd:\n  received: 31\n", "s.yaml:2:13"),
            ("rspamd:\n  password_file: none\n", "s.yaml:2:18"),
            ("rspamd:\n  networks: [here]\n", "s.yaml:2:14"),
        ] {
            let shown = problems(text);
            assert!(shown.contains(place), "{text}: {shown}");
        }
        let both = "spamd: { listen: ['127.0.0.1:783', 'unix:/run/s'] }\nrspamd: { networks: ['::1', 192.0.2.0/24] }";
        assert_eq!(problems(both), "");
    }
}
