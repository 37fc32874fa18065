//! Messages that are too large for a server.

use super::*;

#[tokio::test]
async fn a_size_that_was_too_large_is_not_sent_again() {
    let clamd = FakeClamd::start(|_| Act::TakesAtMost(2 << 20)).await;
    let f = fixture(&[&clamd.server], "");
    let large = body(8 << 20);
    unscanned(&f.scan(&large).await, Reason::TooLarge, "StreamMaxLength");
    let told = clamd.count();
    assert_eq!(f.counted(&clamd.server, "too_large"), 1);
    // The next one is begun, because its size is not known before its end, and broken off.
    unscanned(&f.scan(&large).await, Reason::TooLarge, "StreamMaxLength");
    assert_eq!(clamd.count().streams, told.streams + 1);
    // One that is sent only when it is complete is not even begun.
    let f = fixture(&[&clamd.server], "streams_per_server: 1");
    for _ in 0..2 {
        unscanned(&f.scan(&large).await, Reason::TooLarge, "StreamMaxLength");
    }
    assert_eq!(clamd.count().streams, told.streams + 2);
    // Smaller ones are sent as ever, and nobody has failed.
    assert_eq!(f.scan(&body(1 << 20)).await, clean());
    assert_eq!(f.up(&clamd.server), 1);
}

#[tokio::test]
async fn a_server_that_takes_more_is_found_whichever_comes_first() {
    let (small, large) = (
        FakeClamd::start(|_| Act::TakesAtMost(2 << 20)).await,
        FakeClamd::start(|_| Act::TakesAtMost(1 << 30)).await,
    );
    for servers in [
        [&*small.server, &*large.server],
        [&large.server, &small.server],
    ] {
        let f = fixture(&servers, "");
        for _ in 0..3 {
            assert_eq!(f.scan(&body(8 << 20)).await, clean());
        }
        assert_eq!(f.counted(&large.server, "clean"), 3);
        assert!(small.messages().is_empty() && f.up(&small.server) == 1);
    }
}

#[tokio::test]
async fn too_large_for_one_and_the_other_down_is_too_large() {
    let absent = nobody().await;
    let small = FakeClamd::start(|_| Act::TakesAtMost(2 << 20)).await;
    let f = fixture(&[&absent, &small.server], "");
    for _ in 0..2 {
        unscanned(
            &f.scan(&body(8 << 20)).await,
            Reason::TooLarge,
            "StreamMaxLength",
        );
    }
}

#[tokio::test]
async fn a_server_that_was_away_may_take_more() {
    let clamd = FakeClamd::start(|n| match n {
        0 => Act::TakesAtMost(2 << 20),
        1 => Act::CloseAfter(0),
        _ => Act::TakesAtMost(1 << 30),
    })
    .await;
    let f = fixture(
        &[&clamd.server],
        "streams_per_server: 1\nbreaker: {failures: 1, retry_after: 1ms}",
    );
    let large = body(8 << 20);
    unscanned(&f.scan(&large).await, Reason::TooLarge, "StreamMaxLength");
    unscanned(&f.scan(b"x").await, Reason::Error, "closed");
    assert_eq!(f.up(&clamd.server), 0);
    f.filter.in_force(&f.metrics);
    until(|| f.up(&clamd.server) == 1, "it to be back").await;
    assert_eq!(f.scan(&large).await, clean());
}
