//! A crash at any moment loses nothing that was acknowledged and leaves nothing half.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use jiff::Timestamp;
use mailweir::mail::Address;
use mailweir::quarantine::{Filter, Quarantine, QuarantineError, State};
use ulid::Ulid;

use crate::fixture::*;

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
    let entries = stored(&quarantine, names).await;
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
    let entries = stored(&quarantine, ["a", "b"]).await;
    let before = quarantine.list(&Filter::default()).await.unwrap();
    quarantine.close().await;
    drop(quarantine);
    remove_index(dir.path());
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
                let mut entry = entry("killed");
                entry.recipients = vec![Address::new(entry.id.as_bytes())];
                // Some are copies of one another.
                let raw = match i % 4 {
                    1 => Bytes::from("the same for all of them".repeat(1 + i % 7)),
                    _ => Bytes::from(entry.id.repeat(1 + (i * 37 + task) % 2_000)),
                };
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
    let mut said = Said::default();
    for _ in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "crash::child_works_until_it_is_killed",
                "--nocapture",
            ])
            .env("MAILWEIR_TEST_KILL_DIR", dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The moment is chance: so many lines, and wherever the child is by then.
        let enough = 20 + (Ulid::new().0 % 200) as usize;
        for _ in 0..enough {
            said.take(&lines.next().expect("the child works on").unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            said.take(&line);
        }

        let quarantine = open(dir.path()).await;
        let listed = said.check(&quarantine).await;
        let named: BTreeSet<String> = files(dir.path())
            .iter()
            .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(named, listed, "files and index agree");
        quarantine.close().await;
    }
    assert!(said.stored.len() > 50, "{}", said.stored.len());
}

/// What a process has said that it did before it was killed.
#[derive(Default)]
pub(crate) struct Said {
    stored: BTreeMap<String, String>,
    deleting: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

impl Said {
    pub(crate) fn take(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["stored", id, hash] if hash.len() == 64 => {
                self.stored.insert(id.to_owned(), hash.to_owned());
            }
            ["deleting", id] => {
                self.deleting.insert(id.to_owned());
            }
            ["deleted", id] if id.len() == 26 => {
                self.deleted.insert(id.to_owned());
            }
            _ => {}
        }
    }

    /// What was stored is there, byte for byte, and what was deleted is not; gives the ids of all messages.
    pub(crate) async fn check(&self, quarantine: &Quarantine) -> BTreeSet<String> {
        let listed: BTreeSet<String> = ids(quarantine, &Filter::default())
            .await
            .into_iter()
            .collect();
        for (id, hash) in &self.stored {
            if !self.deleting.contains(id) {
                let raw = quarantine.read(id).await.unwrap();
                assert_eq!(&blake3::hash(&raw).to_string(), hash, "{id}");
            }
            assert!(
                !(self.deleted.contains(id) && listed.contains(id)),
                "{id} came back"
            );
        }
        assert!(quarantine.recovered().lost.is_empty());
        listed
    }
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
        .args(["--exact", "crash::child_stores_one", "--nocapture"])
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
            ("fsync(", format!("/quarantine/tmp/{id}.")),
            ("rename", format!("/quarantine/{day}/{id}.eml\"")),
            ("rename", format!("/quarantine/{day}/{id}\"")),
            ("fsync(", format!("/quarantine/{day}>")),
            ("sync(", "/quarantine/index.sqlite-wal>".to_owned()),
            ("write(1<", format!("acknowledged {id}")),
        ];
        if i == 0 {
            steps.insert(2, ("fsync(", "/quarantine>".to_owned()));
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
