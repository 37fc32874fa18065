//! A list that does not work is taken out of use, and comes back by itself.

use std::sync::atomic::{AtomicBool, Ordering};

use super::subjects::message;
use super::*;

const QUICK: &str = "timeout: 2s
guard: { interval: 100ms, retry_after: 100ms, failures: 3, slow: 1s }";

impl Fixture {
    pub(crate) fn in_use(&self, zone: &str) -> bool {
        self.metrics.dnsbl_up.with_label_values(&[zone]).get() == 1
    }

    fn taken_out(&self, zone: &str, cause: &str) -> u64 {
        let trips = &self.metrics.dnsbl_trips;
        trips.with_label_values(&[zone, cause]).get()
    }
}

/// Lets everything else go on until `done`.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        tokio::task::yield_now().await;
    }
}

/// A list in order: it has its test entries and nothing else.
fn in_order(q: &dns_server::Question) -> Reply {
    match q.name.split(".bl.").next() {
        Some("2.0.0.127" | "test") => Reply::A(vec![[127, 0, 0, 2]], 60),
        _ => Reply::NxDomain(Some(60)),
    }
}

#[tokio::test]
async fn failures_in_a_row_take_a_list_out_and_its_test_brings_it_back() {
    let works = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&works);
    let dns = FakeDns::start(move |q| match seen.load(Ordering::SeqCst) {
        true => in_order(q),
        false => Reply::Code(ResponseCode::ServFail),
    })
    .await;
    let f = fixture(&dns, &format!("{QUICK}\n{ONE_ZONE}"));
    for n in 1..=3 {
        assert!(f.in_use("bl.example.org"));
        let outcome = f.ask(&format!("192.0.2.{n}")).await;
        unscanned(&outcome, Reason::Error, "SERVFAIL");
    }
    assert!(!f.in_use("bl.example.org"));
    assert_eq!(f.taken_out("bl.example.org", "error"), 1);

    let before = dns.questions().len();
    unscanned(
        &f.ask("192.0.2.4").await,
        Reason::Down,
        "bl.example.org: out of use: it gives errors",
    );
    assert_eq!(dns.questions().len(), before, "nobody is asked");
    assert_eq!(f.counted("bl.example.org", "skipped"), 1);

    f.filter.in_force(&f.metrics);
    dns.asked(before + 6).await;
    assert!(!f.in_use("bl.example.org"), "tests fail as messages did");
    works.store(true, Ordering::SeqCst);
    until("the list is back", || f.in_use("bl.example.org")).await;
    assert_eq!(f.ask("192.0.2.5").await, Outcome::Checked(vec![]));
    assert_eq!(f.taken_out("bl.example.org", "error"), 1);
}

#[tokio::test]
async fn answers_between_failures_keep_a_list_in_use() {
    let dns = FakeDns::start(|q| match q.name.starts_with("1.") {
        true => Reply::NxDomain(Some(0)),
        false => Reply::Code(ResponseCode::ServFail),
    })
    .await;
    let f = fixture(&dns, &format!("{QUICK}\n{ONE_ZONE}"));
    for _ in 0..4 {
        f.ask("192.0.2.2").await;
        f.ask("192.0.2.3").await;
        f.ask("192.0.2.1").await;
    }
    assert!(f.in_use("bl.example.org"));
}

#[tokio::test]
async fn one_answer_for_many_messages_is_counted_against_a_list_once() {
    let dns = FakeDns::start(|_| Reply::A(vec![[127, 255, 255, 254]], 300)).await;
    let f = fixture(&dns, &format!("{QUICK}\n{ONE_ZONE}"));
    for _ in 0..10 {
        unscanned(&f.ask("192.0.2.1").await, Reason::Error, "refuses");
    }
    assert!(f.in_use("bl.example.org"));
    assert_eq!(f.counted("bl.example.org", "refused"), 1);
}

#[tokio::test]
async fn a_list_that_is_dead_is_out_before_mail_meets_it() {
    for (zone, test) in [
        ("subjects: [client], ipv6: false", "1.0.0.127"),
        ("subjects: [url]", "invalid"),
        (
            "subjects: [email], hash: {algorithm: sha1}",
            // printf invalid | sha1sum
            "81f344a7686a80b4c5293e8fdc0b0160c82c06a8",
        ),
    ] {
        for (cause, reply) in [
            ("everything", Reply::A(vec![[127, 0, 0, 2]], 60)),
            ("refused", Reply::A(vec![[127, 255, 255, 254]], 60)),
            ("refused", Reply::A(vec![[127, 0, 0, 1]], 60)),
            ("bogus", Reply::A(vec![[203, 0, 113, 9]], 60)),
            ("gone", Reply::NxDomain(Some(60))),
        ] {
            let hashed = zone.contains("hash");
            if hashed && cause == "gone" {
                // A list of hashes has no test entry of its own.
                continue;
            }
            let all = reply.clone();
            let dns = FakeDns::start(move |_| all.clone()).await;
            let f = fixture(
                &dns,
                &format!("{QUICK}\nzones: [{{zone: bl.example.org, score: 1, {zone}}}]"),
            );
            f.filter.in_force(&f.metrics);
            until(&format!("{zone} {reply:?}"), || !f.in_use("bl.example.org")).await;
            assert_eq!(f.taken_out("bl.example.org", cause), 1, "{zone} {reply:?}");
            assert!(dns.count(&format!("{test}.bl.example.org")) > 0, "{zone}");
        }
    }
}

#[tokio::test]
async fn tests_ask_anew_whatever_is_kept() {
    let dead = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&dead);
    let dns = FakeDns::start(move |q| match seen.load(Ordering::SeqCst) {
        true => Reply::A(vec![[127, 0, 0, 2]], 3600),
        false => in_order(q),
    })
    .await;
    let f = fixture(&dns, &format!("{QUICK}\n{ONE_ZONE}"));
    f.filter.in_force(&f.metrics);
    dns.asked(8).await;
    assert!(f.in_use("bl.example.org"));
    dead.store(true, Ordering::SeqCst);
    until("it lists everything", || !f.in_use("bl.example.org")).await;
    assert_eq!(f.taken_out("bl.example.org", "everything"), 1);
    dead.store(false, Ordering::SeqCst);
    until("it is in order", || f.in_use("bl.example.org")).await;
}

#[tokio::test]
async fn a_slow_list_is_taken_out_though_its_answers_count() {
    let dns =
        FakeDns::start(|q| Reply::After(Duration::from_millis(60), Box::new(in_order(q)))).await;
    let f = fixture(
        &dns,
        &format!("timeout: 5s\nguard: {{ failures: 2, slow: 20ms }}\n{ONE_ZONE}"),
    );
    for n in 1..=2 {
        let outcome = f.ask(&format!("192.0.2.{n}")).await;
        assert_eq!(outcome, Outcome::Checked(vec![]));
    }
    assert!(!f.in_use("bl.example.org"));
    assert_eq!(f.taken_out("bl.example.org", "slow"), 1);
}

#[tokio::test]
async fn a_silent_list_is_waited_for_no_more_once_it_is_out() {
    let dns = FakeDns::start(|_| Reply::Silence).await;
    let f = fixture(
        &dns,
        &format!("timeout: 200ms\nguard: {{ failures: 2 }}\n{ONE_ZONE}"),
    );
    for n in 1..=2 {
        f.ask(&format!("192.0.2.{n}")).await;
    }
    let start = Instant::now();
    for n in 10..60 {
        unscanned(
            &f.ask(&format!("192.0.2.{n}")).await,
            Reason::Down,
            "it does not answer in time",
        );
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn names_of_a_list_that_lists_everything_list_nothing() {
    let dns = FakeDns::start(|_| Reply::A(vec![[127, 0, 1, 2]], 60)).await;
    let f = fixture(
        &dns,
        "zones: [{zone: bl.example.org, score: 1, subjects: [url]}]",
    );
    let text = "Subject: x\r\n\r\nhttp://www.example.com/\r\n";
    let outcome = message(&f, &client("192.0.2.1"), text).await;
    unscanned(&outcome, Reason::Error, "lists everything");
    assert!(outcome.hits().is_empty());
}

#[tokio::test]
async fn test_entries_of_a_list_may_be_its_own() {
    let dns = FakeDns::start(|q| match q.name.as_str() {
        "dbltest.com.bl.example.org" | "www.bl.example.org" => Reply::A(vec![[127, 0, 1, 2]], 60),
        _ => Reply::NxDomain(Some(60)),
    })
    .await;
    let zone = |test: &str| {
        format!(
            "{QUICK}\nzones: [{{zone: bl.example.org, score: 1, subjects: [url], test: {test}}}]"
        )
    };
    let f = fixture(&dns, &zone("{listed: dbltest.com}"));
    f.filter.in_force(&f.metrics);
    dns.asked(4).await;
    assert!(f.in_use("bl.example.org"));

    let f = fixture(&dns, &zone("{listed: null, unlisted: www}"));
    f.filter.in_force(&f.metrics);
    until("its test entry is listed", || !f.in_use("bl.example.org")).await;
}

#[tokio::test]
async fn the_series_of_a_list_go_with_the_filter_that_asks_it() {
    let dns = FakeDns::start(in_order).await;
    let f = fixture(&dns, &format!("{QUICK}\n{ONE_ZONE}"));
    let shown = || String::from_utf8(f.metrics.encode().unwrap()).unwrap();
    let check = f.connect("192.0.2.1");
    assert!(shown().contains("mailweir_dnsbl_up{zone=\"bl.example.org\"} 1"));
    drop(f.filter);
    // A message that began under it is still counted.
    assert_eq!(finish(check).await, Outcome::Checked(Vec::new()));
    let left = shown();
    assert!(!left.contains("bl.example.org"), "{left}");
}
