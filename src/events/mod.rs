//! Events to the outside: each verdict, and what happens to the daemon, as JSON lines in a file and as batches to a
//! webhook.
//!
//! In: what the daemon says of itself, from any task. Out: a file that grows by whole lines and is rotated by its size or
//! by others; requests to one URL, signed, repeated until they are taken. What a webhook is owed waits in a spool on
//! disk, so that it outlives the daemon and its peer.
//!
//! Promises: mail never waits for an event: what does not fit into the queue is dropped and counted. A line that is in
//! the spool is sent at least once, in order, with the same id each time; only when the spool has reached its bound the
//! oldest lines go, counted. Nothing from a message is in an event but as a JSON string.

mod event;
mod file;
mod options;
mod spool;
mod watch;
mod webhook;
mod writer;

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Problems;
use crate::config::Source;
use crate::metrics::Metrics;

pub use event::{Judged, Kind, MessageJudged};
pub use options::{Options, WebhookOptions};

use options::Settings;
use writer::{Order, Writer};

/// Lines that may wait for the writer.
const QUEUE: usize = 10_000;

/// Where events are told. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events(Option<Arc<Told>>);

#[derive(Debug)]
struct Told {
    orders: mpsc::Sender<Order>,
    wanted: Vec<Kind>,
    host: String,
    metrics: Arc<Metrics>,
}

impl Events {
    /// Nobody listens.
    pub fn none() -> Events {
        Events(None)
    }

    /// Whether events of a kind are wanted: nothing need be made of one that is not.
    pub fn wants(&self, kind: Kind) -> bool {
        self.0
            .as_ref()
            .is_some_and(|told| told.wanted.contains(&kind))
    }

    /// Tells an event. Never waits.
    pub fn tell<T: Serialize>(&self, kind: Kind, what: &T) {
        let Some(told) = self.0.as_ref().filter(|told| told.wanted.contains(&kind)) else {
            return;
        };
        let line = event::line(kind, &told.host, what);
        told.metrics.events.with_label_values(&[kind.name()]).inc();
        if told.orders.try_send(Order::Line(line)).is_err() {
            let dropped = &told.metrics.events_dropped;
            dropped.with_label_values(&["queue"]).inc();
        }
    }

    /// Opens the file anew: another program has moved it away.
    pub fn reopen(&self) {
        if let Some(told) = &self.0 {
            // With a full queue the writer is busy with the file in any case; the next signal does it.
            let _ = told.orders.try_send(Order::Reopen);
        }
    }
}

/// What writes and sends events, until it is stopped.
#[derive(Debug)]
pub struct Herald {
    writer: Option<std::thread::JoinHandle<()>>,
    orders: Option<mpsc::Sender<Order>>,
    webhook: Option<tokio::task::JoinHandle<()>>,
    watch: Option<tokio::task::JoinHandle<()>>,
    stop: CancellationToken,
}

/// The configuration, checked: what [`Herald::start`] needs.
#[derive(Clone, Debug, Default)]
pub struct Checked(Settings);

impl Options {
    /// Checks the section; `base` is the folder of the configuration file, `data_dir` that of the daemon's own files.
    ///
    /// # Errors
    /// Every problem, with its place.
    pub fn check(
        &self,
        source: &Source,
        base: &Path,
        data_dir: &Path,
    ) -> Result<Checked, Problems> {
        Settings::check(self, source, base, data_dir).map(Checked)
    }
}

impl Herald {
    /// Opens file and spool, and begins to write and send. Without either nothing runs.
    ///
    /// # Errors
    /// What cannot be opened, with its path.
    pub fn start(checked: Checked, metrics: &Arc<Metrics>) -> std::io::Result<(Events, Herald)> {
        let Checked(settings) = checked;
        let stop = CancellationToken::new();
        let mut herald = Herald {
            writer: None,
            orders: None,
            webhook: None,
            watch: None,
            stop: stop.clone(),
        };
        if settings.file.is_none() && settings.webhook.is_none() {
            return Ok((Events::none(), herald));
        }
        let mut outbox = None;
        if let Some(webhook) = &settings.webhook {
            let spool = Arc::new(spool::Spool::open(webhook, metrics.clone())?);
            let sender = webhook::Webhook::new(webhook.clone(), spool.clone(), metrics.clone())?;
            herald.webhook = Some(tokio::spawn(sender.run(stop.clone())));
            outbox = Some(spool);
        }
        let file = match settings.file {
            Some(rotation) => Some(file::File::open(rotation)?),
            None => None,
        };
        let (orders, receiver) = mpsc::channel(QUEUE);
        let writer = Writer::new(file, outbox, metrics.clone());
        let thread = std::thread::Builder::new().name("events".into());
        herald.writer = Some(thread.spawn(move || writer.run(receiver))?);
        herald.orders = Some(orders.clone());
        let events = Events(Some(Arc::new(Told {
            orders,
            wanted: settings.wanted,
            host: event::host(),
            metrics: metrics.clone(),
        })));
        let watch = watch::Watch::new(events.clone(), metrics.clone());
        herald.watch = Some(tokio::spawn(watch.run(stop)));
        Ok((events, herald))
    }

    /// Writes what was told so far, gives the webhook a few seconds for it, and ends. What is not sent then waits in the
    /// spool for the next start.
    pub async fn stop(self) {
        if let Some(orders) = self.orders {
            // The writer is at work, so there will be room.
            let _ = orders.send(Order::End).await;
        }
        if let Some(writer) = self.writer {
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
        self.stop.cancel();
        for task in [self.webhook, self.watch].into_iter().flatten() {
            if task.await.is_err() {
                tracing::error!("a panic while events were sent");
            }
        }
    }
}
