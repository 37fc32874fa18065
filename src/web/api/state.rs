//! Whether everything works that should, in figures since the start of the daemon.

use axum::extract::State;
use serde::Serialize;

use super::super::console::Shared;
use super::super::overview::{self, ClamavRow, FilterRow, InForce, ZoneRow};
use super::answer::{Json, at};

/// What the overview shows beside its charts.
#[derive(Serialize)]
pub(super) struct Works {
    filters: Vec<FilterRow>,
    clamav: Vec<ClamavRow>,
    dns_lists: Vec<ZoneRow>,
    in_force: Running,
}

/// What the daemon works with.
#[derive(Serialize)]
struct Running {
    /// Of the daemon itself.
    program: &'static str,
    /// Of configuration, rules and model.
    version: String,
    since: Option<String>,
    rules: i64,
    model: Option<Model>,
    quarantine_messages: Used<i64>,
    quarantine_bytes: Used<u64>,
    sessions: Used<i64>,
    message_bytes: Used<u64>,
    /// When a reload was refused since, if one was. The log says why.
    reload_refused: Option<String>,
}

/// A model of the classifier.
#[derive(Serialize)]
struct Model {
    ham: i64,
    spam: i64,
    trained: Option<String>,
}

/// How much of a bound is used.
#[derive(Serialize)]
struct Used<N> {
    now: N,
    most: N,
}

impl<N> From<(N, N)> for Used<N> {
    fn from((now, most): (N, N)) -> Used<N> {
        Used { now, most }
    }
}

impl From<InForce> for Running {
    fn from(known: InForce) -> Running {
        Running {
            program: known.program,
            version: known.version,
            since: at(known.since),
            rules: known.rules,
            model: known.model.map(|(ham, spam, trained)| Model {
                ham,
                spam,
                trained: at(trained),
            }),
            quarantine_messages: known.quarantine.into(),
            quarantine_bytes: known.quarantine_bytes.into(),
            sessions: known.sessions.into(),
            message_bytes: known.memory.into(),
            reload_refused: known.problem.and_then(|(_, refused)| at(refused)),
        }
    }
}

pub(super) async fn state(State(console): State<Shared>) -> Json<Works> {
    Json(Works {
        filters: overview::in_chain(&console),
        clamav: overview::clamav(&console),
        dns_lists: overview::zones(&console),
        in_force: InForce::new(&console).into(),
    })
}
