//! The log: lines or JSON objects on standard error. A service manager adds time and rotation.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{LogFormat, LogLevel, LogSection};
use crate::web::Journal;

/// Starts logging. Later calls have no effect.
pub(super) fn start(section: LogSection) {
    start_with(section, &Journal::default());
}

/// The same, and what goes wrong is kept in `journal` too.
pub(super) fn start_with(section: LogSection, journal: &Journal) {
    let level = match section.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let layer = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer = match section.format {
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // The libraries' own events below a warning are of no use to an admin.
    let ours = tracing_subscriber::filter::Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("mailweir", level)
        // Its warnings of forged answers quote the name that was asked, which may hold the key of a list.
        .with_target("hickory_net", LevelFilter::OFF)
        .with_target("hickory_proto", LevelFilter::OFF)
        .with_target("hickory_resolver", LevelFilter::OFF);
    let _ = tracing_subscriber::registry()
        .with(layer.and_then(journal.layer()).with_filter(ours))
        .try_init();
}
