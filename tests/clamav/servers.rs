//! Several servers, several messages: failover, bounds, the breaker.

use super::*;

#[tokio::test]
async fn whatever_fails_is_sent_elsewhere_from_the_first_byte() {
    for act in [
        Act::TakeNothing,
        Act::Silence,
        Act::CloseAfter(100_000),
        Act::CloseAfter(1),
        Act::Reply(b"stream: OK"),
        Act::Reply(b"nonsense\0"),
        Act::Reply(b"stream: Can't open file or directory ERROR\0"),
    ] {
        let shown = format!("{act:?}");
        let bad = FakeClamd::start(move |_| act.clone()).await;
        let good = FakeClamd::start(|_| Act::Reply(FOUND)).await;
        let absent = nobody().await;
        let f = fixture(
            &[&absent, &bad.server, &good.server],
            "io_timeout: 2s\nreply_timeout: 2s",
        );
        let transfer = f.begin();
        for part in body(3 << 20).chunks(64 << 10) {
            transfer.spool.push(part);
            tokio::task::yield_now().await;
        }
        let (outcome, raw) = transfer.finish().await;
        assert_eq!(outcome.hits().len(), 1, "{shown}: {outcome:?}");
        assert!(
            good.messages() == [raw.to_vec()],
            "{shown}: not the exact message"
        );
        assert_eq!(f.counted(&good.server, "found"), 1, "{shown}");
    }
}

#[tokio::test]
async fn a_server_that_closes_while_the_body_arrives_is_replaced_meanwhile() {
    let bad = FakeClamd::start(|_| Act::CloseAfter(10)).await;
    let good = FakeClamd::start(|_| Act::Reply(OK)).await;
    let f = fixture(&[&bad.server, &good.server], "");
    let transfer = f.begin();
    bad.until(|c| c.streams == 1 && c.open == 0).await;
    let body = body(100_000);
    transfer.spool.push(&body);
    // The second has it all, though the end of the message is not yet there.
    good.until(|c| c.bytes == 17 + body.len()).await;
    let (outcome, raw) = transfer.finish().await;
    assert_eq!(outcome, clean());
    assert_eq!(good.messages(), [raw.to_vec()]);
    assert_eq!((bad.count().streams, good.count().streams), (1, 1));
}

#[tokio::test]
async fn a_server_that_failed_while_the_message_arrived_has_a_second_chance_at_its_end() {
    let clamd = FakeClamd::start(|n| match n {
        0 => Act::CloseAfter(1),
        _ => Act::Reply(OK),
    })
    .await;
    let f = fixture(&[&clamd.server], "");
    let transfer = f.begin();
    clamd.until(|c| c.streams == 1 && c.open == 0).await;
    transfer.spool.push(b"more");
    while f.counted(&clamd.server, "closed") == 0 {
        tokio::task::yield_now().await;
    }
    let (outcome, raw) = transfer.finish().await;
    assert_eq!(outcome, clean());
    assert_eq!(clamd.messages(), [raw.to_vec()]);
}

#[tokio::test]
async fn a_message_waits_for_the_probe_that_it_caused() {
    let clamd = FakeClamd::start(|n| match n {
        0 => Act::CloseAfter(0),
        _ => Act::Reply(OK),
    })
    .await;
    let f = fixture(
        &[&clamd.server],
        "streams_per_server: 1\nbreaker: {failures: 1, retry_after: 1ms}",
    );
    // It fails, and by the time that it is probed it is back: this one or the next.
    let first = f.scan(b"x").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(f.scan(b"x").await, clean(), "after {first:?}");
    assert_eq!(clamd.count().pings, 1);
}

#[tokio::test]
async fn when_all_fail_each_is_named() {
    let absent = nobody().await;
    let bad = FakeClamd::start(|_| Act::Reply(b"?\0")).await;
    let f = fixture(&[&absent, &bad.server], "");
    let outcome = f.scan(b"x").await;
    unscanned(&outcome, Reason::Error, &format!("{absent}: no connection"));
    unscanned(
        &outcome,
        Reason::Error,
        &format!("{}: sent what is no reply: ?", bad.server),
    );
}

#[tokio::test]
async fn the_time_from_the_end_of_the_message_is_bounded_over_all_servers() {
    let servers = [
        FakeClamd::start(|_| Act::Silence).await,
        FakeClamd::start(|_| Act::Silence).await,
        FakeClamd::start(|_| Act::Silence).await,
    ];
    let names: Vec<_> = servers.iter().map(|s| s.server.as_str()).collect();
    let f = fixture(&names, "timeout: 300ms\nreply_timeout: 10s");
    let transfer = f.begin();
    let start = Instant::now();
    unscanned(
        &transfer.finish().await.0,
        Reason::Timeout,
        "no reply in the time left",
    );
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn slow_senders_cannot_take_every_stream() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    let f = fixture(&[&clamd.server], "streams_per_server: 4");
    let slow: Vec<_> = (0..8).map(|_| f.begin()).collect();
    clamd.until(|c| c.open == 3).await;
    // Nothing of this one is sent before it is complete, and then at once.
    assert_eq!(f.scan(b"x").await, clean());
    assert_eq!(clamd.messages().len(), 1);
    for transfer in slow {
        assert_eq!(transfer.finish().await.0, clean());
    }
    assert!(clamd.count().most_open <= 4, "{:?}", clamd.count());
}

#[tokio::test]
async fn streams_are_bounded_and_waiting_for_one_counts() {
    let gate = Gate::new();
    let held = gate.clone();
    let clamd = FakeClamd::start(move |_| Act::ReplyAtGate(held.clone(), OK)).await;
    let f = Arc::new(fixture(
        &[&clamd.server],
        "streams_per_server: 2\ntimeout: 300ms",
    ));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let f = Arc::clone(&f);
            tokio::spawn(async move { f.scan(b"x").await })
        })
        .collect();
    let start = Instant::now();
    for task in tasks {
        unscanned(&task.await.unwrap(), Reason::Timeout, "");
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    // The server may see the end of two streams after it saw the next two begin.
    assert!(clamd.count().most_open <= 4, "{:?}", clamd.count());
    gate.open();
    assert_eq!(f.scan(b"x").await, clean());
}

#[tokio::test]
async fn the_least_busy_server_is_taken() {
    let gate = Gate::new();
    let held = gate.clone();
    let first = FakeClamd::start(move |_| Act::ReplyAtGate(held.clone(), OK)).await;
    let second = FakeClamd::start(|_| Act::Reply(OK)).await;
    let f = fixture(&[&first.server, &second.server], "");
    let busy = f.begin();
    first.until(|c| c.open == 1).await;
    assert_eq!(f.running(&first.server), 1);
    assert_eq!(f.scan(b"x").await, clean());
    assert_eq!((first.count().streams, second.count().streams), (1, 1));
    gate.open();
    assert_eq!(busy.finish().await.0, clean());
}

#[tokio::test]
async fn the_breaker_opens_after_failures_in_a_row_and_a_probe_closes_it() {
    let clamd = FakeClamd::start(|n| match n {
        0..3 => Act::CloseAfter(0),
        _ => Act::Reply(OK),
    })
    .await;
    let f = fixture(
        &[&clamd.server],
        "breaker: {failures: 3, retry_after: 100ms}",
    );
    // Not early, so that each message is one failure.
    let complete = || async {
        let scan = Scan {
            mail: Mail::parse(Bytes::from_static(b"a: b\r\n\r\nx"), &Limits::default()),
            ..Scan::default()
        };
        f.filter.check().finish(Arc::new(scan)).await
    };
    clamd.answer_pings(false);
    for n in 1..=3 {
        assert_eq!(f.up(&clamd.server), 1);
        unscanned(&complete().await, Reason::Error, "closed");
        assert_eq!(clamd.count().streams, n);
    }
    assert_eq!(f.up(&clamd.server), 0);
    unscanned(&complete().await, Reason::Down, "left alone");
    assert_eq!((clamd.count().streams, clamd.count().pings), (3, 0));

    // Half open: one probe that fails leaves it alone again.
    let start = Instant::now();
    while clamd.count().pings == 0 {
        unscanned(&complete().await, Reason::Down, "left alone");
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "it was never probed"
        );
    }
    assert_eq!((clamd.count().streams, f.up(&clamd.server)), (3, 0));

    // And one that succeeds puts it back in use, for the very message that caused it.
    clamd.answer_pings(true);
    let outcome = loop {
        match complete().await {
            Outcome::Unscanned {
                reason: Reason::Down,
                ..
            } => {
                assert!(
                    start.elapsed() < Duration::from_secs(10),
                    "it never came back"
                );
            }
            other => break other,
        }
    };
    assert_eq!((outcome, f.up(&clamd.server)), (clean(), 1));
}

#[tokio::test]
async fn a_message_that_clamd_cannot_read_does_not_take_servers_out_of_use() {
    let clamd = FakeClamd::start(|_| Act::Reply(b"stream: Malformed file ERROR\0")).await;
    let f = fixture(&[&clamd.server], "breaker: {failures: 1}");
    for _ in 0..3 {
        unscanned(&f.scan(b"x").await, Reason::Error, "Malformed file");
    }
    assert_eq!(f.up(&clamd.server), 1);
}

#[tokio::test]
async fn a_broken_server_is_passed_over_while_another_works() {
    let absent = nobody().await;
    let good = FakeClamd::start(|_| Act::Reply(OK)).await;
    let f = fixture(
        &[&absent, &good.server],
        "breaker: {failures: 2, retry_after: 1h}",
    );
    for _ in 0..5 {
        assert_eq!(f.scan(b"x").await, clean());
    }
    assert_eq!(f.counted(&absent, "down"), 2);
    assert_eq!((f.up(&absent), f.up(&good.server)), (0, 1));
}
