//! What the answers of servers, and their failures, mean for the message.

use std::sync::Arc;

use tokio::time::Instant;

use super::database::shown;
use super::failure::Failure;
use super::reply::Reply;
use super::scan::Ended;
use super::server::Server;
use super::settings::Settings;
use crate::filter::{Outcome, Reason};

/// Longest detail of a failure, bytes.
const DETAIL_BYTES: usize = 512;

/// One server that failed.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) server: Arc<Server>,
    pub(super) failure: Failure,
    pub(super) at: Instant,
}

impl Trouble {
    pub(super) fn new(server: Arc<Server>, failure: Failure) -> Trouble {
        Trouble {
            server,
            failure,
            at: Instant::now(),
        }
    }
}

/// The names of the servers that failed.
pub(super) fn names(troubles: &[Trouble]) -> Vec<&str> {
    troubles.iter().map(|t| t.server.name.as_str()).collect()
}

/// What the end of an attempt at `server` means.
pub(super) fn outcome(settings: &Settings, server: &Server, ended: Ended) -> Outcome {
    let at = &server.name;
    match ended {
        Ended::Clean(_) => match server.known.outdated() {
            None => Outcome::Checked(Vec::new()),
            Some(age) => {
                let detail = format!("{at}: nothing found, by signatures {} old", shown(age));
                Outcome::unscanned(Reason::Outdated, detail)
            }
        },
        Ended::Known(by) => {
            tracing::debug!(server = %by.name, "clamd has found the same message clean");
            Outcome::Checked(Vec::new())
        }
        Ended::Answered(Reply::Found(name)) => {
            let hit = settings.signatures.hit(&name);
            // The name reaches the header of the message; which server found it is ours to know.
            tracing::info!(server = %at, signature = %name, rule = %hit.rule, "signature found");
            Outcome::Checked(vec![hit])
        }
        Ended::Answered(Reply::Limit(name)) => {
            Outcome::unscanned(Reason::Limit, format!("{at}: {name}"))
        }
        Ended::Answered(Reply::Encrypted(name)) => {
            Outcome::unscanned(Reason::Encrypted, format!("{at}: {name}"))
        }
        Ended::TooLarge => too_large(settings.max_bytes.unwrap_or_default()),
        Ended::Answered(Reply::Clean | Reply::TooLarge | Reply::Idle | Reply::Error(_))
        | Ended::Idle
        | Ended::Aborted => Outcome::unscanned(Reason::Error, format!("{at}: no answer")),
    }
}

/// The outcome of a message that is told again, by what signatures mean now.
pub(super) fn again(settings: &Settings, told: Outcome) -> Outcome {
    match told {
        Outcome::Checked(hits) => {
            // The evidence of a hit is the name of its signature.
            let names = hits.iter().map(|hit| hit.evidence.as_str());
            Outcome::Checked(names.map(|name| settings.signatures.hit(name)).collect())
        }
        other => other,
    }
}

/// It is larger than our own bound.
pub(super) fn too_large(most: usize) -> Outcome {
    Outcome::unscanned(
        Reason::TooLarge,
        format!("larger than {most} bytes (max_bytes)"),
    )
}

/// What the failures of all servers come to: too large if one said so, for it has answered; otherwise timeout if one
/// hung, and down only if each is.
pub(super) fn unscanned(troubles: &[Trouble]) -> Outcome {
    if troubles.is_empty() {
        let detail = "every server is left alone after failures in a row";
        return Outcome::unscanned(Reason::Down, detail);
    }
    let reasons: Vec<Reason> = troubles.iter().map(|t| t.failure.reason()).collect();
    let reason = [Reason::TooLarge, Reason::Timeout, Reason::Error]
        .into_iter()
        .find(|r| reasons.contains(r))
        .unwrap_or(Reason::Down);
    let each: Vec<String> = troubles
        .iter()
        .map(|t| format!("{}: {}", t.server.name, t.failure))
        .collect();
    let mut detail = each.join("; ");
    // Names of servers, and what comes from servers, are printable ASCII.
    detail.truncate(DETAIL_BYTES);
    Outcome::unscanned(reason, detail)
}
