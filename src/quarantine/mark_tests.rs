use std::sync::Arc;

use super::*;
use crate::mail::Envelope;
use crate::metrics::Metrics;
use crate::quarantine::{Entry, Options};
use crate::verdict::Verdict;

const RAW: &[u8] = b"From: a@b\r\nSubject: x\r\n\r\nhello\r\n";
const HOUR: i64 = 3_600_000;

struct Store {
    quarantine: Arc<Quarantine>,
    id: String,
    raw: Bytes,
    now: i64,
    _dir: tempfile::TempDir,
}

impl Store {
    async fn new() -> Store {
        let dir = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let options = Options::default();
        let quarantine = Quarantine::open(&options, dir.path(), metrics);
        let quarantine = Arc::new(quarantine.await.unwrap());
        let id = Ulid::new().to_string();
        let now = Timestamp::now();
        let (envelope, verdict) = (Envelope::default(), Verdict::released());
        let entry = Entry::new(&id, now, &envelope, "x", &verdict, 0);
        let raw = Bytes::from_static(RAW);
        quarantine.store(&entry, raw.clone()).await.unwrap();
        Store {
            quarantine,
            id,
            raw,
            now: now.as_millisecond(),
            _dir: dir,
        }
    }

    async fn begin(&self) -> Mark {
        let quarantine = &self.quarantine;
        let made = quarantine.make_mark(&self.raw).await.unwrap();
        let mut tx = quarantine.index.begin().await.unwrap();
        let mark = quarantine.enter_mark(&mut tx, &self.id, Purpose::Release, made);
        let mark = mark.await.unwrap();
        tx.commit().await.unwrap();
        mark
    }

    async fn mark(&self) -> String {
        self.begin().await.value()
    }

    async fn redeem(&self, mark: &str, raw: &[u8], at: i64) -> Redeem {
        let raw = Bytes::copy_from_slice(raw);
        let redeemed = self.quarantine.redeem_at(mark, &raw, self.now + at).await;
        redeemed.unwrap()
    }
}

#[tokio::test]
async fn a_mark_passes_once_and_once_more_for_a_lost_answer() {
    let store = Store::new().await;
    let mark = store.mark().await;
    let used = Redeem::Refused("the mark was used already");
    assert_eq!(store.redeem(&mark, RAW, 1_000).await, Redeem::Pass);
    assert_eq!(store.redeem(&mark, RAW, 601_000).await, Redeem::Pass);
    assert_eq!(store.redeem(&mark, RAW, 602_000).await, used);

    let mark = store.mark().await;
    assert_eq!(store.redeem(&mark, RAW, 1_000).await, Redeem::Pass);
    assert_eq!(store.redeem(&mark, RAW, 2_000 + REPEAT_MS).await, used);
}

#[tokio::test]
async fn marks_expire_and_a_clock_set_back_does_not_revive_them() {
    let store = Store::new().await;
    let mark = store.mark().await;
    let refused = |why| Redeem::Refused(why);
    assert_eq!(
        store.redeem(&mark, RAW, HOUR + 60_000).await,
        refused("the mark has expired")
    );
    assert_eq!(
        store.redeem(&mark, RAW, -HOUR).await,
        refused("the clock stands before the release")
    );
    assert_eq!(store.redeem(&mark, RAW, HOUR - 60_000).await, Redeem::Pass);
}

#[tokio::test]
async fn a_mark_fits_its_own_message_only_and_is_not_spent_on_another() {
    let store = Store::new().await;
    let mark = store.mark().await;
    let other = b"From: a@b\r\nSubject: x\r\n\r\nother\r\n";
    assert_eq!(
        store.redeem(&mark, other, 0).await,
        Redeem::Refused("the mark is for another message")
    );
    let on_its_way = [
        format!("Received: by mta\r\nX-Mailweir-Release: {mark}\r\n").as_bytes(),
        RAW,
    ]
    .concat();
    assert_eq!(store.redeem(&mark, &on_its_way, 0).await, Redeem::Pass);
}

#[tokio::test]
async fn forged_marks_are_refused() {
    let store = Store::new().await;
    let mark = store.mark().await;
    let (id, token) = mark.split_once('.').unwrap();
    let flipped = token.replace(|c| c != '0', "0");
    let other = Ulid::new().to_string();
    for unknown in [format!("{id}.{flipped}"), format!("{other}.{token}")] {
        assert_eq!(
            store.redeem(&unknown, RAW, 0).await,
            Redeem::Refused("the mark is unknown")
        );
    }
    let huge = "a".repeat(1 << 20);
    for garbage in [
        "",
        ".",
        "x",
        token,
        &mark.replacen('0', "", 1),
        &format!("{mark} "),
        &mark.to_uppercase(),
        &huge,
    ] {
        assert_eq!(
            store.redeem(garbage, RAW, 0).await,
            Redeem::Refused("not a mark of ours"),
            "{garbage:.60}"
        );
    }
    let debug = format!("{:?}", store.begin().await);
    assert!(debug.contains(id) && !debug.contains("token"), "{debug}");
}

#[tokio::test]
async fn the_index_holds_no_token_and_a_bounded_number_of_marks() {
    let store = Store::new().await;
    let mut marks = Vec::new();
    for _ in 0..MARKS + 2 {
        marks.push(store.mark().await);
    }
    let rows: Vec<Vec<u8>> = sqlx::query_scalar("SELECT token FROM marks ORDER BY serial")
        .fetch_all(store.quarantine.index.readers())
        .await
        .unwrap();
    assert_eq!(rows.len(), 64);
    for (row, mark) in rows.iter().rev().zip(marks.iter().rev()) {
        let token = mark.split_once('.').unwrap().1;
        assert_ne!(row.as_slice(), token.as_bytes());
        assert_eq!(row.as_slice(), hash(token).as_bytes());
    }
    assert_eq!(
        store.redeem(&marks[0], RAW, 0).await,
        Redeem::Refused("the mark is unknown")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_mark_that_many_use_at_one_time_passes_twice_at_most() {
    let store = Store::new().await;
    let mark = store.mark().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (quarantine, mark) = (store.quarantine.clone(), mark.clone());
        let raw = store.raw.clone();
        tasks.spawn(async move { quarantine.redeem(&mark, &raw).await.unwrap() });
    }
    let results = tasks.join_all().await;
    let passed = results.iter().filter(|r| **r == Redeem::Pass).count();
    assert!((1..=2).contains(&passed), "{passed}");
}

#[tokio::test]
async fn a_copy_that_is_superseded_while_it_comes_by_is_not_checked_like_others() {
    let store = Store::new().await;
    let mark = store.begin().await;
    let mut tx = store.quarantine.index.begin().await.unwrap();
    Quarantine::supersede(&mut tx, mark.serial).await.unwrap();
    let value = mark.value();
    let mut redeemed = std::pin::pin!(store.redeem(&value, RAW, 0));
    // It has seen the mark as good by now, and waits for the right to use it.
    let wait = std::time::Duration::from_millis(300);
    let early = tokio::time::timeout(wait, &mut redeemed).await;
    assert!(early.is_err(), "{early:?}");
    tx.commit().await.unwrap();
    assert_eq!(redeemed.await, Redeem::Superseded);
}
