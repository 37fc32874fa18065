//! What the quarantine costs: time to make a message durable, and to find messages among many.
//!
//! `cargo bench --bench quarantine`, on the disk that `TMPDIR` lies on: how long storing takes is how long its fsync takes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use mailweir::filter::{Action, Hit, Outcome, Report};
use mailweir::mail::{Address, Envelope};
use mailweir::metrics::Metrics;
use mailweir::quarantine::{Entry, Filter, Options, Order, Quarantine, Sort, State};
use mailweir::verdict::{DecidedBy, Verdict};
use ulid::Ulid;

/// Messages that are searched.
const MANY: u64 = 100_000;

fn entry() -> Entry {
    let envelope = Envelope {
        sender: Some(Address::new(b"<spammer@example.net>")),
        recipients: vec![Address::new(b"<victim@example.org>")],
        ..Envelope::default()
    };
    let verdict = Verdict {
        action: Action::Quarantine,
        score: 9.0,
        decided_by: DecidedBy::Score(8.0),
        policy: None,
        reports: vec![Report {
            filter: "rules",
            outcome: Outcome::Checked(vec![Hit::new("RULE_A", 9.0, "what matched")]),
            elapsed: Duration::ZERO,
        }],
    };
    let id = Ulid::new().to_string();
    Entry::new(&id, Timestamp::now(), &envelope, "measured", &verdict, 0)
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let quarantine = Quarantine::open(&Options::default(), dir.path(), metrics).await;
    let quarantine = Arc::new(quarantine.unwrap());
    for (sessions, messages) in [(1, 300), (8, 1_200), (32, 2_400)] {
        store(&quarantine, sessions, messages).await;
    }
    multiply(dir.path()).await;
    for (what, filter) in filters() {
        for by in [Sort::Received, Sort::Subject] {
            look(&quarantine, what, &filter, by).await;
        }
    }
    let began = Instant::now();
    quarantine.stats().await.unwrap();
    println!("stats of {MANY}: {:?}", began.elapsed());
}

async fn store(quarantine: &Arc<Quarantine>, sessions: usize, messages: usize) {
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..sessions {
        let quarantine = quarantine.clone();
        tasks.spawn(async move {
            let mut waits = Vec::new();
            for _ in 0..messages / sessions {
                let entry = entry();
                let raw = Bytes::from(entry.id.repeat(800));
                let began = Instant::now();
                quarantine.store(&entry, raw).await.unwrap();
                waits.push(began.elapsed());
            }
            waits
        });
    }
    let mut waits: Vec<Duration> = tasks.join_all().await.concat();
    waits.sort_unstable();
    println!(
        "{sessions} sessions, messages of 20 KiB: {:.0}/s, p50 {:?}, p99 {:?}",
        waits.len() as f64 / started.elapsed().as_secs_f64(),
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100],
    );
}

/// Makes many rows of one.
async fn multiply(dir: &Path) {
    let db = sqlx::SqlitePool::connect(&format!(
        "sqlite://{}",
        dir.join("quarantine/index.sqlite").display()
    ))
    .await
    .unwrap();
    let copies = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
        INSERT INTO messages (id, received, last_seen, seen, state, size, likeness, sender, subject, known, client,
            domain, policies, reason, verdict, score)
        SELECT printf('%026d', i), received - i, last_seen - i, 1, state, size, randomblob(32),
            'sender' || (i % 5000) || '@example' || (i % 700) || '.net', subject || i || ' invoice from ' || (i % 97),
            1, randomblob(16), 'example' || (i % 700) || '.net', policies, reason, verdict, i % 4000
        FROM n, (SELECT * FROM messages LIMIT 1)";
    sqlx::query(copies).execute(&db).await.unwrap();
    for copies in [
        "INSERT INTO entries SELECT id, (SELECT entry FROM entries LIMIT 1) FROM messages
             WHERE id NOT IN (SELECT message FROM entries)",
        "INSERT INTO recipients (message, recipient, domain)
             SELECT id, 'user' || (rowid % 3000) || '@example.org', 'example.org' FROM messages
             WHERE id NOT IN (SELECT message FROM recipients)",
        "INSERT INTO hits SELECT id, 'RULE_' || (rowid % 300) FROM messages
             WHERE id NOT IN (SELECT message FROM hits)",
    ] {
        sqlx::query(copies).execute(&db).await.unwrap();
    }
    db.close().await;
}

fn filters() -> Vec<(&'static str, Filter)> {
    let of = |set: &dyn Fn(&mut Filter)| {
        let mut filter = Filter::default();
        set(&mut filter);
        filter
    };
    let text = |text: &str| Some(text.to_owned());
    vec![
        ("all", Filter::default()),
        ("subject", of(&|f| f.subject = text("measured77777"))),
        ("two words", of(&|f| f.subject = text("invoice 96"))),
        ("sender", of(&|f| f.sender = text("sender4999@"))),
        ("recipient", of(&|f| f.recipient = text("user2999@"))),
        ("domain", of(&|f| f.domain = text("example699.net"))),
        (
            "client",
            of(&|f| f.client = Some("2001:db8::/32".parse().unwrap())),
        ),
        ("rule", of(&|f| f.rule = text("RULE_299"))),
        ("reason", of(&|f| f.reason = text("hit clamav"))),
        ("state", of(&|f| f.state = Some(State::Partly))),
        ("size", of(&|f| f.larger = Some(1 << 40))),
    ]
}

async fn look(quarantine: &Quarantine, what: &str, filter: &Filter, by: Sort) {
    let order = Order {
        by,
        descending: true,
    };
    let began = Instant::now();
    let page = quarantine.search(filter, order, None, 50).await.unwrap();
    let first = began.elapsed();
    let began = Instant::now();
    let found = quarantine.matching(filter).await.unwrap();
    println!(
        "{MANY} by {what}, sorted by {by}: {} of {found}, page {first:?}, count {:?}",
        page.records.len(),
        began.elapsed()
    );
}
