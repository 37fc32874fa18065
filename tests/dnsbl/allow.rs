//! Allow lists.

use super::subjects::message;
use super::*;

const MESSAGE: &str =
    "From: a@from.example.com\r\n\r\nhttp://www.good.example.org http://evil.example.com\r\n";

/// Everything is listed in the block list; `allowed` in the allow list.
fn world(
    allowed: &'static [&'static str],
) -> impl Fn(&dns_server::Question) -> Reply + Send + Sync {
    move |q| {
        let front = |zone: &str| q.name.strip_suffix(zone).map(str::to_owned);
        let test = ["1.0.0.127", "invalid"];
        let listed = match (front(".bl.example.org"), front(".wl.example.org")) {
            (Some(block), _) => !test.contains(&block.as_str()),
            (_, Some(allow)) => allowed.contains(&allow.as_str()),
            _ => false,
        };
        match listed && q.kind == RecordType::A {
            true => Reply::A(vec![[127, 0, 9, 3]], 60),
            false => Reply::NxDomain(Some(60)),
        }
    }
}

#[tokio::test]
async fn what_an_allow_list_exempts_no_block_list_counts_against() {
    let dns = FakeDns::start(world(&["example.org"])).await;
    let f = fixture(
        &dns,
        "zones:
  - { zone: bl.example.org, score: 5, subjects: [client, url], names: host }
  - zone: wl.example.org
    allow: true
    subjects: [url]
    codes: [{ codes: [127.0.*.3], id: TRUSTED, score: -2, exempt: true }]
",
    );
    let outcome = message(&f, &client("192.0.2.1"), MESSAGE).await;
    assert_eq!(rules(outcome.hits()), ["DNSBL_BL_EXAMPLE_ORG", "TRUSTED"]);
    let blocked = &outcome.hits()[0].evidence;
    assert!(blocked.contains("192.0.2.1 (client)"), "{blocked}");
    assert!(blocked.contains("evil.example.com (url)"), "{blocked}");
    assert!(!blocked.contains("good"), "{blocked}");
    assert!((outcome.hits()[1].score + 2.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_decisive_listing_waits_for_the_list_that_may_exempt_it() {
    let gate = Gate::new();
    let held = gate.clone();
    let dns = FakeDns::start(move |q| {
        let answer = world(&["1.2.0.192"])(q);
        match q.name.ends_with(".wl.example.org") {
            true => Reply::Gate(held.clone(), Box::new(answer)),
            false => answer,
        }
    })
    .await;
    let f = fixture(
        &dns,
        "zones:
  - { zone: bl.example.org, score: 5, decisive: reject, txt: false }
  - { zone: wl.example.org, score: -1, allow: true, exempt: true, txt: false }
",
    );
    let mut check = f.connect("192.0.2.1");
    // The listing, the allow list, and whether the block list lists everything.
    dns.asked(3).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
        assert_eq!(check.decisive(), None);
    }
    gate.open();
    let outcome = finish(check).await;
    assert_eq!(rules(outcome.hits()), ["DNSBL_WL_EXAMPLE_ORG"]);

    let mut other = f.connect("192.0.2.2");
    let hit = loop {
        if let Some(hit) = other.decisive() {
            break hit;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(hit.decisive, Some(Action::Reject));
}

#[tokio::test]
async fn an_allow_list_may_set_the_score_aside_and_never_ends_the_evaluation() {
    let dns = FakeDns::start(world(&["1.2.0.192"])).await;
    let f = fixture(
        &dns,
        "zones: [{ zone: wl.example.org, score: 0, allow: true, decisive: deliver }]",
    );
    assert!(!f.filter.may_decide_early());
    let outcome = f.ask("192.0.2.1").await;
    assert_eq!(outcome.hits()[0].decisive, Some(Action::Deliver));
    assert!(!outcome.hits()[0].ends());
}
