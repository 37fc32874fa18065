//! Servers are watched, and the age of their signatures counts.

use super::*;
use fake_clamd::version;

#[tokio::test]
async fn number_and_time_of_the_signatures_are_known() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    clamd.says_version(&version(27_800, 2 * DAY));
    let f = fixture(&[&clamd.server], "health: {interval: 5ms}");
    f.in_force(&[&clamd]).await;
    let built = &f.metrics.clamav_signatures_built;
    let age = |server: &str| {
        let built = built.with_label_values(&[server]).get();
        jiff::Timestamp::now().as_second() - built
    };
    let two_days = i64::try_from(2 * DAY.as_secs()).unwrap();
    assert!((age(&clamd.server) - two_days).abs() < 60);
    clamd.says_version(&version(27_801, DAY));
    until(|| f.known_version(&clamd.server) == 27_801, "the news").await;
    // One that does not tell any more is not known any more.
    for silent in ["ClamAV 1.4.6", "COMMAND UNAVAILABLE"] {
        clamd.says_version(&version(27_801, DAY));
        until(|| f.known_version(&clamd.server) == 27_801, "the news").await;
        clamd.says_version(silent);
        until(|| f.known_version(&clamd.server) == 0, "silence").await;
        assert_eq!(built.with_label_values(&[&clamd.server]).get(), 0);
        assert_eq!(f.up(&clamd.server), 1, "it is well all the same");
    }
    // A filter that is replaced takes what it knows along, so that it does not grow old in the metrics.
    clamd.says_version(&version(27_801, DAY));
    until(|| f.known_version(&clamd.server) == 27_801, "the news").await;
    let Fixture { filter, metrics } = f;
    let shown = || String::from_utf8(metrics.encode().unwrap()).unwrap();
    assert!(shown().contains("mailweir_clamav_signatures_version{"));
    drop(filter);
    assert!(!shown().contains("mailweir_clamav_signatures_version{"));
}

#[tokio::test]
async fn signatures_are_asked_about_also_where_nobody_watches() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    clamd.says_version(&version(27_000, 20 * DAY));
    // As with `mailweir scan`.
    let f = fixture(&[&clamd.server], "");
    for _ in 0..2 {
        unscanned(&f.scan(b"x").await, Reason::Outdated, "20 days old");
    }
    assert_eq!(clamd.count().versions, 1);
}

#[tokio::test]
async fn what_outdated_signatures_do_not_find_is_not_clean() {
    let clamd = FakeClamd::start(|n| Act::Reply(if n == 1 { FOUND } else { OK })).await;
    clamd.says_version(&version(27_000, 20 * DAY));
    let f = fixture(&[&clamd.server], "");
    f.in_force(&[&clamd]).await;
    unscanned(&f.scan(b"x").await, Reason::Outdated, "20 days old");
    assert_eq!(
        f.filter.failure_policy().for_reason(Reason::Outdated),
        FailureAction::Deliver
    );
    // What they find is true all the same.
    assert_eq!(f.scan(b"y").await.hits().len(), 1);
    // The bound is the admin's.
    let f = fixture(
        &[&clamd.server],
        "health: {fail_after: null}\non_failure: {outdated: tempfail}",
    );
    f.in_force(&[&clamd]).await;
    assert_eq!(f.scan(b"z").await, clean());
    assert_eq!(
        f.filter.failure_policy().for_reason(Reason::Outdated),
        FailureAction::Tempfail
    );
}

#[tokio::test]
async fn a_server_with_current_signatures_comes_first() {
    let old = FakeClamd::start(|_| Act::Reply(OK)).await;
    let current = FakeClamd::start(|n| match n {
        0 => Act::Reply(OK),
        _ => Act::CloseAfter(0),
    })
    .await;
    old.says_version(&version(27_000, 20 * DAY));
    current.says_version(&version(27_800, DAY));
    let f = fixture(&[&old.server, &current.server], "cache: {entries: 0}");
    f.in_force(&[&old, &current]).await;
    assert_eq!(f.scan(b"x").await, clean());
    assert_eq!((old.count().streams, current.count().streams), (0, 1));
    // The old one is better than none.
    unscanned(&f.scan(b"x").await, Reason::Outdated, "20 days old");
}

#[tokio::test]
async fn a_server_goes_and_comes_back_while_no_message_asks_for_it() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    clamd.answer_pings(false);
    let f = fixture(
        &[&clamd.server],
        "health: {interval: 5ms}\nbreaker: {failures: 3, retry_after: 5ms}",
    );
    f.filter.in_force(&f.metrics);
    until(|| f.up(&clamd.server) == 0, "it to be left alone").await;
    assert!(clamd.count().pings >= 3);
    clamd.answer_pings(true);
    until(|| f.up(&clamd.server) == 1, "it to be back").await;
    assert_eq!(clamd.count().streams, 0);
    // The task ends with the filter.
    drop(f);
    let pings = clamd.count().pings;
    tokio::task::yield_now().await;
    assert!(clamd.count().pings <= pings + 1);
}

#[tokio::test]
async fn an_answer_to_ping_does_not_make_up_for_scans_that_fail() {
    let clamd = FakeClamd::start(|_| Act::CloseAfter(0)).await;
    let f = fixture(
        &[&clamd.server],
        "streams_per_server: 1\nhealth: {interval: 5ms}\nbreaker: {failures: 2, retry_after: 1h}",
    );
    f.filter.in_force(&f.metrics);
    unscanned(&f.scan(b"x").await, Reason::Error, "closed");
    assert_eq!(f.up(&clamd.server), 1);
    let pings = clamd.count().pings;
    clamd.until(|c| c.pings > pings + 1).await;
    unscanned(&f.scan(b"x").await, Reason::Error, "closed");
    assert_eq!(f.up(&clamd.server), 0);
}
