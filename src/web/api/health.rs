//! How the daemon is.

use axum::extract::State;
use serde::Serialize;

use super::super::console::Shared;
use super::super::readings;
use super::answer::Json;
use crate::metrics::Gauges;

/// How the daemon is.
#[derive(Serialize)]
pub(super) struct Health {
    program: &'static str,
    /// Of configuration, rules and model.
    version: String,
    chain: Vec<&'static str>,
    reload_ok: bool,
    sessions: i64,
    bytes_in_flight: i64,
    quarantine_messages: i64,
    quarantine_bytes: i64,
    clamav: Vec<InUse>,
    dns_lists: Vec<InUse>,
}

/// A server or a list.
#[derive(Serialize)]
struct InUse {
    name: String,
    in_use: bool,
}

fn in_use(gauges: &Gauges) -> Vec<InUse> {
    let levels = readings::levels(gauges).into_iter();
    levels
        .filter_map(|(labels, value)| {
            Some(InUse {
                name: labels.into_values().next()?,
                in_use: value > 0.0,
            })
        })
        .collect()
}

pub(super) async fn health(State(console): State<Shared>) -> Json<Health> {
    let engine = console.services.engine.load();
    let metrics = &console.services.metrics;
    Json(Health {
        program: env!("CARGO_PKG_VERSION"),
        version: engine.version().to_owned(),
        chain: engine.chain.members().iter().map(|m| m.name()).collect(),
        reload_ok: metrics.reload_ok.get() == 1,
        sessions: metrics.sessions_open.get(),
        bytes_in_flight: metrics.bytes_in_flight.get(),
        quarantine_messages: metrics.quarantine_messages.get(),
        quarantine_bytes: metrics.quarantine_bytes.get(),
        clamav: in_use(&metrics.clamav_up),
        dns_lists: in_use(&metrics.dnsbl_up),
    })
}
