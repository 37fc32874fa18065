//! What is remembered as clean, and what is not.

use super::*;
use fake_clamd::version;

impl Fixture {
    fn cached(&self, server: &str) -> u64 {
        self.metrics
            .clamav_cached
            .with_label_values(&[server])
            .get()
    }
}

#[tokio::test]
async fn the_same_message_is_not_scanned_again_by_the_same_signatures() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    clamd.says_version(&version(27_800, DAY));
    // Sent as it arrives, and sent when it is complete.
    for (streams, rest) in [(2, ""), (1, "streams_per_server: 1")] {
        let f = fixture(&[&clamd.server], rest);
        f.in_force(&[&clamd]).await;
        let (messages, before) = (clamd.messages().len(), clamd.count().streams);
        let large = body(300_000);
        assert_eq!(f.scan(&large).await, clean());
        assert_eq!(f.scan(&large).await, clean());
        assert_eq!(clamd.messages().len(), messages + 1, "{rest}");
        assert_eq!(clamd.count().streams, before + streams, "{rest}");
        assert_eq!(
            (f.cached(&clamd.server), f.counted(&clamd.server, "clean")),
            (1, 1)
        );
        // Its stream was closed.
        clamd.until(|c| c.open == 0).await;
        assert_eq!(f.running(&clamd.server), 0);
        // One byte more is another message.
        assert_eq!(f.scan(&[&large[..], b"x"].concat()).await, clean());
        assert_eq!(clamd.messages().len(), messages + 2, "{rest}");
        assert_eq!(f.metrics.clamav_cache_limit.get(), 10_000);
    }
}

#[tokio::test]
async fn new_signatures_scan_it_again() {
    let clamd = FakeClamd::start(|n| Act::Reply(if n < 3 { OK } else { FOUND })).await;
    clamd.says_version(&version(27_800, DAY));
    let f = fixture(&[&clamd.server], "");
    f.in_force(&[&clamd]).await;
    assert_eq!(f.scan(b"x").await, clean());
    // Nobody has asked for the version since: it is asked for before the memory is believed.
    clamd.says_version(&version(27_801, DAY));
    assert_eq!(f.scan(b"x").await, clean());
    assert_eq!(clamd.messages().len(), 2);
    assert_eq!(f.known_version(&clamd.server), 27_801);
    // What the new ones found clean is remembered anew.
    assert_eq!(f.scan(b"x").await, clean());
    assert_eq!((clamd.messages().len(), f.cached(&clamd.server)), (2, 1));
    clamd.says_version(&version(27_802, DAY));
    assert_eq!(f.scan(b"x").await.hits().len(), 1);
}

#[tokio::test]
async fn only_what_was_found_clean_by_known_signatures_is_remembered() {
    let telling = version(27_800, DAY);
    for (reply, told, rest) in [
        (FOUND, &*telling, ""),
        (b"stream: PUA.A FOUND\0", &telling, ""),
        (b"stream: Heuristics.Encrypted.Zip FOUND\0", &telling, ""),
        (b"nonsense\0", &telling, ""),
        (OK, "ClamAV 1.4.3", ""),
        (OK, "ClamAV 1.4.3/27800/some day", ""),
        (OK, &telling, "cache: {entries: 0}"),
        (OK, &version(27_800, 20 * DAY), ""),
    ] {
        let clamd = FakeClamd::start(move |_| Act::Reply(reply)).await;
        clamd.says_version(told);
        let f = fixture(&[&clamd.server], rest);
        f.filter.in_force(&f.metrics);
        clamd.until(|c| c.versions > 0).await;
        let first = f.scan(b"x").await;
        let messages = clamd.messages().len();
        assert_eq!(f.scan(b"x").await, first, "{told} {rest}");
        assert_eq!(clamd.messages().len(), 2 * messages, "{told} {rest}");
        assert_eq!(f.cached(&clamd.server), 0);
    }
}

#[tokio::test]
async fn what_is_remembered_is_forgotten_after_a_time() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    clamd.says_version(&version(27_800, DAY));
    let f = fixture(&[&clamd.server], "cache: {max_age: 50ms}");
    f.in_force(&[&clamd]).await;
    assert_eq!(f.scan(b"x").await, clean());
    // The time is what the test is about.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(f.scan(b"x").await, clean());
    assert_eq!(clamd.messages().len(), 2);
}

#[tokio::test]
async fn a_server_that_found_it_clean_and_is_gone_vouches_for_nothing() {
    let first = FakeClamd::start(|_| Act::Reply(OK)).await;
    let second = FakeClamd::start(|_| Act::Reply(FOUND)).await;
    let told = version(27_800, DAY);
    first.says_version(&told);
    second.says_version(&told);
    let f = fixture(
        &[&first.server, &second.server],
        "breaker: {failures: 1, retry_after: 1h}",
    );
    f.in_force(&[&first, &second]).await;
    assert_eq!(f.scan(b"x").await, clean());
    let name = first.server.clone();
    drop(first);
    // Whether it takes it or not is out: the second is asked in the end.
    assert_eq!(f.scan(b"x").await.hits().len(), 1);
    assert_eq!(f.cached(&name), 0);
}

#[tokio::test]
async fn any_server_may_be_spared_by_what_another_found_clean() {
    let gate = Gate::new();
    let held = gate.clone();
    let first = FakeClamd::start(move |n| match n {
        0 => Act::Reply(OK),
        _ => Act::ReplyAtGate(held.clone(), OK),
    })
    .await;
    let second = FakeClamd::start(|_| Act::Reply(FOUND)).await;
    first.says_version(&version(27_800, DAY));
    second.says_version(&version(27_801, DAY));
    let f = fixture(&[&first.server, &second.server], "");
    f.in_force(&[&first, &second]).await;
    assert_eq!(f.scan(b"x").await, clean());
    let busy = f.begin();
    first.until(|c| c.open == 1).await;
    // It goes to the second, which need not look at it: the first has, and would say the same.
    assert_eq!(f.scan(b"x").await, clean());
    assert_eq!((second.count().streams, second.messages().len()), (1, 0));
    assert_eq!(f.cached(&first.server), 1);
    gate.open();
    assert_eq!(busy.finish().await.0, clean());
}
