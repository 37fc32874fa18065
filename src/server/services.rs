//! What every session shares.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;

use super::budget::Budget;
use super::engine::Engine;
use crate::events::Events;
use crate::filter::bayes::EngineKind;
use crate::history::History;
use crate::metrics::Metrics;
use crate::quarantine::Quarantine;

/// Bounds and waits of sessions. Fixed for the life of the daemon.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Milter connections at the same time.
    pub connections: usize,
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Bytes of all messages in memory.
    pub total_bytes: usize,
    /// Between two packets of a message, and within a packet.
    pub read_timeout: Duration,
    /// For the MTA to take what is written.
    pub write_timeout: Duration,
    /// Between two commands outside of a message.
    pub idle_timeout: Duration,
    /// Between two signs of life while a verdict is pending.
    pub progress_interval: Duration,
    /// For sessions to end after SIGTERM.
    pub drain: Duration,
}

/// The parts of the daemon that sessions work with.
#[derive(Debug)]
pub struct Services {
    /// Chain and policy; replaced on reload.
    pub engine: ArcSwap<Engine>,
    /// Where held-back messages go.
    pub quarantine: Arc<Quarantine>,
    /// Who is told what happens.
    pub events: Events,
    /// What became of each message.
    pub history: History,
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// The bound on message bytes.
    pub budget: Budget,
    /// Bounds and waits.
    pub settings: Settings,
    /// The model that people teach.
    pub model: ModelPlace,
    /// Told of each reload that was taken.
    pub reloads: tokio::sync::watch::Sender<()>,
    /// Why the last reload was refused; `None` when it was not.
    pub reload_problem: ArcSwapOption<ReloadProblem>,
}

/// A model, and how it is read.
#[derive(Clone, Debug)]
pub struct ModelPlace {
    /// Where the filter reads it.
    pub path: PathBuf,
    /// Its engine.
    pub engine: EngineKind,
}

/// A reload that was refused.
#[derive(Clone, Debug)]
pub struct ReloadProblem {
    /// When.
    pub at: Timestamp,
    /// What is wrong and where, as the log has it: several lines.
    pub text: String,
}
