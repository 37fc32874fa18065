//! What the tests of the quarantine are made of.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use mailweir::config::{Source, parse_yaml};
use mailweir::filter::{Action, Hit, Outcome, Report};
use mailweir::mail::{Address, Envelope};
use mailweir::metrics::Metrics;
use mailweir::quarantine::{Entry, Filter, Options, Quarantine, QuarantineError};
use mailweir::verdict::{DecidedBy, Verdict};
use ulid::Ulid;

/// Everything that has ever done harm as a name or on a terminal.
pub(crate) const EVIL: &str = "../$(id)`id`|id;'\"\n\r\0\u{1b}[2J\u{202e}%s@example.org";

pub(crate) fn options(yaml: &str) -> Options {
    parse_yaml(&Source::new("test.yaml", yaml)).unwrap()
}

pub(crate) async fn open_with(dir: &Path, options: &Options) -> Arc<Quarantine> {
    let metrics = Arc::new(Metrics::new().unwrap());
    Arc::new(Quarantine::open(options, dir, metrics).await.unwrap())
}

pub(crate) async fn open(dir: &Path) -> Arc<Quarantine> {
    open_with(dir, &Options::default()).await
}

pub(crate) async fn attach(dir: &Path) -> Result<Quarantine, QuarantineError> {
    let metrics = Arc::new(Metrics::new().unwrap());
    Quarantine::attach(&Options::default(), dir, metrics).await
}

pub(crate) fn envelope(sender: &str, recipients: &[&str]) -> Envelope {
    Envelope {
        sender: Some(Address::new(sender.as_bytes())),
        recipients: recipients
            .iter()
            .map(|r| Address::new(r.as_bytes()))
            .collect(),
        ..Envelope::default()
    }
}

pub(crate) fn verdict(rule: &str) -> Verdict {
    let hit = Hit::new(rule, 9.0, EVIL);
    Verdict {
        action: Action::Quarantine,
        score: 9.0,
        decided_by: DecidedBy::Score(8.0),
        policy: None,
        reports: vec![Report {
            filter: "rules",
            outcome: Outcome::Checked(vec![hit]),
            elapsed: Duration::ZERO,
        }],
    }
}

pub(crate) fn entry_at(received: Timestamp, subject: &str) -> Entry {
    let id = Ulid::new().to_string();
    let envelope = envelope("<spammer@example.net>", &["<victim@example.org>"]);
    Entry::new(&id, received, &envelope, subject, &verdict("RULE_A"), 0)
}

pub(crate) fn entry(subject: &str) -> Entry {
    entry_at(Timestamp::now(), subject)
}

pub(crate) fn message(subject: &str) -> Bytes {
    format!("From: a@example.net\r\nSubject: {subject}\r\n\r\nbody of {subject}\r\n").into()
}

/// Every file below the folder but those of the index and the locks: the heads of messages, each of which must have
/// its message beside it.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.join("quarantine")];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let item = item.unwrap();
            let name = item.file_name().into_string().unwrap();
            if item.file_type().unwrap().is_dir() {
                folders.push(item.path());
            } else if name.ends_with(".eml") && item.path().with_extension("").exists() {
                assert!(item.path().is_file());
            } else if !name.starts_with("index.")
                && !["lock", "sending", "objects"].contains(&name.as_str())
            {
                found.push(item.path());
            }
        }
    }
    found
}

pub(crate) async fn ids(quarantine: &Quarantine, filter: &Filter) -> Vec<String> {
    let records = quarantine.list(filter).await.unwrap();
    records.into_iter().map(|r| r.entry.id).collect()
}

pub(crate) async fn database(dir: &Path) -> sqlx::SqlitePool {
    let path = dir.join("quarantine/index.sqlite");
    sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap()
}

/// Messages with these subjects, stored.
pub(crate) async fn stored<const N: usize>(
    quarantine: &Arc<Quarantine>,
    subjects: [&str; N],
) -> [Entry; N] {
    let entries = subjects.map(entry);
    for entry in &entries {
        let raw = message(&entry.subject);
        quarantine.store(entry, raw).await.unwrap();
    }
    entries
}

/// Takes the index away, and leaves the messages.
pub(crate) fn remove_index(dir: &Path) {
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _ = fs::remove_file(dir.join("quarantine").join(name));
    }
}
