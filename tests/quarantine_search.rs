//! What is held can be found by everything that is known of it, page by page; copies share one file; an older
//! quarantine is taken over as it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod quarantine;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use jiff::Timestamp;
use mailweir::filter::{Action, Reason};
use mailweir::mail::Address;
use mailweir::quarantine::{Cursor, Entry, Filter, Order, PAGE, QuarantineError, Sort, State};
use mailweir::verdict::{DecidedBy, Decision};
use ulid::Ulid;

use quarantine::*;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn messages_are_found_by_everything_that_is_known_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let now = Timestamp::now();
    let mut ids = Vec::new();
    for (number, (client, sender, to, subject, decided_by, action, policy)) in [
        (
            "192.0.2.7",
            "<a@Mail.Example.NET>",
            "<x@one.example>",
            "Invoice for ÄPFEL and pears",
            DecidedBy::Score(8.0),
            Action::Quarantine,
            "default",
        ),
        (
            "2001:db8::9",
            "<>",
            "<y@two.example>",
            "pears only",
            DecidedBy::Hit {
                filter: "clamav",
                rule: "VIRUS_FOUND".into(),
            },
            Action::Discard,
            "strict",
        ),
        (
            "192.0.3.7",
            "<b@other.example>",
            "<z@sub.one.example>",
            "Äpfel%_",
            DecidedBy::Failure {
                filter: "clamav",
                reason: Reason::Timeout,
            },
            Action::Reject,
            "strict-er",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut envelope = envelope(sender, &[to]);
        envelope.client.addr = Some(client.parse().unwrap());
        let mut verdict = verdict("RULE_A");
        verdict.decided_by = decided_by;
        verdict.action = action;
        verdict.score = number as f64 * 10.0;
        verdict.policy = Some(Decision {
            policy: policy.into(),
            listed: None,
        });
        let id = Ulid::new().to_string();
        let at = Timestamp::from_millisecond(now.as_millisecond() + number as i64).unwrap();
        let entry = Entry::new(&id, at, &envelope, subject, &verdict, 0);
        let raw = "x".repeat(1_000 * (number + 1));
        quarantine.store(&entry, raw.into()).await.unwrap();
        ids.push(id);
    }
    let all = Filter::default();
    let cases: Vec<(Filter, &[usize])> = vec![
        (
            Filter {
                domain: text("example.net"),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                domain: text("MAIL.example.net"),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                domain: text("ample.net"),
                ..all.clone()
            },
            &[],
        ),
        (
            Filter {
                domain: text("one.example"),
                ..all.clone()
            },
            &[2, 0],
        ),
        (
            Filter {
                subject: text("pears invoice"),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                subject: text("  äpfel "),
                ..all.clone()
            },
            &[2, 0],
        ),
        (
            Filter {
                subject: text("%"),
                ..all.clone()
            },
            &[2],
        ),
        (
            Filter {
                client: Some("192.0.2.0/23".parse().unwrap()),
                ..all.clone()
            },
            &[2, 0],
        ),
        (
            Filter {
                client: Some("192.0.2.7/32".parse().unwrap()),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                client: Some("2001:db8::/32".parse().unwrap()),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                client: Some("0.0.0.0/0".parse().unwrap()),
                ..all.clone()
            },
            &[2, 0],
        ),
        (
            Filter {
                reason: text("score"),
                ..all.clone()
            },
            &[0],
        ),
        (
            Filter {
                reason: text("CLAMAV"),
                ..all.clone()
            },
            &[2, 1],
        ),
        (
            Filter {
                reason: text("hit clamav virus_found"),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                reason: text("timeout"),
                ..all.clone()
            },
            &[2],
        ),
        (
            Filter {
                verdict: Some(Action::Discard),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                policy: text("strict"),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                larger: Some(2_000),
                ..all.clone()
            },
            &[2, 1],
        ),
        (
            Filter {
                smaller: Some(2_000),
                ..all.clone()
            },
            &[1, 0],
        ),
        (
            Filter {
                larger: Some(1_500),
                smaller: Some(2_500),
                ..all.clone()
            },
            &[1],
        ),
        (
            Filter {
                sender: text("@"),
                recipient: text("z@"),
                ..all.clone()
            },
            &[2],
        ),
    ];
    for (filter, expected) in cases {
        let wanted: Vec<&String> = expected.iter().map(|i| &ids[*i]).collect();
        let page = quarantine
            .search(&filter, Order::default(), None, 10)
            .await
            .unwrap();
        let found: Vec<&String> = page.records.iter().map(|r| &r.entry.id).collect();
        assert_eq!(found, wanted, "{filter:?}");
        assert_eq!(
            quarantine.matching(&filter).await.unwrap(),
            wanted.len() as u64
        );
    }
    for (by, descending, expected) in [
        (Sort::Score, true, [2, 1, 0]),
        (Sort::Size, false, [0, 1, 2]),
        (Sort::Sender, false, [1, 0, 2]),
        (Sort::Subject, true, [2, 1, 0]),
    ] {
        let order = Order { by, descending };
        let page = quarantine.search(&all, order, None, 10).await.unwrap();
        let found: Vec<&String> = page.records.iter().map(|r| &r.entry.id).collect();
        assert_eq!(found, expected.map(|i| &ids[i]), "{by}");
    }
}

#[tokio::test]
async fn pages_go_on_where_they_ended_whatever_comes_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let now = Timestamp::now();
    let mut stored = BTreeSet::new();
    for number in 0..23_i64 {
        // Several at one time, with one subject: the id alone tells them apart.
        let at = Timestamp::from_millisecond(now.as_millisecond() + number / 5).unwrap();
        let entry = entry_at(at, &format!("subject {}", number / 7));
        let raw = format!(
            "Subject: {number}\r\n\r\n{}",
            "x".repeat(number as usize / 3)
        );
        quarantine.store(&entry, raw.into()).await.unwrap();
        stored.insert(entry.id);
    }
    let all = Filter::default();
    for by in Sort::ALL {
        for descending in [true, false] {
            let order = Order { by, descending };
            let mut seen = Vec::new();
            let mut after: Option<Cursor> = None;
            loop {
                let page = quarantine
                    .search(&all, order, after.as_ref(), 5)
                    .await
                    .unwrap();
                assert!(page.records.len() <= 5);
                seen.extend(page.records.into_iter().map(|r| r.entry.id));
                // As it goes through the address of a page.
                after = page.next.map(|c| c.to_string().parse().unwrap());
                if after.is_none() {
                    break;
                }
            }
            let each: BTreeSet<String> = seen.iter().cloned().collect();
            assert_eq!((seen.len(), &each), (23, &stored), "{order:?}");
        }
    }

    // What is removed and stored between two pages moves nothing.
    let first = quarantine
        .search(&all, Order::default(), None, 5)
        .await
        .unwrap();
    let whole = ids(&quarantine, &all).await;
    let last = &first.records[4].entry.id;
    quarantine.delete(last).await.unwrap();
    quarantine
        .store(&entry("new"), message("new"))
        .await
        .unwrap();
    let second = quarantine
        .search(&all, Order::default(), first.next.as_ref(), 5)
        .await
        .unwrap();
    let found: Vec<String> = second.records.into_iter().map(|r| r.entry.id).collect();
    assert_eq!(found, whole[5..10]);

    let other = Order {
        by: Sort::Size,
        descending: true,
    };
    let error = quarantine
        .search(&all, other, first.next.as_ref(), 5)
        .await
        .unwrap_err();
    assert!(matches!(error, QuarantineError::Cursor), "{error}");
    let most = quarantine
        .search(&all, other, None, u32::MAX)
        .await
        .unwrap();
    assert!(most.records.len() <= PAGE as usize);
}

#[tokio::test]
async fn a_choice_is_bounded_and_says_how_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    for number in 0..4 {
        let name = format!("wanted {number}");
        quarantine
            .store(&entry(&name), message(&name))
            .await
            .unwrap();
    }
    quarantine
        .store(&entry("other"), message("other"))
        .await
        .unwrap();
    let filter = Filter {
        subject: text("wanted"),
        ..Filter::default()
    };
    assert_eq!(quarantine.choose(&filter, 4).await.unwrap().len(), 4);
    let error = quarantine.choose(&filter, 3).await.unwrap_err();
    assert!(
        matches!(error, QuarantineError::TooMany { found: 4, most: 3 }),
        "{error}"
    );
}

/// Files with the bytes of messages.
fn messages(dir: &std::path::Path) -> Vec<PathBuf> {
    files(dir)
        .iter()
        .map(|head| head.with_extension("eml"))
        .collect()
}

#[tokio::test]
async fn copies_share_one_file_and_removing_one_leaves_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let mut entries = Vec::new();
    for number in 0..3 {
        let mut entry = entry("same");
        entry.recipients = vec![Address::new(format!("<r{number}@example.org>").as_bytes())];
        quarantine.store(&entry, message("same")).await.unwrap();
        entries.push(entry);
    }
    quarantine
        .store(&entry("other"), message("other"))
        .await
        .unwrap();
    let inodes = || {
        let inode = |path: &PathBuf| fs::metadata(path).unwrap().ino();
        messages(dir.path())
            .iter()
            .map(inode)
            .collect::<BTreeSet<u64>>()
            .len()
    };
    assert_eq!((messages(dir.path()).len(), inodes()), (4, 2));

    // A copy of a file that is not what it was any more is written anew.
    let first = messages(dir.path())
        .into_iter()
        .find(|p| p.file_stem().unwrap() == &*entries[0].id);
    let damaged = first.unwrap();
    let bytes = fs::read(&damaged).unwrap();
    fs::write(&damaged, "damaged").unwrap();
    let mut late = entry("same");
    late.recipients = vec![Address::new(b"<late@example.org>")];
    quarantine.store(&late, message("same")).await.unwrap();
    assert_eq!(quarantine.read(&late.id).await.unwrap(), message("same"));
    fs::write(&damaged, bytes).unwrap();

    quarantine.delete(&entries[0].id).await.unwrap();
    quarantine.delete(&entries[2].id).await.unwrap();
    assert_eq!(
        quarantine.read(&entries[1].id).await.unwrap(),
        message("same")
    );
    quarantine.delete(&entries[1].id).await.unwrap();
    assert_eq!(inodes(), 2);
    drop(quarantine);
    let quarantine = open(dir.path()).await;
    assert_eq!(quarantine.recovered(), &Default::default());
    assert_eq!(quarantine.read(&late.id).await.unwrap(), message("same"));
}

#[tokio::test]
async fn each_domain_has_its_own_age_and_the_longest_of_a_message_holds() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = "retention: { age: 10d, domains: { short.example: 2d, LONG.example: 30d } }";
    let quarantine = open_with(dir.path(), &options(yaml)).await;
    let now = Timestamp::now();
    let days_ago =
        |d: i64| Timestamp::from_millisecond(now.as_millisecond() - d * 86_400_000).unwrap();
    for (subject, days, to, kept) in [
        ("a", 1, &["<x@short.example>"][..], true),
        ("b", 3, &["<x@short.example>"], false),
        ("c", 3, &["<x@short.example>", "<y@default.example>"], true),
        ("d", 11, &["<y@default.example>"], false),
        ("e", 11, &["<z@long.example>", "<x@short.example>"], true),
        ("f", 31, &["<z@long.example>"], false),
        ("g", 11, &[], false),
        ("h", 3, &[], true),
    ] {
        let mut entry = entry_at(days_ago(days), subject);
        entry.recipients = to.iter().map(|r| Address::new(r.as_bytes())).collect();
        quarantine.store(&entry, message(subject)).await.unwrap();
        quarantine.expire(now).await.unwrap();
        let left = ids(
            &quarantine,
            &Filter {
                subject: text(subject),
                ..Filter::default()
            },
        )
        .await;
        assert_eq!(left.len() == 1, kept, "{subject}");
    }
}

#[tokio::test]
async fn a_quarantine_of_version_1_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let entries = ["held", "released", "releasing"].map(entry);
    for entry in &entries {
        quarantine
            .store(entry, message(&entry.subject))
            .await
            .unwrap();
    }
    quarantine.close().await;
    drop(quarantine);
    // Files and index as they were: the message behind its head, an index without the newer tables.
    for head in files(dir.path()) {
        let eml = head.with_extension("eml");
        let text = fs::read_to_string(&head).unwrap();
        let old = text.replacen("mailweir-quarantine 2 ", "mailweir-quarantine 1 ", 1);
        fs::write(&head, old + &fs::read_to_string(&eml).unwrap()).unwrap();
        fs::remove_file(&eml).unwrap();
    }
    let path = dir.path().join("quarantine/index.sqlite");
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _ = fs::remove_file(dir.path().join("quarantine").join(name));
    }
    fs::File::create(&path).unwrap();
    let db = database(dir.path()).await;
    let schema = include_str!("../src/quarantine/schema/1.sql");
    sqlx::raw_sql(schema).execute(&db).await.unwrap();
    sqlx::query("PRAGMA user_version = 1")
        .execute(&db)
        .await
        .unwrap();
    for entry in &entries {
        sqlx::query(
            "INSERT INTO messages VALUES (?1, ?2, ?2, 1, ?3, NULL, ?4, randomblob(32), 'spammer@example.net', ?3, ?5)",
        )
        .bind(&entry.id)
        .bind(entry.received.as_millisecond())
        .bind(&entry.subject)
        .bind(message(&entry.subject).len() as i64)
        .bind(serde_json::to_string(entry).unwrap())
        .execute(&db)
        .await
        .unwrap();
        sqlx::query("INSERT INTO recipients VALUES (?, 'victim@example.org')")
            .bind(&entry.id)
            .execute(&db)
            .await
            .unwrap();
    }
    db.close().await;

    let quarantine = open(dir.path()).await;
    assert_eq!(quarantine.recovered(), &Default::default());
    for (entry, state) in entries
        .iter()
        .zip([State::Held, State::Released, State::Releasing])
    {
        let record = quarantine.get(&entry.id).await.unwrap();
        assert_eq!(record.state, state);
        assert_eq!(
            quarantine.read(&entry.id).await.unwrap(),
            message(&entry.subject)
        );
        let deliveries = quarantine.deliveries(&entry.id).await.unwrap();
        assert_eq!(deliveries[0].state, state);
    }
    for filter in [
        Filter {
            domain: text("example.net"),
            ..Filter::default()
        },
        Filter {
            domain: text("example.org"),
            ..Filter::default()
        },
        Filter {
            reason: text("score"),
            ..Filter::default()
        },
        Filter {
            verdict: Some(Action::Quarantine),
            ..Filter::default()
        },
    ] {
        assert_eq!(quarantine.matching(&filter).await.unwrap(), 3, "{filter:?}");
    }
    // Nobody is told of what was held before there were digests.
    assert!(quarantine.untold().await.unwrap().is_empty());
    quarantine.delete(&entries[0].id).await.unwrap();
    assert_eq!(files(dir.path()).len(), 2);
}
