//! The thread that writes events: takes what waits as one write, to the file and to the spool of the webhook.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;

use super::file::File;
use super::spool::Spool;
use crate::metrics::Metrics;

/// Lines that are written at once.
const AT_ONCE: usize = 1_000;
/// Between two complaints about the same disk.
const COMPLAINT: Duration = Duration::from_secs(60);

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Order {
    /// A line, its end included.
    Line(Box<[u8]>),
    /// Open the file anew.
    Reopen,
    /// Write what was told before, and end.
    End,
}

/// The writer.
#[derive(Debug)]
pub(super) struct Writer {
    file: Option<File>,
    spool: Option<Arc<Spool>>,
    metrics: Arc<Metrics>,
    complained: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        file: Option<File>,
        spool: Option<Arc<Spool>>,
        metrics: Arc<Metrics>,
    ) -> Writer {
        Writer {
            file,
            spool,
            metrics,
            complained: None,
        }
    }

    /// Writes until it is told to end, or nobody is left to tell it.
    pub(super) fn run(mut self, mut orders: Receiver<Order>) {
        let mut waiting = Vec::new();
        let mut ended = false;
        while !ended && orders.blocking_recv_many(&mut waiting, AT_ONCE) > 0 {
            let mut lines = Vec::new();
            let mut count = 0;
            for order in waiting.drain(..) {
                match order {
                    Order::Line(line) => {
                        lines.extend_from_slice(&line);
                        count += 1;
                    }
                    Order::Reopen => {
                        self.write(&std::mem::take(&mut lines), std::mem::take(&mut count));
                        let reopened = self.file.as_mut().map_or(Ok(()), File::reopen);
                        self.complain("file", 0, reopened);
                    }
                    Order::End => ended = true,
                }
            }
            self.write(&lines, count);
        }
        if let Some(spool) = &self.spool {
            let synced = spool.sync();
            self.complain("webhook", 0, synced);
        }
    }

    fn write(&mut self, lines: &[u8], count: u64) {
        if count == 0 {
            return;
        }
        if let Some(file) = &mut self.file {
            let written = file.append(lines);
            self.complain("file", count, written);
        }
        if let Some(spool) = &self.spool {
            let written = spool.append(lines);
            self.complain("webhook", count, written);
        }
    }

    fn complain(&mut self, sink: &str, lost: u64, result: std::io::Result<()>) {
        let Err(error) = result else {
            return;
        };
        let dropped = &self.metrics.events_dropped;
        dropped.with_label_values(&[sink]).inc_by(lost);
        if self.complained.is_none_or(|at| at.elapsed() > COMPLAINT) {
            self.complained = Some(Instant::now());
            tracing::error!(%error, sink, lost, "events cannot be written");
        }
    }
}
