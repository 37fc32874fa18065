use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::transaction::tests::entry;
use super::*;
use crate::config::{ByteSize, Seconds, unwritten};
use crate::filter::Action;
use crate::mail::Direction;
use crate::store::Kept as _;

struct Kept {
    folder: TempDir,
    metrics: Arc<Metrics>,
    history: History,
    keeper: Keeper<HistoryFile>,
}

impl Kept {
    fn new() -> Kept {
        Kept::with(&Options::default())
    }

    fn with(options: &Options) -> Kept {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let (history, keeper) = History::open(folder.path(), options, metrics.clone());
        Kept {
            folder,
            metrics,
            history,
            keeper,
        }
    }

    /// Records and writes.
    async fn keep(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            self.history.record(entry, None);
        }
        while self.history.0.queue.len() > 0 {
            self.keeper.turn().await;
            assert_eq!(
                self.metrics.history_failures.get(),
                0,
                "{:?}",
                self.keeper.kept.work(false).await
            );
        }
    }

    async fn found(&self, query: Query) -> Vec<String> {
        let page = self.history.search(&query, None, 100).await.unwrap();
        page.entries.into_iter().map(|e| e.subject).collect()
    }
}

/// An entry of its own, so many minutes after a fixed time.
fn numbered(n: i64) -> Entry {
    let at = Timestamp::from_second(1_800_000_000 + n * 60).unwrap();
    Entry {
        id: ulid::Ulid::new().to_string(),
        at,
        subject: format!("number {n}"),
        ..entry()
    }
}

fn query(of: impl FnOnce(&mut Query)) -> Query {
    let mut query = Query::default();
    of(&mut query);
    query
}

#[tokio::test]
async fn what_is_recorded_is_found_by_each_field() {
    let mut kept = Kept::new();
    let mut one = numbered(1);
    one.subject = "Die RECHNUNG für Müller: größer, \"quoted\" 中文邮件".into();
    one.authenticated = Some("Anna".into());
    one.policy = Some("sales".into());
    one.quarantine = Some(one.id.clone());
    one.verdict = Action::Quarantine;
    one.refused = vec![Refused {
        recipient: "gone@here.example".into(),
        verdict: Action::Reject,
        rule: Some("DENIED".into()),
        answer: "550 5.7.1 no".into(),
    }];
    let mut other = numbered(2);
    other.client = Some("2001:db8:1:2::3".parse().unwrap());
    other.client_name = None;
    other.helo = Some("other.example.net".into());
    other.sender = Some("x@y.example".into());
    other.from = String::new();
    other.recipients = vec!["z@w.example".into()];
    other.outcomes.clear();
    other.message_id = "2@y".into();
    other.digest = None;
    other.queue_id = None;
    other.direction = Direction::Outbound;
    let subject = one.subject.clone();
    kept.keep([one.clone(), other]).await;
    let text = |q: &mut Query, text: &str| q.text = Some(text.into());
    let queries = [
        query(|q| q.id = Some(one.id.to_lowercase())),
        query(|q| q.address = Some("A@Sender.example".into())),
        query(|q| q.address = Some("b@here.example".into())),
        query(|q| q.address = Some("here.example".into())),
        query(|q| q.sender = Some("sender.example".into())),
        query(|q| q.sender = Some("@sender.example".into())),
        query(|q| q.recipient = Some("<b@here.example>".into())),
        query(|q| q.recipient = Some("gone@here.example".into())),
        query(|q| q.client = Some("192.0.2.7".into())),
        query(|q| q.client = Some("192.0.0.0/21".into())),
        query(|q| q.client = Some("192.0.2.4/30".into())),
        query(|q| q.client = Some("192.0.0.0/7".into())),
        query(|q| q.client = Some("128.0.0.0/1".into())),
        query(|q| q.client = Some("sender.example".into())),
        query(|q| q.subject = Some("rechnung MÜLLER".into())),
        query(|q| q.subject = Some("rech*".into())),
        query(|q| q.subject = Some("邮件".into())),
        query(|q| q.rules = vec!["subj_invoice".into()]),
        query(|q| q.rules = vec!["SUBJ_INVOICE".into(), "DENIED".into()]),
        query(|q| q.verdict = Some(Action::Quarantine)),
        query(|q| q.direction = Some(Direction::Inbound)),
        query(|q| q.policy = Some("sales".into())),
        query(|q| q.user = Some("anna".into())),
        query(|q| q.unscanned = Some("clamav".into())),
        query(|q| q.message_id = Some("<1@sender.example>".into())),
        query(|q| q.queue_id = Some("4xyz".into())),
        query(|q| q.digest.clone_from(&one.digest)),
        query(|q| q.quarantined = true),
        query(|q| q.to = Some(Timestamp::from_second(1_800_000_100).unwrap())),
        query(|q| text(q, "rechnung")),
        query(|q| {
            text(
                q,
                "a@sender.example 192.0.2.7 SUBJ_INVOICE mx.sender.example",
            )
        }),
        query(|q| text(q, &one.id)),
        query(|q| text(q, "here.example 4XyZ anna 1@sender.example")),
        query(|q| {
            q.rules = vec!["SUBJ_INVOICE".into()];
            q.id = Some(one.id.clone());
        }),
    ];
    for query in queries {
        assert_eq!(kept.found(query.clone()).await, [&*subject], "{query:?}");
    }
    let nothing = [
        query(|q| q.address = Some("er@sender.example".into())),
        query(|q| q.sender = Some("b@here.example".into())),
        query(|q| q.client = Some("192.0.2.8/30".into())),
        query(|q| q.client = Some("198.0.0.0/7".into())),
        query(|q| q.subject = Some("rechnungen".into())),
        query(|q| q.verdict = Some(Action::Discard)),
        query(|q| q.rules = vec!["SUBJ_INVOICE".into(), "OTHER".into()]),
        query(|q| q.text = Some("rechnung nirgends".into())),
        query(|q| q.id = Some("nonsense".into())),
        query(|q| {
            q.from = Some(Timestamp::from_second(1_800_000_061).unwrap());
            q.to = Some(Timestamp::from_second(1_800_000_100).unwrap());
        }),
    ];
    for query in nothing {
        assert!(kept.found(query.clone()).await.is_empty(), "{query:?}");
    }
    assert_eq!(kept.history.get(&one.id).await.unwrap(), Some(one));
    assert_eq!(kept.history.get("'; --").await.unwrap(), None);
}

#[tokio::test]
async fn pages_follow_each_other_newest_first_while_more_comes() {
    let mut kept = Kept::new();
    kept.keep((0..95).map(numbered)).await;
    for query in [
        Query::default(),
        query(|q| q.rules = vec!["SUBJ_INVOICE".into()]),
    ] {
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = kept.history.search(&query, cursor, 10).await.unwrap();
            seen.extend(page.entries.into_iter().map(|e| e.subject));
            kept.keep([numbered(1000 + seen.len() as i64)]).await;
            let Some(next) = page.next else { break };
            cursor = Some(next.to_string().parse().unwrap());
        }
        let newest_first: Vec<String> = (0..95).rev().map(|n| format!("number {n}")).collect();
        let of_old: Vec<String> = seen.into_iter().filter(|s| s.len() < 10).collect();
        assert_eq!(of_old, newest_first);
    }
}

#[tokio::test]
async fn beginnings_of_words_are_found_however_many_have_them() {
    let mut kept = Kept::new();
    let subject = |n: i64| match n {
        7 | 2000 => format!("Rarity{n} one"),
        n if n % 2 == 0 => format!("Frequent{n} two"),
        n => format!("other {n}"),
    };
    kept.keep((0..2600).map(|n| Entry {
        subject: subject(n),
        verdict: if n < 2500 {
            Action::Deliver
        } else {
            Action::Tag
        },
        ..numbered(n)
    }))
    .await;
    let newest = async |beginning: &str, of: &dyn Fn(&mut Query)| {
        let mut query = query(|q| q.subject = Some(beginning.into()));
        of(&mut query);
        let first = kept.history.search(&query, None, 2).await.unwrap();
        let mut all = first.entries;
        if first.next.is_some() {
            let next = kept.history.search(&query, first.next, 2).await.unwrap();
            all.extend(next.entries);
        }
        all.into_iter().map(|e| e.subject).collect::<Vec<_>>()
    };
    let all = |_: &mut Query| {};
    let frequent = newest("freq*", &all).await;
    assert_eq!(
        frequent,
        [
            "Frequent2598 two",
            "Frequent2596 two",
            "Frequent2594 two",
            "Frequent2592 two"
        ]
    );
    assert_eq!(
        newest("rari*", &all).await,
        ["Rarity2000 one", "Rarity7 one"]
    );
    assert_eq!(newest("RARITY7* one", &all).await, ["Rarity7 one"]);
    assert!(newest("rari* two", &all).await.is_empty());
    let tagged = |q: &mut Query| q.verdict = Some(Action::Tag);
    assert!(newest("rari*", &tagged).await.is_empty());
    assert_eq!(newest("freq*", &tagged).await.len(), 4);
}

/// Whether a message is found must not depend on how far the index has come.
#[tokio::test]
async fn segments_and_what_waits_for_them_find_the_same_as_a_look_at_each() {
    let mut kept = Kept::new();
    let made = 6000;
    let of = |n: i64| Entry {
        subject: format!("w{} v{} Common{n}", n % 7, n % 1000),
        sender: Some(format!("u{}@d{}.example", n % 50, n % 13)),
        client: Some([192, 0, (n % 3) as u8, (n % 251) as u8].into()),
        verdict: match n % 400 {
            0 => Action::Reject,
            _ => Action::Deliver,
        },
        ..numbered(n)
    };
    let all: Vec<Entry> = (0..made).map(of).collect();
    let start = all[0].at;
    let begins = |n: i64, with: &str| n.to_string().starts_with(with);
    let subject = |text: &str| query(|q| q.subject = Some(text.into()));
    let rejected = query(|q| q.verdict = Some(Action::Reject));
    type Fits<'a> = &'a dyn Fn(i64) -> bool;
    let queries: [(Query, Fits<'_>); 9] = [
        (subject("w3 v10"), &|n| n % 7 == 3 && n % 1000 == 10),
        (subject("common12* w5"), &|n| begins(n, "12") && n % 7 == 5),
        (subject("common4567*"), &|n| begins(n, "4567")),
        (subject("nothing"), &|_| false),
        (query(|q| q.sender = Some("d12.example".into())), &|n| {
            n % 13 == 12
        }),
        (query(|q| q.client = Some("192.0.1.8/29".into())), &|n| {
            n % 3 == 1 && (8..16).contains(&(n % 251))
        }),
        (query(|q| q.text = Some("u3@d3.example".into())), &|n| {
            n % 50 == 3 && n % 13 == 3
        }),
        (rejected.clone(), &|n| n % 400 == 0),
        (
            Query {
                from: Some(start + SignedDuration::from_mins(1500)),
                to: Some(start + SignedDuration::from_mins(2900)),
                ..rejected.clone()
            },
            &|n| n % 400 == 0 && (1500..2900).contains(&n),
        ),
    ];
    let check = async |kept: &Kept, written: &[Entry]| {
        for (query, fits) in &queries {
            let newest_first = written.iter().enumerate().rev();
            let fitting = newest_first.filter(|(n, _)| fits(*n as i64));
            let expected: Vec<&str> = fitting.map(|(_, e)| &*e.id).take(120).collect();
            let mut found = Vec::new();
            let mut next = None;
            loop {
                let page = kept.history.search(query, next, 40).await.unwrap();
                found.extend(page.entries.into_iter().map(|e| e.id));
                next = page.next;
                if next.is_none() || found.len() >= 120 {
                    break;
                }
            }
            assert_eq!(found, expected, "{query:?}");
        }
    };
    kept.keep(all[..500].to_vec()).await;
    check(&kept, &all[..500]).await;
    kept.keep(all[500..].to_vec()).await;
    let table = Table::clone(&kept.history.0.table.load_full().unwrap());
    assert_eq!(index::segments(&table).await, 2);
    assert_eq!(table.unsealed().await.unwrap(), 500);
    check(&kept, &all).await;

    // Who opens the file anew goes on with what waits.
    kept.keeper.kept.close().await;
    let mut later = all.clone();
    later.extend((made..made + 1900).map(of));
    kept.keep(later[all.len()..].to_vec()).await;
    let table = Table::clone(&kept.history.0.table.load_full().unwrap());
    assert_eq!(index::segments(&table).await, 3);
    check(&kept, &later).await;

    // A clock that is set back puts messages behind those that are sealed.
    let back: Vec<Entry> = (0..2100)
        .map(|n| Entry {
            at: start - SignedDuration::from_secs(60_000 - n),
            ..of(n)
        })
        .collect();
    kept.keep(back.clone()).await;
    assert_eq!(index::segments(&table).await, 4);
    later.extend(back);
    later.sort_by_key(|e| e.at);
    let page = kept.history.search(&rejected, None, PAGE).await.unwrap();
    let found: Vec<Timestamp> = page.entries.iter().map(|e| e.at).collect();
    let expected = later.iter().rev().filter(|e| e.verdict == Action::Reject);
    assert_eq!(found, expected.map(|e| e.at).collect::<Vec<_>>());
}

/// A file of the time before segments: its messages are found at once, and put into the index.
#[tokio::test]
async fn a_file_of_the_former_format_is_carried_over() {
    let mut kept = Kept::new();
    let path = kept.folder.path().join(FILE);
    std::fs::write(&path, "").unwrap();
    let former = table::former(&path).await;
    let count = segment::MESSAGES as i64 + 100;
    let mut tx = former.begin().await.unwrap();
    for entry in (0..count).map(numbered) {
        sqlx::query("INSERT INTO messages (number, id, entry) VALUES (?, ?, ?)")
            .bind(table::number_at(entry.at.as_millisecond()))
            .bind(&entry.id)
            .bind(serde_json::to_string(&entry).unwrap())
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    sqlx::query("INSERT INTO terms (rowid, words) VALUES (1, 'w:number')")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    former.close().await;

    let reader = History::read(kept.folder.path(), kept.metrics.clone()).await;
    let reader = reader.unwrap();
    let seven = query(|q| q.subject = Some("number 7".into()));
    let page = reader.search(&seven, None, 5).await.unwrap();
    assert_eq!(page.entries[0].subject, "number 7");
    reader.close().await;
    kept.keep([numbered(count)]).await;
    let table = Table::clone(&kept.history.0.table.load_full().unwrap());
    assert_eq!(index::segments(&table).await, 1);
    assert_eq!(table.unsealed().await.unwrap(), 101);
    assert_eq!(kept.found(seven).await, ["number 7"]);
    let last = query(|q| q.subject = Some(format!("number {count}")));
    assert_eq!(kept.found(last).await, [format!("number {count}")]);
}

#[tokio::test]
async fn an_overview_counts_by_the_hour() {
    let mut kept = Kept::new();
    let mut entries: Vec<Entry> = (0..120).map(numbered).collect();
    for entry in &mut entries[..30] {
        entry.verdict = Action::Reject;
        entry.sender = Some(String::new());
    }
    entries[119].direction = Direction::Outbound;
    kept.keep(entries).await;
    let start = Timestamp::from_second(1_800_000_000).unwrap();
    let end = start + SignedDuration::from_hours(3);
    let overview = kept.history.overview(start, end).await.unwrap();
    let of = |direction, verdict| {
        let mut all = overview.verdicts.iter();
        let found = all.find(|c| c.direction == direction && c.verdict == verdict);
        found.map_or(0, |c| c.messages)
    };
    assert_eq!(of(Direction::Inbound, Action::Reject), 30);
    assert_eq!(of(Direction::Inbound, Action::Tag), 89);
    assert_eq!(of(Direction::Outbound, Action::Tag), 1);
    let by_hour: u64 = overview
        .hours
        .iter()
        .flat_map(|h| &h.verdicts)
        .map(|v| v.messages)
        .sum();
    assert_eq!(by_hour, 120);
    let count = |word: &str, messages, stopped| WordCount {
        word: word.into(),
        messages,
        stopped,
    };
    assert_eq!(overview.rules, [count("SUBJ_INVOICE", 120, 30)]);
    assert_eq!(
        overview.senders,
        [count("sender.example", 89, 0), count("<>", 30, 30)]
    );
    let later = kept
        .history
        .overview(end, end + SignedDuration::from_hours(1))
        .await
        .unwrap();
    assert!(later.hours.is_empty() && later.rules.is_empty());
}

#[tokio::test]
async fn what_is_too_old_goes_with_its_terms_and_its_tallies() {
    let options = Options {
        keep: unwritten(Seconds::new(3600)),
        ..Options::default()
    };
    let mut kept = Kept::with(&options);
    let old = (0..450).map(numbered);
    let new = Entry {
        at: Timestamp::now(),
        ..numbered(1)
    };
    kept.keep(old.map(|e| Entry {
        at: Timestamp::from_second(1_600_000_000).unwrap(),
        ..e
    }))
    .await;
    kept.keep([new.clone()]).await;
    for _ in 0..50 {
        if kept.metrics.history_removed.get() == 450 {
            break;
        }
        kept.keeper.kept.next_housekeeping_now();
        kept.keeper.turn().await;
    }
    assert_eq!(kept.metrics.history_removed.get(), 450);
    assert_eq!(kept.metrics.history_rows.get(), 1);
    let table = Table::clone(&kept.history.0.table.load_full().unwrap());
    assert_eq!(table.unsealed().await.unwrap(), 1);
    let by_rule = query(|q| q.rules = vec!["SUBJ_INVOICE".into()]);
    assert_eq!(kept.found(by_rule).await, [&*new.subject]);
    kept.keeper.kept.next_housekeeping_now();
    kept.keeper.turn().await;
    let from = Timestamp::from_second(1_599_990_000).unwrap();
    let overview = kept.history.overview(from, Timestamp::now()).await.unwrap();
    assert_eq!(overview.rules[0].messages, 1);
}

#[tokio::test]
async fn what_is_too_much_goes_oldest_first_and_segments_with_it() {
    let options = Options {
        size: unwritten(ByteSize(1_500_000)),
        ..Options::default()
    };
    let mut kept = Kept::with(&options);
    let now = Timestamp::now();
    let long = "x ".repeat(400);
    let entries = (0..3100).map(|n| Entry {
        at: now - SignedDuration::from_mins(3100 - n),
        subject: format!("{long}{n}"),
        ..numbered(n)
    });
    kept.keep(entries).await;
    let table = Table::clone(&kept.history.0.table.load_full().unwrap());
    assert_eq!(index::segments(&table).await, 1);
    for _ in 0..200 {
        kept.keeper.kept.next_housekeeping_now();
        kept.keeper.turn().await;
        if kept.metrics.history_bytes.get() <= 1_500_000 {
            break;
        }
    }
    assert!(kept.metrics.history_bytes.get() <= 1_500_000);
    let page = kept
        .history
        .search(&Query::default(), None, PAGE)
        .await
        .unwrap();
    assert!(page.entries.len() > 200, "{}", page.entries.len());
    assert!(page.entries[0].subject.ends_with(" 3099"));
    kept.history.reconfigure(&Options {
        keep: unwritten(Seconds::new(100 * 60)),
        ..options
    });
    kept.keeper.kept.next_housekeeping_now();
    while kept.metrics.history_rows.get() > 100 {
        kept.keeper.turn().await;
    }
    assert_eq!(index::segments(&table).await, 0);
    let number = query(|q| q.subject = Some("3090".into()));
    assert_eq!(kept.found(number).await.len(), 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_costs_no_verdict() {
    let mut kept = Kept::new();
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    let same = |n| Entry { at, ..numbered(n) };
    kept.keep((0..100).map(same)).await;
    kept.keep((0..100).map(same)).await;
    let earlier = |n| Entry {
        at: at - SignedDuration::from_millis(3),
        ..numbered(n)
    };
    kept.keep((0..100).map(earlier)).await;
    let page = kept
        .history
        .search(&Query::default(), None, PAGE)
        .await
        .unwrap();
    assert_eq!(page.entries.len(), 300);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_a_new_one_begun() {
    let mut kept = Kept::new();
    let path = kept.folder.path().join(FILE);
    std::fs::write(&path, vec![7u8; 9000]).unwrap();
    kept.history.record(numbered(1), None);
    kept.keeper.turn().await;
    assert_eq!(kept.metrics.history_set_aside.get(), 1);
    assert_eq!(kept.metrics.history_up.get(), 1);
    assert_eq!(kept.found(Query::default()).await, ["number 1"]);
    assert!(kept.folder.path().join("history.sqlite.damaged").exists());
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_counted_and_what_waits_is_written_later() {
    let mut kept = Kept::new();
    let path = kept.folder.path().join(FILE);
    std::fs::create_dir(&path).unwrap();
    kept.history.record(numbered(1), None);
    kept.keeper.turn().await;
    assert_eq!(kept.metrics.history_failures.get(), 1);
    assert_eq!(kept.metrics.history_up.get(), 0);
    let closed = kept.history.search(&Query::default(), None, 1).await;
    assert!(matches!(closed, Err(HistoryError::Closed)), "{closed:?}");
    std::fs::remove_dir(&path).unwrap();
    kept.keeper.next_try = tokio::time::Instant::now();
    kept.keeper.turn().await;
    assert_eq!(kept.found(Query::default()).await, ["number 1"]);
    assert_eq!(kept.metrics.history_dropped.get(), 0);
}

#[tokio::test]
async fn a_history_that_is_off_keeps_nothing_and_says_so() {
    let options = Options {
        enabled: false,
        ..Options::default()
    };
    let kept = Kept::with(&options);
    kept.history.record(numbered(1), None);
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    kept.keeper.run(stop).await;
    let said = kept.history.search(&Query::default(), None, 1).await;
    assert!(matches!(said, Err(HistoryError::Disabled)));
    assert!(!kept.folder.path().join(FILE).exists());
}

#[tokio::test]
async fn while_it_runs_it_takes_other_bounds_and_is_switched_off_and_on() {
    let for_long = Options {
        keep: unwritten(Seconds::new(3653 * 86_400)),
        ..Options::default()
    };
    let mut kept = Kept::with(&for_long);
    let old = |n| Entry {
        at: Timestamp::from_second(1_600_000_000 + n).unwrap(),
        ..numbered(n)
    };
    kept.keep([old(1)]).await;
    kept.history.record(old(2), None);
    kept.history.reconfigure(&Options {
        enabled: false,
        ..for_long.clone()
    });
    kept.history.record(old(3), None);
    // What waits is written, and then the file is closed.
    kept.keeper.turn().await;
    assert_eq!(kept.metrics.history_written.get(), 2);
    kept.keeper.turn().await;
    let metrics = &kept.metrics;
    let shown = (metrics.history_enabled.get(), metrics.history_up.get());
    assert_eq!(shown, (0, 0));
    let said = kept.history.search(&Query::default(), None, 1).await;
    assert!(matches!(said, Err(HistoryError::Disabled)), "{said:?}");
    assert!(!kept.history.keeps_answers());

    kept.history.reconfigure(&Options {
        size: unwritten(ByteSize(20 << 20)),
        ..for_long
    });
    kept.keep([old(4)]).await;
    assert_eq!(kept.metrics.history_bytes_limit.get(), 20 << 20);
    assert_eq!(
        kept.found(Query::default()).await,
        ["number 4", "number 2", "number 1"]
    );
    kept.history.reconfigure(&Options::default());
    kept.keep([numbered(5)]).await;
    kept.keeper.kept.next_housekeeping_now();
    kept.keeper.turn().await;
    assert_eq!(kept.found(Query::default()).await, ["number 5"]);
}

#[tokio::test]
async fn what_is_more_than_a_batch_is_written_without_a_pause() {
    let mut kept = Kept::new();
    for n in 0..2 * queue::BATCH as i64 + 1 {
        kept.history.record(numbered(n), None);
    }
    let file = &mut kept.keeper.kept;
    assert!(file.work(false).await.unwrap());
    assert!(!file.work(false).await.unwrap(), "one can wait");
    for n in 0..queue::BATCH as i64 {
        kept.history.record(numbered(n), None);
    }
    assert!(file.work(true).await.unwrap(), "the last one, at the end");
    assert!(!file.work(true).await.unwrap());
    assert_eq!(kept.metrics.history_dropped.get(), 0);
}
