//! A message is stored durably or not at all, once, by nobody but us, and comes back as it was.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use mailweir::mail::Address;
use mailweir::metrics::Metrics;
use mailweir::quarantine::{Entry, Filter, Options, Quarantine, QuarantineError, State};
use ulid::Ulid;

use crate::fixture::*;

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
    // Folder, tmp, day, message with its head, two locks, index with its two companions.
    assert_eq!(seen, 10);
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
