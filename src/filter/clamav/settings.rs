//! Options checked and turned into what the filter runs with. In: [`Options`] and their file. Out:
//! [`Settings`], or every problem found, each with its place.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_saphyr::Spanned;

use super::options::Options;
use super::transport::{Address, Limits};
use crate::config::{Findings, Problems, Seconds, Source};
use crate::filter::breaker::Patience;
use crate::filter::{Action, FailureAction, FailurePolicy};

/// Most streams to one server that may be asked for: each has a socket.
const STREAMS: usize = 4096;
/// Shorter than the patience of any clamd in use (CommandReadTimeout is 30 s unless changed), longer
/// than the gaps between packets.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest path of a unix socket, bytes (sun_path of Linux without its final NUL).
const PATH_BYTES: usize = 107;

/// What the filter runs with.
#[derive(Debug)]
pub(super) struct Settings {
    /// Each server as written, and where it listens.
    pub(super) servers: Vec<(String, Address)>,
    pub(super) limits: Limits,
    pub(super) timeout: Duration,
    pub(super) streams: usize,
    pub(super) max_bytes: Option<usize>,
    pub(super) patience: Patience,
    pub(super) virus_action: Action,
    pub(super) on_failure: FailurePolicy,
}

impl Settings {
    /// Checks `options`.
    pub(super) fn check(options: &Options, source: &Source) -> Result<Settings, Problems> {
        let mut findings = Findings::new(source);
        let settings = settings(options, &mut findings);
        findings.finish(settings)
    }
}

fn settings(options: &Options, findings: &mut Findings<'_>) -> Settings {
    let mut seen = HashSet::new();
    let mut servers = Vec::new();
    for written in &options.servers {
        match address(&written.value) {
                Ok(address) if seen.insert(written.value.clone()) => {
                    servers.push((written.value.clone(), address));
                }
                Ok(_) => findings.wrong(written, "this server stands twice"),
                Err(why) => findings.wrong_with_help(
                    written,
                    format!("not the address of a server: {why}"),
                    "write 127.0.0.1:3310, clamd.example.org:3310, \"[::1]:3310\" or unix:/run/clamav/clamd.ctl",
                ),
            }
    }
    let streams = options.streams_per_server.value;
    findings.within(&options.streams_per_server, 1, STREAMS, "streams");
    if options.breaker.failures.value == 0 {
        findings.wrong(&options.breaker.failures, "must be 1 or more failures");
    }
    let limits = Limits {
        connect: time(&options.connect_timeout, findings),
        io: time(&options.io_timeout, findings),
        reply: time(&options.reply_timeout, findings),
        pause: PAUSE,
    };
    if let Some(bytes) = options.max_bytes.as_ref().filter(|b| b.value.0 == 0) {
        findings.wrong_with_help(
            bytes,
            "no message is that small",
            "leave the key out for no bound",
        );
    }
    Settings {
        servers,
        limits,
        timeout: time(&options.timeout, findings),
        streams: streams.clamp(1, STREAMS),
        max_bytes: options.max_bytes.as_ref().map(|b| b.value.bytes()),
        patience: Patience {
            failures: options.breaker.failures.value,
            retry_after: time(&options.breaker.retry_after, findings),
        },
        virus_action: options.virus_action.action(),
        on_failure: options.on_failure.over(FailureAction::Tempfail),
    }
}

/// A time that is not zero.
fn time(written: &Spanned<Seconds>, findings: &mut Findings<'_>) -> Duration {
    if written.value.0.is_zero() {
        findings.wrong(written, "nothing can be done in no time");
    }
    written.value.0
}

/// Reads the address of a server.
pub(super) fn address(text: &str) -> Result<Address, &'static str> {
    if let Some(path) = text.strip_prefix("unix:") {
        return if !path.starts_with('/') {
            Err("the path of a socket begins with /")
        } else if path.len() > PATH_BYTES {
            Err("the path of a socket has at most 107 bytes")
        } else if !path.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            Err("the path has characters that cannot be shown")
        } else {
            Ok(Address::Unix(PathBuf::from(path)))
        };
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err("the port is missing");
    };
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if !digits || !matches!(port.parse::<u16>(), Ok(1..)) {
        return Err("a port is a number from 1 to 65535");
    }
    let named = |host: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        !host.is_empty()
            && host.len() <= 253
            && host.bytes().all(allowed)
            && host
                .split('.')
                .all(|label| !label.is_empty() && label.len() <= 63)
    };
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let sound = match bracketed {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => named(host),
    };
    if sound {
        Ok(Address::Tcp(text.to_owned()))
    } else if host.contains(':') {
        Err("an IPv6 address stands in brackets")
    } else {
        Err("that is no host")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_with_ports_or_sockets() {
        for good in [
            "127.0.0.1:3310",
            "[::1]:3310",
            "clamd-1.example.org:1",
            "localhost:65535",
        ] {
            assert_eq!(address(good), Ok(Address::Tcp(good.into())));
        }
        assert_eq!(
            address("unix:/run/clamav/clamd.ctl"),
            Ok(Address::Unix("/run/clamav/clamd.ctl".into()))
        );
        for bad in [
            "",
            ":",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "a:+1",
            "::1:3310",
            "[::1:3310",
            "[127.0.0.1]:1",
            "a b:1",
            "a..b:1",
            "unix:",
            "unix:run/x",
            "/run/x",
            "unix:/a\nb",
        ] {
            assert!(address(bad).is_err(), "{bad:?}");
        }
    }
}
