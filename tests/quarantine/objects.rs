//! Bytes of messages in an object store: they are where they should be, and never lost between.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use mailweir::metrics::Metrics;
use mailweir::quarantine::{Entry, Filter, Options, Quarantine, QuarantineError, State};
use tokio_util::sync::CancellationToken;

use crate::fixture::*;
use crate::shelf::{Fault, Shelf};

/// For whatever must come about on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn with_store(url: &str, more: &str) -> Options {
    options(&format!(
        "objects: {{ url: '{url}', timeout: 20s, {more} }}"
    ))
}

/// A quarantine with the task that keeps it, as in the daemon.
struct Daemon {
    quarantine: Arc<Quarantine>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    keeper: tokio::task::JoinHandle<()>,
}

impl Daemon {
    async fn start(dir: &Path, options: &Options) -> Daemon {
        let metrics = Arc::new(Metrics::new().unwrap());
        let opened = Quarantine::open(options, dir, metrics.clone()).await;
        let quarantine = Arc::new(opened.unwrap());
        let stop = CancellationToken::new();
        let keeper = tokio::spawn(quarantine.clone().keep_house(stop.clone()));
        Daemon {
            quarantine,
            metrics,
            stop,
            keeper,
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.keeper.await.unwrap();
        self.quarantine.close().await;
    }

    /// Waits until so many messages are in the store and none is on its way.
    async fn moved(&self, messages: i64) {
        let metrics = &self.metrics;
        let state = || {
            let there = metrics.quarantine_objects.get();
            (there, metrics.quarantine_objects_waiting.get())
        };
        until(&format!("{messages} messages in the store"), || {
            state() == (messages, 0)
        })
        .await;
    }

    fn failures(&self, operation: &str) -> u64 {
        let failures = &self.metrics.quarantine_failures;
        failures.with_label_values(&[operation]).get()
    }
}

async fn until(what: &str, mut fulfilled: impl FnMut() -> bool) {
    let started = Instant::now();
    while !fulfilled() {
        assert!(started.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The files with the bytes of messages.
fn bytes_here(dir: &Path) -> Vec<PathBuf> {
    let heads = files(dir).into_iter();
    let beside = heads.map(|head| head.with_extension("eml"));
    beside.filter(|file| file.exists()).collect()
}

fn name(raw: &[u8]) -> String {
    blake3::hash(raw).to_hex().to_string()
}

#[tokio::test]
async fn bytes_move_to_the_store_and_whoever_reads_gets_them() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::start();
    let options = with_store(&shelf.url, "");
    let daemon = Daemon::start(dir.path(), &options).await;
    let quarantine = &daemon.quarantine;
    let [one, other] = stored(quarantine, ["one", "other"]).await;
    let mut copy = entry("one");
    copy.recipients.clear();
    quarantine.store(&copy, message("one")).await.unwrap();
    daemon.moved(3).await;

    assert!(bytes_here(dir.path()).is_empty());
    let names = BTreeSet::from_iter(shelf.names());
    let wanted = [name(&message("one")), name(&message("other"))];
    assert_eq!((names, shelf.names().len()), (BTreeSet::from(wanted), 2));
    for (entry, subject) in [(&one, "one"), (&other, "other"), (&copy, "one")] {
        let raw = quarantine.read(&entry.id).await.unwrap();
        assert_eq!(raw, message(subject));
    }
    let (_, preview) = quarantine.preview(&one.id).await.unwrap();
    assert!(format!("{preview:?}").contains("body of one"));
    // A command beside the daemon.
    let metrics = Arc::new(Metrics::new().unwrap());
    let beside = Quarantine::attach(&options, dir.path(), metrics).await;
    let beside = beside.unwrap();
    assert_eq!(beside.read(&other.id).await.unwrap(), message("other"));

    // One of two copies goes, and the object stays; it goes with the other.
    beside.delete(&one.id).await.unwrap();
    let next = stored(quarantine, ["next"]).await;
    daemon.moved(3).await;
    assert_eq!(quarantine.read(&copy.id).await.unwrap(), message("one"));
    beside.delete(&copy.id).await.unwrap();
    quarantine.reconfigure(&options);
    let gone = name(&message("one"));
    until("the object is removed", || !shelf.names().contains(&gone)).await;
    assert_eq!(quarantine.read(&next[0].id).await.unwrap(), message("next"));
    beside.close().await;
    daemon.end().await;
}

#[tokio::test]
async fn a_store_that_fails_in_any_way_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::start();
    let options = with_store(&shelf.url, "").clone();
    let quick = options_with_timeout(&shelf.url, "1s");
    let daemon = Daemon::start(dir.path(), &options).await;
    let quarantine = &daemon.quarantine;
    for (number, fault) in (1_i64..).zip([
        Fault::Down,
        Fault::Refuses,
        Fault::Silent,
        Fault::Lies,
        Fault::Short,
        Fault::Cut,
        Fault::Forgets,
    ]) {
        if fault == Fault::Silent {
            quarantine.reconfigure(&quick);
        }
        shelf.fail(fault);
        let failed = daemon.failures("objects");
        let subject = format!("{fault:?}");
        let entry = entry(&subject);
        quarantine.store(&entry, message(&subject)).await.unwrap();
        until(&format!("{fault:?} is seen"), || {
            daemon.failures("objects") > failed
        })
        .await;
        assert_eq!(bytes_here(dir.path()).len(), 1, "{fault:?}");
        assert_eq!(quarantine.read(&entry.id).await.unwrap(), message(&subject));
        shelf.fail(Fault::None);
        quarantine.reconfigure(&options);
        daemon.moved(number).await;

        // And now for those who read.
        if fault == Fault::Silent {
            quarantine.reconfigure(&quick);
        }
        shelf.fail(fault);
        let read = quarantine.read(&entry.id).await;
        match (fault, read) {
            (Fault::Forgets, Ok(raw)) => assert_eq!(raw, message(&subject)),
            (_, Err(QuarantineError::Objects(why))) => {
                assert!(!why.contains(['\u{1b}', '\u{202e}']), "{why}");
            }
            (_, other) => panic!("{fault:?}: {other:?}"),
        }
        assert!(daemon.failures("read") > 0);
        let released = quarantine.release(&entry.id, &[], false).await;
        assert!(released.is_err(), "{fault:?}");
        let record = quarantine.get(&entry.id).await.unwrap();
        assert_eq!(record.state, State::Held, "{fault:?}");
        shelf.fail(Fault::None);
        assert_eq!(quarantine.read(&entry.id).await.unwrap(), message(&subject));
    }
    daemon.end().await;
}

fn options_with_timeout(url: &str, timeout: &str) -> Options {
    options(&format!("objects: {{ url: '{url}', timeout: {timeout} }}"))
}

#[tokio::test]
async fn a_copy_that_arrives_while_the_last_one_goes_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::start();
    let options = with_store(&shelf.url, "");
    let daemon = Daemon::start(dir.path(), &options).await;
    let quarantine = &daemon.quarantine;
    let mut last: Option<Entry> = None;
    for _ in 0..30 {
        let copy = entry("the same");
        let delete = async {
            if let Some(last) = &last {
                quarantine.delete(&last.id).await.unwrap();
            }
        };
        let mut other = copy.clone();
        other.recipients = vec![mailweir::mail::Address::new(copy.id.as_bytes())];
        let (stored, ()) = tokio::join!(quarantine.store(&other, message("the same")), delete);
        stored.unwrap();
        quarantine.reconfigure(&options);
        assert_eq!(
            quarantine.read(&other.id).await.unwrap(),
            message("the same")
        );
        last = Some(other);
    }
    daemon.moved(1).await;
    let last = last.unwrap();
    quarantine.reconfigure(&options);
    daemon.moved(1).await;
    assert_eq!(
        quarantine.read(&last.id).await.unwrap(),
        message("the same")
    );
    assert_eq!(shelf.names(), [name(&message("the same"))]);
    daemon.end().await;
}

#[tokio::test]
async fn everything_comes_back_when_the_store_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::start();
    let quarantine = open(dir.path()).await;
    let entries = stored(&quarantine, ["a", "b", "c"]).await;
    let heads = |dir: &Path| {
        let mut heads = files(dir);
        heads.sort();
        heads
            .into_iter()
            .map(|h| fs::read(h).unwrap())
            .collect::<Vec<_>>()
    };
    let before = heads(dir.path());
    quarantine.close().await;
    drop(quarantine);

    // Messages that were held before there was a store move too.
    let daemon = Daemon::start(dir.path(), &with_store(&shelf.url, "parallel: 2")).await;
    daemon.moved(3).await;
    // The store is taken out of the configuration: nothing is lost, and what to do is said.
    daemon.quarantine.reconfigure(&Options::default());
    let error = daemon.quarantine.read(&entries[0].id).await.unwrap_err();
    assert!(error.to_string().contains("drain: true"), "{error}");
    until("it is said", || daemon.failures("objects") > 0).await;
    daemon.end().await;
    let without = open(dir.path()).await;
    assert_eq!(without.recovered(), &Default::default());
    without.close().await;
    drop(without);

    let daemon = Daemon::start(dir.path(), &with_store(&shelf.url, "drain: true")).await;
    until("all is back", || shelf.names().is_empty()).await;
    daemon.end().await;
    assert_eq!(heads(dir.path()), before);
    assert_eq!(bytes_here(dir.path()).len(), 3);
    let quarantine = open(dir.path()).await;
    assert_eq!(quarantine.recovered(), &Default::default());
    for entry in &entries {
        assert_eq!(
            quarantine.read(&entry.id).await.unwrap(),
            message(&entry.subject)
        );
    }
}

#[tokio::test]
async fn what_waits_for_the_store_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::start();
    shelf.fail(Fault::Down);
    let size = message("x").len();
    let options = with_store(&shelf.url, &format!("waiting: {}", 2 * size));
    let daemon = Daemon::start(dir.path(), &options).await;
    let quarantine = &daemon.quarantine;
    let [one, _] = stored(quarantine, ["1", "2"]).await;
    let refused = quarantine.store(&entry("3"), message("3")).await;
    assert!(matches!(refused, Err(QuarantineError::Full)), "{refused:?}");
    // Room is made by whoever removes a message, also in another process.
    let beside = attach(dir.path()).await.unwrap();
    beside.delete(&one.id).await.unwrap();
    beside.close().await;
    stored(quarantine, ["3"]).await;
    shelf.fail(Fault::None);
    quarantine.reconfigure(&options);
    daemon.moved(2).await;
    stored(quarantine, ["4", "5"]).await;
    daemon.end().await;
}

#[tokio::test]
async fn the_index_can_be_built_anew_though_the_bytes_are_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::start();
    let options = with_store(&shelf.url, "");
    let daemon = Daemon::start(dir.path(), &options).await;
    let entries = stored(&daemon.quarantine, ["a", "b"]).await;
    daemon.moved(2).await;
    let before = daemon.quarantine.list(&Filter::default()).await.unwrap();
    daemon.end().await;
    remove_index(dir.path());
    shelf.fail(Fault::Down);
    let quarantine = open_with(dir.path(), &options).await;
    assert_eq!(quarantine.recovered().entered.len(), 2);
    assert_eq!(quarantine.list(&Filter::default()).await.unwrap(), before);
    assert_eq!(quarantine.messages_away().await.unwrap(), 2);
    shelf.fail(Fault::None);
    assert_eq!(quarantine.read(&entries[0].id).await.unwrap(), message("a"));
    quarantine.close().await;
    drop(quarantine);

    // Without the name of its folder in the store nothing is found, and nothing is done.
    let space = dir.path().join("quarantine/objects");
    let saved = fs::read(&space).unwrap();
    fs::remove_file(&space).unwrap();
    let quarantine = open_with(dir.path(), &options).await;
    let error = quarantine.read(&entries[1].id).await.unwrap_err();
    assert!(error.to_string().contains("put it back"), "{error}");
    assert!(!space.exists());
    fs::write(&space, saved).unwrap();
    assert_eq!(quarantine.read(&entries[1].id).await.unwrap(), message("b"));
}

#[tokio::test]
async fn objects_that_nobody_uses_are_swept_when_they_are_old() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::start();
    let options = with_store(&shelf.url, "");
    let daemon = Daemon::start(dir.path(), &options).await;
    let quarantine = &daemon.quarantine;
    let [kept] = stored(quarantine, ["kept"]).await;
    daemon.moved(1).await;
    shelf.plant(b"left by a crash");
    let written: Timestamp = "2026-11-05T08:00:00Z".parse().unwrap();
    assert_eq!(quarantine.sweep_objects(written).await.unwrap(), 0);
    let later = written + SignedDuration::from_secs(1);
    assert_eq!(quarantine.sweep_objects(later).await.unwrap(), 1);
    assert_eq!(shelf.names(), [name(&message("kept"))]);
    assert_eq!(quarantine.read(&kept.id).await.unwrap(), message("kept"));
    daemon.end().await;
}

#[tokio::test]
async fn a_move_that_was_cut_off_is_seen_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::start();
    let options = with_store(&shelf.url, "");
    let quarantine = open(dir.path()).await;
    let [entry] = stored(&quarantine, ["cut off"]).await;
    let head = files(dir.path()).remove(0);
    let (here, raw) = (
        fs::read(&head).unwrap(),
        fs::read(head.with_extension("eml")).unwrap(),
    );
    quarantine.close().await;
    drop(quarantine);
    let daemon = Daemon::start(dir.path(), &options).await;
    daemon.moved(1).await;
    daemon.end().await;

    // After the index was told, before the head was.
    let away = fs::read(&head).unwrap();
    fs::write(&head, &here).unwrap();
    fs::write(head.with_extension("eml"), &raw).unwrap();
    let quarantine = open_with(dir.path(), &options).await;
    assert_eq!(quarantine.messages_away().await.unwrap(), 0);
    assert_eq!(quarantine.read(&entry.id).await.unwrap(), raw);
    quarantine.close().await;
    drop(quarantine);
    let daemon = Daemon::start(dir.path(), &options).await;
    daemon.moved(1).await;
    daemon.end().await;

    // After the head was told, before the file was removed; with an index that knows, and with one that does not.
    assert_eq!(fs::read(&head).unwrap(), away);
    fs::write(head.with_extension("eml"), &raw).unwrap();
    for away in ["1", "0"] {
        let db = database(dir.path()).await;
        let set = format!("UPDATE messages SET elsewhere = {away}");
        sqlx::query(sqlx::AssertSqlSafe(set))
            .execute(&db)
            .await
            .unwrap();
        db.close().await;
        let daemon = Daemon::start(dir.path(), &options).await;
        daemon.moved(1).await;
        assert!(bytes_here(dir.path()).is_empty());
        assert_eq!(daemon.quarantine.messages_away().await.unwrap(), 1);
        assert_eq!(daemon.quarantine.read(&entry.id).await.unwrap(), raw);
        daemon.end().await;
    }
    assert_eq!(shelf.names(), [name(&raw)]);
}

/// Not a test of its own: the process that is killed. Stores, moves and deletes as fast as it can.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn child_moves_until_it_is_killed() {
    let Some(dir) = std::env::var_os("MAILWEIR_TEST_MOVE_DIR") else {
        return;
    };
    let url = std::env::var("MAILWEIR_TEST_MOVE_URL").unwrap();
    // Forwards and back, so that every step is met.
    let drain = std::env::var("MAILWEIR_TEST_MOVE_DRAIN").unwrap();
    let daemon = Daemon::start(
        Path::new(&dir),
        &with_store(&url, &format!("drain: {drain}")),
    )
    .await;
    let say = |line: String| std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    for i in 0_usize.. {
        let mut entry = entry("moved");
        entry.recipients = vec![mailweir::mail::Address::new(entry.id.as_bytes())];
        let raw = match i % 4 {
            1 => Bytes::from("the same for all of them".repeat(1 + i % 5)),
            _ => Bytes::from(entry.id.repeat(1 + (i * 37) % 2_000)),
        };
        let hash = blake3::hash(&raw);
        daemon.quarantine.store(&entry, raw).await.unwrap();
        say(format!("\nstored {} {hash}\n", entry.id));
        if i % 3 == 1 {
            say(format!("\ndeleting {}\n", entry.id));
            daemon.quarantine.delete(&entry.id).await.unwrap();
            say(format!("\ndeleted {}\n", entry.id));
        }
    }
}

#[tokio::test]
async fn kill_9_at_any_step_of_a_move_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::start();
    let options = with_store(&shelf.url, "");
    let mut said = crate::crash::Said::default();
    for turn in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "objects::child_moves_until_it_is_killed",
                "--nocapture",
            ])
            .env("MAILWEIR_TEST_MOVE_DIR", dir.path())
            .env("MAILWEIR_TEST_MOVE_URL", &shelf.url)
            .env("MAILWEIR_TEST_MOVE_DRAIN", (turn % 3 == 2).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = 60 + (ulid::Ulid::new().0 % 100) as usize;
        for _ in 0..enough {
            said.take(&lines.next().expect("the child works on").unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            said.take(&line);
        }
        let quarantine = open_with(dir.path(), &options).await;
        said.check(&quarantine).await;
        quarantine.close().await;
    }
    // At last each message is in the store, each object once, and none that nobody uses.
    let daemon = Daemon::start(dir.path(), &options).await;
    let all = i64::try_from(daemon.quarantine.stats().await.unwrap().messages).unwrap();
    daemon.moved(all).await;
    daemon
        .quarantine
        .sweep_objects(Timestamp::now())
        .await
        .unwrap();
    daemon.quarantine.reconfigure(&options);
    let mut used = BTreeSet::new();
    for id in ids(&daemon.quarantine, &Filter::default()).await {
        used.insert(name(&daemon.quarantine.read(&id).await.unwrap()));
    }
    until("objects and messages agree", || {
        BTreeSet::from_iter(shelf.names()) == used
    })
    .await;
    assert!(bytes_here(dir.path()).is_empty());
    assert!(all > 20, "{all}");
    daemon.end().await;
}
