//! The promises of the quarantine: durable or not at all, repaired after any crash, bounded, safe against
//! hostile strings and folders.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use jiff::Timestamp;
use mailweir::cli::quarantine::{QuarantineArgs, QuarantineSettings, run};
use mailweir::config::{ByteSize, Source, parse_yaml};
use mailweir::filter::{Action, Hit, Outcome, Report};
use mailweir::mail::{Address, Envelope};
use mailweir::metrics::Metrics;
use mailweir::quarantine::{Entry, Filter, Options, Quarantine, QuarantineError, State};
use mailweir::verdict::{DecidedBy, Verdict};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

const EVIL: &str = "../$(id)`id`|id;'\"\n\r\0\u{1b}[2J\u{202e}%s@example.org";

fn options(yaml: &str) -> Options {
    parse_yaml(&Source::new("test.yaml", yaml)).unwrap()
}

async fn open_with(dir: &Path, options: &Options) -> Arc<Quarantine> {
    let metrics = Arc::new(Metrics::new().unwrap());
    Arc::new(Quarantine::open(options, dir, metrics).await.unwrap())
}

async fn open(dir: &Path) -> Arc<Quarantine> {
    open_with(dir, &Options::default()).await
}

async fn attach(dir: &Path) -> Result<Quarantine, QuarantineError> {
    let metrics = Arc::new(Metrics::new().unwrap());
    Quarantine::attach(&Options::default(), dir, metrics).await
}

fn envelope(sender: &str, recipients: &[&str]) -> Envelope {
    Envelope {
        sender: Some(Address::new(sender.as_bytes())),
        recipients: recipients
            .iter()
            .map(|r| Address::new(r.as_bytes()))
            .collect(),
        ..Envelope::default()
    }
}

fn verdict(rule: &str) -> Verdict {
    let hit = Hit::new(rule, 9.0, EVIL);
    Verdict {
        action: Action::Quarantine,
        score: 9.0,
        decided_by: DecidedBy::Score(8.0),
        reports: vec![Report {
            filter: "rules",
            outcome: Outcome::Checked(vec![hit]),
            elapsed: Duration::ZERO,
        }],
    }
}

fn entry_at(received: Timestamp, subject: &str) -> Entry {
    let id = Ulid::new().to_string();
    let envelope = envelope("<spammer@example.net>", &["<victim@example.org>"]);
    Entry::new(&id, received, &envelope, subject, &verdict("RULE_A"), 0)
}

fn entry(subject: &str) -> Entry {
    entry_at(Timestamp::now(), subject)
}

fn message(subject: &str) -> Bytes {
    format!("From: a@example.net\r\nSubject: {subject}\r\n\r\nbody of {subject}\r\n").into()
}

/// Every file below the folder but those of the index and the lock.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.join("quarantine")];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let item = item.unwrap();
            let name = item.file_name().into_string().unwrap();
            if item.file_type().unwrap().is_dir() {
                folders.push(item.path());
            } else if !name.starts_with("index.") && name != "lock" {
                found.push(item.path());
            }
        }
    }
    found
}

async fn ids(quarantine: &Quarantine, filter: &Filter) -> Vec<String> {
    let records = quarantine.list(filter).await.unwrap();
    records.into_iter().map(|r| r.entry.id).collect()
}

async fn database(dir: &Path) -> sqlx::SqlitePool {
    let path = dir.join("quarantine/index.sqlite");
    sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_message_comes_back_as_it_was_with_everything_hostile_as_data_only() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let id = Ulid::new().to_string();
    let mut hostile = envelope(EVIL, &[EVIL, "<$(reboot)@x>", "'; DROP TABLE messages; --"]);
    hostile.recipients.push(Address::new(b"<\xff\xfe@x>"));
    hostile.helo = Some(EVIL.to_owned());
    hostile.queue_id = Some(EVIL.to_owned());
    let entry = Entry::new(&id, Timestamp::now(), &hostile, EVIL, &verdict("RULE_A"), 0);
    let raw = Bytes::from_static(b"Subject: \xff\r\n\r\n\0\n.\r\n\x1b[2J");
    quarantine.store(&entry, raw.clone()).await.unwrap();

    assert_eq!(quarantine.read(&id).await.unwrap(), raw);
    let record = quarantine.get(&id).await.unwrap();
    assert_eq!(
        record.entry,
        Entry {
            size: raw.len() as u64,
            ..entry
        }
    );
    assert_eq!(record.entry.recipients[3].raw(), b"<\xff\xfe@x>");
    let found = files(dir.path());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].file_name().unwrap().to_str().unwrap(), id);
    for part in ["$(ID)", "DROP TABLE", "\u{202e}%S"] {
        let recipient = Some(part.to_owned());
        let filter = Filter {
            recipient,
            ..Filter::default()
        };
        assert_eq!(ids(&quarantine, &filter).await, std::slice::from_ref(&id));
    }
    for bad in ["", "../../etc/passwd", "a/b", EVIL] {
        assert!(matches!(
            quarantine.read(bad).await,
            Err(QuarantineError::Id(_))
        ));
        let mut named = record.entry.clone();
        named.id = bad.to_owned();
        let stored = quarantine.store(&named, raw.clone()).await;
        assert!(matches!(stored, Err(QuarantineError::Id(_))));
    }
}

#[tokio::test]
async fn nobody_else_can_read_or_write_anything() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    quarantine.store(&entry("a"), message("a")).await.unwrap();
    let mut pending = vec![dir.path().join("quarantine")];
    let mut seen = 0;
    while let Some(path) = pending.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            pending.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
        }
        seen += 1;
    }
    // Folder, tmp, day, message, lock, index with its two companions.
    assert_eq!(seen, 8);
}

#[tokio::test]
async fn unsafe_folders_and_second_daemons_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = async |why: &str| {
        let metrics = Arc::new(Metrics::new().unwrap());
        let error = Quarantine::open(&Options::default(), dir.path(), metrics)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    };
    let folder = dir.path().join("quarantine");
    assert!(matches!(
        attach(dir.path()).await,
        Err(QuarantineError::Absent { .. })
    ));

    fs::create_dir(dir.path().join("elsewhere")).unwrap();
    symlink(dir.path().join("elsewhere"), &folder).unwrap();
    refused("not a folder").await;
    fs::remove_file(&folder).unwrap();

    fs::create_dir(&folder).unwrap();
    for mode in [0o770, 0o707, 0o777] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        refused("others can write").await;
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    if nix::unistd::geteuid().is_root() {
        let nobody = Some(nix::unistd::Uid::from_raw(65_534));
        nix::unistd::chown(&folder, nobody, None).unwrap();
        refused("belongs to user 65534").await;
        let root = Some(nix::unistd::Uid::from_raw(0));
        nix::unistd::chown(&folder, root, None).unwrap();
    } else {
        println!("skipped: only root can give a folder to somebody else");
    }
    symlink("/etc/passwd", folder.join("index.sqlite")).unwrap();
    refused("index.sqlite").await;
    fs::remove_file(folder.join("index.sqlite")).unwrap();

    let first = open(dir.path()).await;
    refused("in use").await;
    let beside = attach(dir.path()).await.unwrap();
    let beside = Arc::new(beside);
    let stored = beside.store(&entry("a"), message("a")).await;
    assert!(matches!(stored, Err(QuarantineError::ReadOnly)));
    drop(first);
    open(dir.path()).await;
}

#[tokio::test]
async fn whatever_fails_leaves_no_file_and_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let folder = dir.path().join("quarantine");
    let failing = entry("fails");
    let fails = async || {
        let error = quarantine
            .store(&failing, message("fails"))
            .await
            .unwrap_err();
        assert_eq!(files(dir.path()), Vec::<PathBuf>::new(), "{error}");
        assert!(matches!(
            quarantine.get(&failing.id).await,
            Err(QuarantineError::NotFound(_))
        ));
    };

    // The temporary file cannot be created.
    fs::remove_dir(folder.join("tmp")).unwrap();
    fails().await;
    fs::create_dir(folder.join("tmp")).unwrap();

    // The file cannot be given its name.
    let shard = folder.join(Timestamp::now().strftime("%Y-%m-%d").to_string());
    fs::write(&shard, "").unwrap();
    let error = quarantine
        .store(&failing, message("fails"))
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::File { .. }), "{error}");
    fs::remove_file(&shard).unwrap();
    fails_never_wrote(&folder);

    // The row cannot be written.
    let db = database(dir.path()).await;
    let trigger =
        "CREATE TRIGGER full BEFORE INSERT ON hits BEGIN SELECT RAISE(ABORT, 'full'); END";
    sqlx::query(trigger).execute(&db).await.unwrap();
    fails().await;
    sqlx::query("DROP TRIGGER full").execute(&db).await.unwrap();

    quarantine.store(&failing, message("fails")).await.unwrap();
    assert_eq!(
        quarantine.read(&failing.id).await.unwrap(),
        message("fails")
    );
}

fn fails_never_wrote(folder: &Path) {
    assert_eq!(fs::read_dir(folder.join("tmp")).unwrap().count(), 0);
}

/// A file system of one mebibyte, taken away again at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<SmallDisk> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"])
            .arg(at)
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|s| s.success())
            .then(|| SmallDisk(at.to_path_buf()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_tears_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(dir.path()) else {
        println!("skipped: a small file system cannot be mounted here");
        return;
    };
    let quarantine = open(dir.path()).await;
    let mut stored = Vec::new();
    let mut refused = Vec::new();
    // Smaller and smaller, so that the file is refused sometimes and the index at other times.
    for size in [40_000, 9_000, 3_000, 500] {
        for _ in 0..200 {
            let entry = entry("x");
            let raw = Bytes::from(format!("Subject: {}\r\n\r\n{}", entry.id, "x".repeat(size)));
            match quarantine.store(&entry, raw.clone()).await {
                Ok(()) => stored.push((entry.id, raw)),
                Err(_) => {
                    refused.push(entry.id);
                    break;
                }
            }
        }
    }
    assert!(stored.len() > 5, "{}", stored.len());
    assert_eq!(refused.len(), 4);
    let check = async |quarantine: &Quarantine| {
        for (id, raw) in &stored {
            assert_eq!(&quarantine.read(id).await.unwrap(), raw);
        }
        let listed: BTreeSet<_> = ids(quarantine, &Filter::default())
            .await
            .into_iter()
            .collect();
        let wanted: BTreeSet<_> = stored.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(listed, wanted);
        assert_eq!(files(dir.path()).len(), stored.len());
    };
    check(&quarantine).await;
    quarantine.close().await;
    drop(quarantine);
    check(open(dir.path()).await.as_ref()).await;
}

#[tokio::test]
async fn retries_of_a_client_are_kept_once_and_found_by_every_id() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let first = entry("same");
    quarantine.store(&first, message("same")).await.unwrap();
    quarantine.store(&first, message("same")).await.unwrap();
    assert_eq!(
        quarantine.get(&first.id).await.unwrap().seen,
        1,
        "the same id is no retry"
    );
    let conflict = quarantine.store(&first, message("other")).await;
    assert!(matches!(conflict, Err(QuarantineError::Conflict(_))));
    assert_eq!(quarantine.read(&first.id).await.unwrap(), message("same"));

    let retry = entry("same");
    quarantine.store(&retry, message("same")).await.unwrap();
    let record = quarantine.get(&retry.id).await.unwrap();
    assert_eq!(
        (record.entry.id.as_str(), record.seen),
        (first.id.as_str(), 2)
    );
    assert_eq!(quarantine.read(&retry.id).await.unwrap(), message("same"));
    assert_eq!(files(dir.path()).len(), 1);

    // Another recipient, another day, a message that is on its way out: no retries.
    let mut other = entry("same");
    other.recipients = vec![Address::new(b"<other@example.org>")];
    quarantine.store(&other, message("same")).await.unwrap();
    let late = entry_at(
        Timestamp::from_millisecond(first.received.as_millisecond() + 86_400_001).unwrap(),
        "same",
    );
    quarantine.store(&late, message("same")).await.unwrap();
    assert_eq!(files(dir.path()).len(), 3);

    // A retry of a message whose file somebody has taken away is stored.
    let file = files(dir.path())
        .into_iter()
        .find(|f| f.ends_with(&first.id))
        .unwrap();
    fs::remove_file(file).unwrap();
    let again = entry("same");
    quarantine.store(&again, message("same")).await.unwrap();
    assert_eq!(quarantine.read(&again.id).await.unwrap(), message("same"));
    assert_eq!(quarantine.get(&first.id).await.unwrap().state, State::Lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twins_at_one_time_are_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let quarantine = quarantine.clone();
        tasks.spawn(async move { quarantine.store(&entry("twin"), message("twin")).await });
    }
    while let Some(stored) = tasks.join_next().await {
        stored.unwrap().unwrap();
    }
    let records = quarantine.list(&Filter::default()).await.unwrap();
    assert_eq!((records.len(), records[0].seen), (1, 100));
    assert_eq!(files(dir.path()).len(), 1);
}

#[tokio::test]
async fn opening_repairs_what_a_crash_left() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    assert_eq!(quarantine.recovered(), &Default::default());
    let names = [
        "kept",
        "without row",
        "without file",
        "being removed",
        "damaged",
    ];
    let entries = names.map(entry);
    for entry in &entries {
        quarantine
            .store(entry, message(&entry.subject))
            .await
            .unwrap();
    }
    quarantine.close().await;
    drop(quarantine);
    let file = |i: usize| {
        let id = &entries[i].id;
        files(dir.path())
            .into_iter()
            .find(|f| f.ends_with(id))
            .unwrap()
    };
    let db = database(dir.path()).await;
    for (i, statement) in [
        (1, "DELETE FROM messages WHERE id = ?"),
        (3, "UPDATE messages SET state = 'deleting' WHERE id = ?"),
        (4, "DELETE FROM messages WHERE id = ?"),
    ] {
        sqlx::query(statement)
            .bind(&entries[i].id)
            .execute(&db)
            .await
            .unwrap();
    }
    db.close().await;
    let saved = fs::read(file(2)).unwrap();
    let lost = file(2);
    fs::remove_file(&lost).unwrap();
    let damaged = file(4);
    fs::write(&damaged, &saved[..saved.len() - 1]).unwrap();
    let folder = dir.path().join("quarantine");
    fs::write(folder.join("tmp/half"), "half").unwrap();
    symlink("/etc", folder.join("2020-01-01")).unwrap();

    let quarantine = open(dir.path()).await;
    let recovered = quarantine.recovered().clone();
    assert_eq!(recovered.temporary, 1);
    assert_eq!(recovered.entered, [entries[1].id.clone()]);
    assert_eq!(recovered.deleted, 1);
    assert_eq!(recovered.lost, [entries[2].id.clone()]);
    assert_eq!(recovered.foreign, 2);
    assert_eq!(
        quarantine.read(&entries[0].id).await.unwrap(),
        message("kept")
    );
    let entered = quarantine.get(&entries[1].id).await.unwrap();
    assert_eq!(
        (entered.entry.subject.as_str(), entered.state),
        ("without row", State::Held)
    );
    assert!(matches!(
        quarantine.read(&entries[2].id).await,
        Err(QuarantineError::Lost(_))
    ));
    assert!(matches!(
        quarantine.get(&entries[3].id).await,
        Err(QuarantineError::NotFound(_))
    ));
    assert!(
        !files(dir.path())
            .iter()
            .any(|f| f.ends_with(&entries[3].id))
    );
    assert!(damaged.exists(), "a damaged file is evidence");
    drop(quarantine);

    fs::write(&lost, saved).unwrap();
    let quarantine = open(dir.path()).await;
    assert_eq!(quarantine.recovered().found, 1);
    assert_eq!(
        quarantine.read(&entries[2].id).await.unwrap(),
        message("without file")
    );
}

#[tokio::test]
async fn the_index_can_be_built_anew_from_the_files_and_damage_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let entries = ["a", "b"].map(entry);
    for entry in &entries {
        quarantine
            .store(entry, message(&entry.subject))
            .await
            .unwrap();
    }
    let before = quarantine.list(&Filter::default()).await.unwrap();
    quarantine.close().await;
    drop(quarantine);
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _ = fs::remove_file(dir.path().join("quarantine").join(name));
    }
    let quarantine = open(dir.path()).await;
    assert_eq!(quarantine.recovered().entered.len(), 2);
    assert_eq!(quarantine.list(&Filter::default()).await.unwrap(), before);

    let path = files(dir.path())
        .into_iter()
        .find(|f| f.ends_with(&entries[0].id))
        .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let read = quarantine.read(&entries[0].id).await;
    assert!(
        matches!(read, Err(QuarantineError::Damaged { .. })),
        "{read:?}"
    );
}

#[tokio::test]
async fn an_index_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).await.close().await;
    let db = database(dir.path()).await;
    sqlx::query("PRAGMA user_version = 99")
        .execute(&db)
        .await
        .unwrap();
    db.close().await;
    let error = attach(dir.path()).await.unwrap_err();
    assert!(
        matches!(error, QuarantineError::Version { found: 99, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn lists_are_filtered_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let start = Timestamp::now().as_millisecond();
    let at = |i: i64| Timestamp::from_millisecond(start + i).unwrap();
    let mut stored = Vec::new();
    for (i, (sender, recipients, subject, rule)) in [
        (
            "<Anna@example.net>",
            &["<x@example.org>"][..],
            "Grüße, 100% frei",
            "RULE_A",
        ),
        (
            "<bob@example.com>",
            &["<x@example.org>", "<Y@Example.org>"],
            "ÜBERWEISUNG_1",
            "RULE_B",
        ),
        ("<>", &["<z@example.org>"], "Übergabe", "RULE_AB"),
    ]
    .into_iter()
    .enumerate()
    {
        let envelope = envelope(sender, recipients);
        let id = Ulid::new().to_string();
        let entry = Entry::new(&id, at(i as i64), &envelope, subject, &verdict(rule), 0);
        quarantine.store(&entry, message(subject)).await.unwrap();
        stored.push(id);
    }
    let text = |t: &str| Some(t.to_owned());
    let all = Filter::default();
    for (filter, expected) in [
        (all.clone(), &[2, 1, 0][..]),
        (
            Filter {
                sender: text("ANNA@"),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                recipient: text("y@example"),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                recipient: text("x@example"),
                ..all.clone()
            },
            &[1, 0],
        ),
        (
            Filter {
                subject: text("über"),
                ..all.clone()
            },
            &[2, 1],
        ),
        (
            Filter {
                subject: text("%"),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                subject: text("_"),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                rule: text("RULE_A"),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                since: Some(at(1)),
                ..all.clone()
            },
            &[2, 1],
        ),
        (
            Filter {
                until: Some(at(1)),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                state: Some(State::Held),
                limit: Some(1),
                offset: 1,
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                state: Some(State::Released),
                ..all.clone()
            },
            &[],
        ),
        (
            Filter {
                sender: text("' OR 1=1 --"),
                ..all.clone()
            },
            &[],
        ),
    ] {
        let wanted: Vec<_> = expected.iter().map(|i| stored[*i].clone()).collect();
        assert_eq!(ids(&quarantine, &filter).await, wanted, "{filter:?}");
    }
}

#[tokio::test]
async fn deleted_messages_are_gone_and_stay_gone() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let entry = entry("a");
    quarantine.store(&entry, message("a")).await.unwrap();
    attach(dir.path())
        .await
        .unwrap()
        .delete(&entry.id)
        .await
        .unwrap();
    assert!(matches!(
        quarantine.read(&entry.id).await,
        Err(QuarantineError::NotFound(_))
    ));
    assert!(matches!(
        quarantine.delete(&entry.id).await,
        Err(QuarantineError::NotFound(_))
    ));
    assert_eq!(quarantine.stats().await.unwrap(), Default::default());
    drop(quarantine);
    let quarantine = open(dir.path()).await;
    assert_eq!(quarantine.recovered(), &Default::default());
    assert!(ids(&quarantine, &Filter::default()).await.is_empty());
}

#[tokio::test]
async fn the_oldest_go_by_age_number_and_bytes() {
    let now = Timestamp::now();
    let days_ago =
        |d: i64| Timestamp::from_millisecond(now.as_millisecond() - d * 86_400_000).unwrap();
    let size = message("0").len() as u64;
    let mut by_number = options("retention: { age: 300d, messages: 2 }");
    let by_age = options("retention: { age: 29d }");
    let mut by_bytes = options("retention: { age: 300d }");
    by_bytes.retention.bytes.value = ByteSize(2 * size + 1);
    for (options, kept) in [(&by_age, 1), (&by_number, 2), (&by_bytes, 2)] {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = open_with(dir.path(), options).await;
        for (i, days) in [40, 30, 30, 1].into_iter().enumerate() {
            let name = i.to_string();
            quarantine
                .store(&entry_at(days_ago(days), &name), message(&name))
                .await
                .unwrap();
        }
        let expired = quarantine.expire(now).await.unwrap();
        assert_eq!((expired.messages, expired.clock_jumped), (4 - kept, false));
        let left = quarantine.list(&Filter::default()).await.unwrap();
        let left: Vec<&str> = left.iter().map(|r| r.entry.subject.as_str()).collect();
        assert_eq!(left, ["3", "2"][..kept]);
        assert_eq!(files(dir.path()).len(), kept);
        assert_eq!(quarantine.stats().await.unwrap().bytes, kept as u64 * size);
    }

    // Past a bound, the housekeeping comes by itself; it ends when it is told to.
    by_number.retention.messages.value = 1;
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open_with(dir.path(), &by_number).await;
    for name in ["a", "b", "c"] {
        quarantine.store(&entry(name), message(name)).await.unwrap();
    }
    let stop = CancellationToken::new();
    stop.cancel();
    quarantine.clone().keep_house(stop).await;
    assert_eq!(quarantine.stats().await.unwrap().messages, 1);
}

#[tokio::test]
async fn a_clock_that_jumps_removes_nothing() {
    const DAY: i64 = 86_400_000;
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    quarantine.store(&entry("a"), message("a")).await.unwrap();
    let start = Timestamp::now().as_millisecond();
    let expire = async |days: f64| {
        let now = start + (days * DAY as f64) as i64;
        let now = Timestamp::from_millisecond(now).unwrap();
        let expired = quarantine.expire(now).await.unwrap();
        (expired.messages, expired.clock_jumped)
    };
    assert_eq!(expire(0.1).await, (0, false));
    // Twelve years ahead, and on from there for less than a day.
    assert_eq!(expire(4_000.0).await, (0, true));
    assert_eq!(expire(4_000.5).await, (0, true));
    // Back: a jump like any other.
    assert_eq!(expire(0.2).await, (0, true));
    assert_eq!(expire(1.3).await, (0, false));
    // Ahead for good.
    assert_eq!(expire(40.0).await, (0, true));
    assert_eq!(expire(40.9).await, (0, true));
    assert_eq!(expire(41.1).await, (1, false));

    quarantine.store(&entry("b"), message("b")).await.unwrap();
    let far = Timestamp::from_millisecond(start + 4_000 * DAY).unwrap();
    let expired = quarantine.expire_trusting_clock(far).await.unwrap();
    assert_eq!(expired.messages, 1);
}

/// Not a test of its own: the process that is killed. Stores and deletes as fast as it can and says what
/// was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn child_works_until_it_is_killed() {
    let Some(dir) = std::env::var_os("MAILWEIR_TEST_KILL_DIR") else {
        return;
    };
    let quarantine = open(Path::new(&dir)).await;
    let say = |line: String| std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4_usize {
        let quarantine = quarantine.clone();
        tasks.spawn(async move {
            for i in 0.. {
                let entry = entry("killed");
                let raw = Bytes::from(entry.id.repeat(1 + (i * 37 + task) % 2_000));
                let hash = blake3::hash(&raw);
                quarantine.store(&entry, raw).await.unwrap();
                say(format!("\nstored {} {hash}\n", entry.id));
                if i % 3 == 0 {
                    say(format!("\ndeleting {}\n", entry.id));
                    quarantine.delete(&entry.id).await.unwrap();
                    say(format!("\ndeleted {}\n", entry.id));
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

#[tokio::test]
async fn kill_9_at_any_moment_loses_nothing_and_leaves_nothing_half() {
    let dir = tempfile::tempdir().unwrap();
    let mut stored: BTreeMap<String, String> = BTreeMap::new();
    let (mut deleting, mut deleted) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_works_until_it_is_killed", "--nocapture"])
            .env("MAILWEIR_TEST_KILL_DIR", dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The moment is chance: so many lines, and wherever the child is by then.
        let enough = 20 + (Ulid::new().0 % 200) as usize;
        for _ in 0..enough {
            take(
                &lines.next().expect("the child works on").unwrap(),
                &mut stored,
                &mut deleting,
                &mut deleted,
            );
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            take(&line, &mut stored, &mut deleting, &mut deleted);
        }

        let quarantine = open(dir.path()).await;
        let listed: BTreeSet<String> = ids(&quarantine, &Filter::default())
            .await
            .into_iter()
            .collect();
        for (id, hash) in &stored {
            if !deleting.contains(id) {
                let raw = quarantine.read(id).await.unwrap();
                assert_eq!(&blake3::hash(&raw).to_string(), hash, "{id}");
            }
            assert!(
                !(deleted.contains(id) && listed.contains(id)),
                "{id} came back"
            );
        }
        let named: BTreeSet<String> = files(dir.path())
            .iter()
            .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(named, listed, "files and index agree");
        assert!(quarantine.recovered().lost.is_empty());
        quarantine.close().await;
    }
    assert!(stored.len() > 50, "{}", stored.len());
}

fn take(
    line: &str,
    stored: &mut BTreeMap<String, String>,
    deleting: &mut BTreeSet<String>,
    deleted: &mut BTreeSet<String>,
) {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["stored", id, hash] if hash.len() == 64 => {
            stored.insert(id.to_owned(), hash.to_owned());
        }
        ["deleting", id] => {
            deleting.insert(id.to_owned());
        }
        ["deleted", id] if id.len() == 26 => {
            deleted.insert(id.to_owned());
        }
        _ => {}
    }
}

/// A measurement: `cargo test --release --test quarantine_store -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a test"]
async fn how_long_storing_and_listing_take() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    for (sessions, messages) in [(1, 300), (8, 1_200), (32, 2_400)] {
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..sessions {
            let quarantine = quarantine.clone();
            tasks.spawn(async move {
                let mut waits = Vec::new();
                for _ in 0..messages / sessions {
                    let entry = entry("measured");
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
    let db = database(dir.path()).await;
    let copies = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
        INSERT INTO messages SELECT printf('%026d', i), received - i, last_seen - i, 1, state, NULL, size,
            randomblob(32), sender, subject || i, entry
        FROM n, (SELECT * FROM messages LIMIT 1)";
    sqlx::query(copies).execute(&db).await.unwrap();
    let page = Filter {
        limit: Some(50),
        ..Filter::default()
    };
    for (what, filter) in [
        ("the newest 50 of 100,000", page.clone()),
        (
            "50 by a part of the subject that one has",
            Filter {
                subject: Some("measured77777".to_owned()),
                ..page
            },
        ),
    ] {
        let began = Instant::now();
        quarantine.list(&filter).await.unwrap();
        println!("{what}: {:?}", began.elapsed());
    }
    let began = Instant::now();
    quarantine.stats().await.unwrap();
    println!("stats of 100,000: {:?}", began.elapsed());
}

/// Not a test of its own: the process whose system calls are watched.
#[tokio::test]
async fn child_stores_one() {
    let Some(dir) = std::env::var_os("MAILWEIR_TEST_TRACE_DIR") else {
        return;
    };
    let quarantine = open(Path::new(&dir)).await;
    // The first of its day may find its folder made; the second always does.
    for name in ["first", "second"] {
        let entry = entry(name);
        quarantine.store(&entry, message(name)).await.unwrap();
        let line = format!("acknowledged {}\n", entry.id);
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn file_name_folder_and_index_are_durable_in_this_order_before_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let traced = Command::new("strace")
        .args(["-f", "-y", "-s", "200", "-o"])
        .arg(&trace)
        .args([
            "-e",
            "trace=write,fsync,fdatasync,rename,renameat,renameat2",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_stores_one", "--nocapture"])
        .env("MAILWEIR_TEST_TRACE_DIR", dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .output();
    let traced = match traced {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        _ => {
            println!("skipped: system calls cannot be watched here");
            return;
        }
    };
    let calls = fs::read_to_string(&trace).unwrap();
    let ids: Vec<&str> = traced
        .lines()
        .filter_map(|l| l.split_once("acknowledged ").map(|(_, id)| id.trim()))
        .collect();
    assert_eq!(ids.len(), 2, "{traced}");
    for (i, id) in ids.into_iter().enumerate() {
        let day = Timestamp::from_millisecond(Ulid::from_string(id).unwrap().timestamp_ms() as i64);
        let day = day.unwrap().strftime("%Y-%m-%d").to_string();
        let mut steps = vec![
            ("fsync(", format!("/quarantine/tmp/{id}.")),
            ("rename", format!("/quarantine/{day}/{id}\"")),
            ("fsync(", format!("/quarantine/{day}>")),
            ("sync(", "/quarantine/index.sqlite-wal>".to_owned()),
            ("write(1<", format!("acknowledged {id}")),
        ];
        if i == 0 {
            steps.insert(1, ("fsync(", "/quarantine>".to_owned()));
        }
        let mut rest = calls
            .lines()
            .skip_while(|l| !l.contains(&format!("/tmp/{id}.")));
        for (call, what) in &steps {
            assert!(
                rest.any(|l| l.contains(call) && l.contains(what)),
                "{call} {what} is missing, or comes too early, in\n{calls}"
            );
        }
    }
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: QuarantineArgs,
}

#[tokio::test]
async fn commands_work_beside_the_daemon_and_tell_success_from_failure() {
    let dir = tempfile::tempdir().unwrap();
    let settings = QuarantineSettings {
        options: Options::default(),
        data_dir: dir.path().to_path_buf(),
    };
    let parse = |line: &str| Line::try_parse_from(format!("q {line}").split(' '));
    let code = async |line: &str| {
        let code = run(parse(line).unwrap().args, &settings).await?;
        anyhow::Ok(format!("{code:?}"))
    };
    let success = format!("{:?}", ExitCode::SUCCESS);
    let failure = format!("{:?}", ExitCode::FAILURE);
    assert!(code("list").await.is_err(), "there is no quarantine yet");

    let quarantine = open(dir.path()).await;
    let entries = ["one", "two", "three"].map(entry);
    for entry in &entries {
        quarantine
            .store(entry, message(&entry.subject))
            .await
            .unwrap();
    }
    let [one, two, three] = entries.map(|e| e.id);
    for line in [
        "list --json",
        "list --subject one --since 1h --limit 1",
        &format!("show {one} {two}"),
        &format!("show --json {one}"),
        &format!("show --headers {one}"),
        &format!("delete --dry-run {one}"),
        &format!("delete {}", one.to_lowercase()),
        "delete --matching --subject TWO",
        "expire",
    ] {
        assert_eq!(code(line).await.unwrap(), success, "{line}");
    }
    assert_eq!(
        ids(&quarantine, &Filter::default()).await,
        std::slice::from_ref(&three)
    );
    assert_eq!(code(&format!("show {one} {three}")).await.unwrap(), failure);
    assert_eq!(
        code(&format!("delete {one} {three}")).await.unwrap(),
        failure
    );
    assert!(
        ids(&quarantine, &Filter::default()).await.is_empty(),
        "failures do not stop the rest"
    );
    assert!(code("delete --matching").await.is_err());
    assert!(code(&format!("delete {one} --subject x")).await.is_err());
    for bad in [
        "delete",
        "show",
        "list --since yesterday",
        "release --matching X",
        "list --state new",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
