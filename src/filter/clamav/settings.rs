//! Options checked and turned into what the filter runs with. In: [`Options`] and their file. Out:
//! [`Settings`], or every problem found, each with its place.

use std::collections::HashSet;
use std::time::Duration;

use serde_saphyr::Spanned;

use super::address::Address;
use super::database::Ages;
use super::options::{HealthOptions, Options};
use super::signatures::Signatures;
use super::transport::Limits;
use crate::config::{Findings, Problems, Seconds, Source};
use crate::filter::breaker::Patience;
use crate::filter::{FailureAction, FailurePolicy, OnFailure};

/// Most streams to one server that may be asked for: each has a socket.
const STREAMS: usize = 4096;
/// Most messages that may be remembered, some 100 bytes each.
const ENTRIES: u64 = 10_000_000;
/// Shorter than the patience of any clamd in use (CommandReadTimeout is 30 s unless changed), longer
/// than the gaps between packets.
const PAUSE: Duration = Duration::from_secs(5);

/// What the filter runs with.
#[derive(Debug)]
pub(super) struct Settings {
    /// Each server as written, and where it listens.
    pub(super) servers: Vec<(String, Address)>,
    pub(super) limits: Limits,
    pub(super) timeout: Duration,
    pub(super) hedge_after: Option<Duration>,
    pub(super) streams: usize,
    pub(super) max_bytes: Option<usize>,
    pub(super) patience: Patience,
    /// How often servers are asked for their health.
    pub(super) interval: Duration,
    pub(super) ages: Ages,
    /// Messages remembered as clean, and for how long.
    pub(super) remembered: (u64, Duration),
    pub(super) signatures: Signatures,
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
    let streams = options.streams_per_server.value;
    findings.within(&options.streams_per_server, 1, STREAMS, "streams");
    findings.within(&options.cache.entries, 0, ENTRIES, "messages");
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
        servers: servers(options, findings),
        limits,
        timeout: time(&options.timeout, findings),
        hedge_after: options.hedge_after.as_ref().map(|t| time(t, findings)),
        streams: streams.clamp(1, STREAMS),
        max_bytes: options.max_bytes.as_ref().map(|b| b.value.bytes()),
        patience: Patience {
            failures: options.breaker.failures.value,
            retry_after: time(&options.breaker.retry_after, findings),
        },
        interval: time(&options.health.interval, findings),
        ages: ages(&options.health, findings),
        remembered: (
            options.cache.entries.value.min(ENTRIES),
            time(&options.cache.max_age, findings),
        ),
        signatures: Signatures::check(options, findings),
        on_failure: on_failure(options.on_failure),
    }
}

fn servers(options: &Options, findings: &mut Findings<'_>) -> Vec<(String, Address)> {
    let mut seen = HashSet::new();
    let mut servers = Vec::new();
    for written in &options.servers {
        match Address::read(&written.value) {
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
    servers
}

fn ages(options: &HealthOptions, findings: &mut Findings<'_>) -> Ages {
    for written in [&options.warn_after, &options.fail_after]
        .into_iter()
        .flatten()
    {
        time(written, findings);
    }
    let ages = options.ages();
    if let Some(written) = &options.fail_after
        && ages.warn > ages.fail
    {
        findings.wrong(written, "must not come before warn_after");
    }
    ages
}

/// What old signatures say of a virus is as true as ever, and what they miss was looked at: the mark is enough
/// unless the admin thinks otherwise. Everything else was not looked at.
fn on_failure(written: OnFailure) -> FailurePolicy {
    let outdated = written.outdated.or(Some(FailureAction::Deliver));
    OnFailure {
        outdated,
        ..written
    }
    .over(FailureAction::Tempfail)
}

/// A time that is not zero.
fn time(written: &Spanned<Seconds>, findings: &mut Findings<'_>) -> Duration {
    if written.value.0.is_zero() {
        findings.wrong(written, "nothing can be done in no time");
    }
    written.value.0
}
