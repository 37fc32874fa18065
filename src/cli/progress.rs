//! How reading of messages goes on, on a terminal: messages, rate, time left. What could not be read is named.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::mail::corpus::CorpusError;
use crate::printable::printable;
use crate::workbench::reading::Watch;

/// Unreadable items that are named one by one; all are counted.
const NAMED: usize = 1000;

/// A bar on standard error. Where that is no terminal, only unreadable items are told.
pub(super) struct Progress {
    bar: ProgressBar,
    messages: usize,
    begun: std::time::Instant,
    /// How many items could not be read.
    pub(super) left_out: usize,
}

impl Progress {
    pub(super) fn new() -> Progress {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) =
            ProgressStyle::with_template("{msg:30} {wide_bar} {percent:>3} % {prefix}, {eta} left")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress {
            bar,
            messages: 0,
            begun: std::time::Instant::now(),
            left_out: 0,
        }
    }

    /// Shows what goes on where nothing is read.
    pub(super) fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Takes the bar off the terminal.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
        if self.left_out > NAMED {
            eprintln!("left out: and {} more", self.left_out - NAMED);
        }
    }
}

impl Watch for Progress {
    fn begin(&mut self, what: &str, bytes: u64) {
        self.messages = 0;
        self.begun = std::time::Instant::now();
        self.bar.reset();
        self.bar.set_length(bytes);
        self.bar.set_message(what.to_owned());
        self.bar.set_prefix("0 messages");
    }

    fn read(&mut self, bytes: u64, messages: usize) {
        self.messages += messages;
        let rate = self.messages as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        self.bar
            .set_prefix(format!("{} messages, {rate:.0}/s", self.messages));
        self.bar.set_position(bytes);
    }

    fn left_out(&mut self, error: &CorpusError) {
        self.left_out += 1;
        if self.left_out <= NAMED {
            let text = printable(&error.to_string(), 400);
            self.bar.suspend(|| eprintln!("left out: {text}"));
        }
    }
}

/// A bar that counts messages of which nobody knows how many there are.
pub(super) fn counting() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} {pos} messages, {per_sec}, {elapsed}")
    {
        bar.set_style(style);
    }
    bar
}

/// A bar for that many messages, each of which takes a while; hidden where nobody watches, and for a single one.
pub(super) fn counted(messages: usize) -> ProgressBar {
    if messages < 2 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(messages as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}
