//! The answer to `/stat`, in the fields that `rspamc stat` shows.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Desk;

/// What was done since the start.
#[derive(Debug, Serialize)]
pub(super) struct Statistics {
    version: &'static str,
    uptime: u64,
    read_only: bool,
    scanned: u64,
    learned: u64,
    spam_count: u64,
    ham_count: u64,
    connections: u64,
    control_connections: u64,
    actions: BTreeMap<&'static str, u64>,
    statfiles: Vec<Statfile>,
    total_learns: u64,
}

/// One class of the classifier.
#[derive(Debug, Serialize)]
struct Statfile {
    revision: u64,
    used: u64,
    total: u64,
    size: u64,
    symbol: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    languages: u64,
    users: u64,
}

impl Statistics {
    /// Of messages of every protocol, milter included, as the metrics count them.
    pub(super) fn of(desk: &Desk) -> Statistics {
        let metrics = &desk.services.metrics;
        let count = |verdict| metrics.messages.with_label_values(&[verdict]).get();
        let actions = BTreeMap::from([
            ("no action", count("deliver")),
            ("add header", count("tag")),
            ("soft reject", count("tempfail")),
            ("reject", count("reject")),
            ("quarantine", count("quarantine")),
            ("discard", count("discard")),
        ]);
        let spam = ["tag", "quarantine", "discard", "reject"].map(count);
        let engine = desk.services.engine.load();
        let teacher = engine.teacher();
        let (ham, spam_learned) = teacher.map_or((0, 0), |teacher| teacher.learned());
        let statfile = |symbol, revision| Statfile {
            revision,
            used: 0,
            total: 0,
            size: 0,
            symbol,
            kind: "mailweir",
            languages: 0,
            users: 1,
        };
        Statistics {
            version: env!("CARGO_PKG_VERSION"),
            uptime: desk.since.elapsed().as_secs(),
            read_only: desk.settings.password.is_none(),
            scanned: actions.values().sum(),
            learned: ham + spam_learned,
            spam_count: spam.iter().sum(),
            ham_count: count("deliver"),
            connections: metrics.sessions.get(),
            control_connections: 0,
            actions,
            statfiles: vec![
                statfile("BAYES_SPAM", spam_learned),
                statfile("BAYES_HAM", ham),
            ],
            total_learns: ham + spam_learned,
        }
    }
}
