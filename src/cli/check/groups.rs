//! Groups of sockets that the configuration names. One that is not there ends the start of the daemon; that it is not there
//! on the host of this check is a warning, because that may be another host.

use nix::unistd::Group;

use crate::config::{Config, Problem, Severity, span_of};

/// A warning for each group that this host does not know.
pub(super) fn absent(config: &Config) -> Vec<Problem> {
    let file = &config.file;
    let named = [
        &file.milter.socket_group,
        &file.scanners.spamd.socket_group,
        &file.scanners.rspamd.socket_group,
    ];
    let named = named.into_iter().flatten();
    let absent = named.filter(|group| matches!(Group::from_name(&group.value), Ok(None)));
    let warning = |group| {
        Problem::at(
            &config.source,
            span_of(group),
            "there is no such group on this host",
        )
        .help("the daemon does not start without it: make it, or name one that there is")
        .severity(Severity::Warning)
    };
    absent.map(warning).collect()
}
