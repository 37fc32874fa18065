//! A second server beside one that takes long.

use super::*;

const SOON: &str = "hedge_after: 20ms\nreply_timeout: 30s";

impl Fixture {
    fn hedges(&self, second: &str) -> (u64, u64) {
        let hedges = &self.metrics.clamav_hedges;
        let count = |result| hedges.with_label_values(&[second, result]).get();
        (count("sent"), count("won"))
    }
}

#[tokio::test]
async fn a_second_server_answers_for_one_that_takes_long() {
    for act in [Act::Silence, Act::TakeNothing] {
        let first = FakeClamd::start(move |_| act.clone()).await;
        let second = FakeClamd::start(|_| Act::Reply(FOUND)).await;
        let f = fixture(&[&first.server, &second.server], SOON);
        let transfer = f.begin();
        transfer.spool.push(&body(20 << 20));
        let (outcome, raw) = transfer.finish().await;
        assert_eq!(outcome.hits().len(), 1, "{outcome:?}");
        assert!(second.messages() == [raw.to_vec()], "not the exact message");
        assert_eq!(f.hedges(&second.server), (1, 1));
        assert_eq!(f.counted(&first.server, "overtaken"), 1);
        until(|| f.running(&first.server) == 0, "its stream to be closed").await;
    }
}

#[tokio::test]
async fn the_first_may_still_be_the_quicker_one() {
    let gate = Gate::new();
    let held = gate.clone();
    let first = FakeClamd::start(move |_| Act::ReplyAtGate(held.clone(), OK)).await;
    for act in [
        Act::Silence,
        Act::CloseAfter(0),
        Act::Reply(b"nonsense\0"),
        Act::TakesAtMost(1),
    ] {
        let second = FakeClamd::start(move |_| act.clone()).await;
        let f = fixture(&[&first.server, &second.server], SOON);
        let transfer = tokio::spawn(f.begin().finish());
        second.until(|c| c.streams == 1).await;
        gate.open();
        assert_eq!(transfer.await.unwrap().0, clean());
        gate.close();
        assert_eq!(f.hedges(&second.server), (1, 0));
        assert_eq!(f.counted(&first.server, "overtaken"), 0);
        second.until(|c| c.open == 0).await;
    }
}

#[tokio::test]
async fn nobody_is_asked_twice_and_nobody_who_is_busy() {
    let gate = Gate::new();
    let held = gate.clone();
    let only = FakeClamd::start(move |_| Act::ReplyAtGate(held.clone(), OK)).await;
    let absent = nobody().await;
    // Without a second server, with one that is left alone, and with one whose only stream is taken.
    let hold = gate.clone();
    let busy = FakeClamd::start(move |_| Act::ReplyAtGate(hold.clone(), OK)).await;
    let rest = format!("{SOON}\nstreams_per_server: 1\nbreaker: {{failures: 1, retry_after: 1h}}");
    for servers in [
        vec![&only.server],
        vec![&absent, &only.server],
        vec![&only.server, &busy.server],
    ] {
        let servers: Vec<&str> = servers.into_iter().map(String::as_str).collect();
        let f = fixture(&servers, &rest);
        let before = only.count().streams;
        let messages = servers.iter().filter(|s| **s != absent).count();
        let sent: Vec<_> = (0..messages)
            .map(|_| tokio::spawn(f.begin().finish()))
            .collect();
        only.until(|c| c.streams > before).await;
        // Longer than the wait for a second server: this is what the test is about.
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.open();
        for one in sent {
            assert_eq!(one.await.unwrap().0, clean());
        }
        gate.close();
        assert_eq!(only.count().streams, before + 1, "{servers:?}");
        for server in servers {
            assert_eq!(f.hedges(server), (0, 0), "{server}");
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_found_out_though_it_is_always_overtaken() {
    let hung = FakeClamd::start(|_| Act::Silence).await;
    let good = FakeClamd::start(|_| Act::Reply(OK)).await;
    let f = fixture(
        &[&hung.server, &good.server],
        &format!("{SOON}\nbreaker: {{failures: 3, retry_after: 1h}}"),
    );
    for _ in 0..6 {
        assert_eq!(f.scan(b"x").await, clean());
    }
    assert_eq!((f.up(&hung.server), f.up(&good.server)), (0, 1));
    assert_eq!((hung.count().streams, good.count().streams), (3, 6));
}
