//! What is in the quarantine can be found and removed, by people and by the bounds of retention.

use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;
use mailweir::cli::quarantine::{QuarantineArgs, QuarantineSettings, run};
use mailweir::config::ByteSize;
use mailweir::mail::Address;
use mailweir::quarantine::{Entry, Filter, Options, QuarantineError, State};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use crate::fixture::*;

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
async fn what_cannot_be_removed_does_not_cost_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let options = options("retention: { age: 300d, messages: 3 }");
    let quarantine = open_with(dir.path(), &options).await;
    let now = Timestamp::now().as_millisecond();
    let mut entries = Vec::new();
    for (i, name) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        let at = Timestamp::from_millisecond(now - 60_000 + 1_000 * i as i64).unwrap();
        let entry = entry_at(at, name);
        quarantine.store(&entry, message(name)).await.unwrap();
        entries.push(entry);
    }
    let (old, new) = entries.split_at(3);
    // A folder in the place of a file is not removed like one, whoever asks.
    for entry in old {
        let is_its = |path: &&std::path::PathBuf| path.ends_with(&entry.id);
        let head = files(dir.path()).iter().find(is_its).unwrap().clone();
        let message = head.with_extension("eml");
        std::fs::remove_file(&message).unwrap();
        std::fs::create_dir(message).unwrap();
    }
    for _ in 0..2 {
        assert!(quarantine.expire(Timestamp::now()).await.is_err());
        let held = Filter {
            state: Some(State::Held),
            ..Filter::default()
        };
        let mut left = ids(&quarantine, &held).await;
        left.reverse();
        let kept: Vec<&String> = new.iter().map(|entry| &entry.id).collect();
        assert_eq!(left.iter().collect::<Vec<_>>(), kept);
    }
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

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: QuarantineArgs,
}

#[tokio::test]
async fn commands_work_beside_the_daemon_and_tell_success_from_failure() {
    let dir = tempfile::tempdir().unwrap();
    let settings = QuarantineSettings {
        model: dir.path().join("model.mwb"),
        engine: mailweir::filter::bayes::EngineKind::Osb,
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
                subject: Some(subject.to_owned()),
                ..Filter::default()
            },
        )
        .await;
        assert_eq!(left.len() == 1, kept, "{subject}");
    }
}
