//! The cache, and the bounds of what is on its way.

use std::collections::BTreeSet;

use super::guard::until;
use super::*;

#[tokio::test]
async fn equal_questions_are_asked_once_while_on_their_way_and_while_kept() {
    let gate = Gate::new();
    let held = gate.clone();
    let dns =
        FakeDns::start(move |_| Reply::Gate(held.clone(), Box::new(Reply::NxDomain(Some(300)))))
            .await;
    let f = fixture(&dns, ONE_ZONE);
    let checks: Vec<_> = (0..20).map(|_| f.connect("192.0.2.1")).collect();
    dns.asked(1).await;
    gate.open();
    for check in checks {
        assert_eq!(finish(check).await, Outcome::Checked(vec![]));
    }
    assert_eq!(f.ask("192.0.2.1").await, Outcome::Checked(vec![]));
    assert_eq!(dns.count(V4), 1);
    assert_eq!(f.counted("bl.example.org", "cached"), 20);
    assert_eq!(f.counted("bl.example.org", "not_listed"), 1);
}

#[tokio::test]
async fn what_is_remembered_is_known_at_once() {
    let dns = FakeDns::start(lists([127, 0, 0, 2])).await;
    let zone = "zones: [{zone: bl.example.org, score: 3, decisive: reject, txt: false}]";
    let f = fixture(&dns, zone);
    assert_eq!(f.connect("192.0.2.1").decisive(), None);
    f.ask("192.0.2.1").await;
    let hit = f.connect("192.0.2.1").decisive().unwrap();
    assert_eq!(hit.decisive, Some(Action::Reject));
}

#[tokio::test]
async fn failures_and_answers_without_a_ttl_are_not_kept() {
    for reply in [
        Reply::Code(ResponseCode::ServFail),
        Reply::NxDomain(None),
        Reply::A(vec![[127, 255, 255, 255]], 0),
    ] {
        let shown = format!("{reply:?}");
        let dns = FakeDns::start(move |_| reply.clone()).await;
        let f = fixture_with(&dns, "attempts: 1", ONE_ZONE);
        f.ask("192.0.2.1").await;
        f.ask("192.0.2.1").await;
        assert_eq!(dns.count(V4), 2, "{shown}");
        assert_eq!(f.counted("bl.example.org", "cached"), 0, "{shown}");
    }
}

#[tokio::test]
async fn ttls_are_held_between_the_bounds_of_the_configuration() {
    let dns = FakeDns::start(|_| Reply::NxDomain(None)).await;
    let f = fixture_with(&dns, "cache_min_ttl: 10m", ONE_ZONE);
    f.ask("192.0.2.1").await;
    f.ask("192.0.2.1").await;
    assert_eq!(dns.count(V4), 1);

    let dns = FakeDns::start(|_| Reply::NxDomain(Some(86400))).await;
    let f = fixture_with(&dns, "cache_max_ttl: 20ms", ONE_ZONE);
    let start = Instant::now();
    // Twice, because an entry past its time is replaced, not created.
    while dns.count(V4) < 3 {
        f.ask("192.0.2.1").await;
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the answer is kept past its time"
        );
    }
    assert!(start.elapsed() >= Duration::from_millis(40));
    assert!(f.counted("bl.example.org", "cached") > 0);
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let dns = FakeDns::start(|_| Reply::NxDomain(Some(300))).await;
    let f = fixture_with(&dns, "cache_entries: 10", ONE_ZONE);
    for n in 0..200 {
        f.ask(&format!("192.0.2.{n}")).await;
    }
    let entries = f.metrics.dns_cache_entries.get();
    // The cache catches up with itself in batches of its own.
    assert!(entries <= 80, "{entries} entries");
}

#[tokio::test]
async fn queries_in_flight_are_bounded_and_a_dead_list_starves_no_other() {
    let dns = FakeDns::start(|q| {
        if q.name.ends_with("dead.example.org") {
            Reply::Silence
        } else {
            Reply::NxDomain(Some(300))
        }
    })
    .await;
    let f = fixture_with(
        &dns,
        "timeout: 30s\nqueries_in_flight: 8",
        "timeout: 30s
zones: [{zone: dead.example.org, score: 1}, {zone: bl.example.org, score: 1}]",
    );
    let checks: Vec<_> = (0..20)
        .map(|n| f.connect(&format!("192.0.2.{n}")))
        .collect();
    let dead = || {
        let questions = dns.questions().into_iter().map(|q| q.name);
        let dead = questions.filter(|name| name.ends_with("dead.example.org"));
        dead.collect::<BTreeSet<_>>().len()
    };
    until("the answers of the other list", || {
        f.counted("bl.example.org", "not_listed") == 20 && dead() >= 2
    })
    .await;
    assert_eq!(dead(), 2, "two of the eight are its share");
    drop(checks);
}

#[tokio::test]
async fn a_dropped_check_gives_its_place_back_and_leaves_the_others_their_answer() {
    let gate = Gate::new();
    let held = gate.clone();
    let dns =
        FakeDns::start(move |_| Reply::Gate(held.clone(), Box::new(Reply::NxDomain(Some(300)))))
            .await;
    let f = fixture_with(
        &dns,
        "queries_in_flight: 1\ntimeout: 30s",
        &format!("timeout: 30s\n{ONE_ZONE}"),
    );
    let first = f.connect("192.0.2.1");
    dns.asked(1).await;
    let second = f.connect("192.0.2.1");
    let third = f.connect("192.0.2.3");
    drop(first);
    gate.open();
    assert_eq!(finish(second).await, Outcome::Checked(vec![]));
    assert_eq!(finish(third).await, Outcome::Checked(vec![]));
}

#[tokio::test]
async fn what_is_asked_anew_takes_the_place_of_what_is_kept() {
    let dns = FakeDns::start(|q| match q.kind {
        RecordType::TXT => Reply::Records(vec![txt(&q.name, "v=spf1 -all")]),
        RecordType::A => Reply::A(vec![[192, 0, 2, 9]], 300),
        _ => Reply::NoData,
    })
    .await;
    let metrics = Arc::new(Metrics::new().unwrap());
    let yaml = format!("resolvers: [\"{}\"]", dns.addr);
    let (source, options) = options::<dns::Options>(&yaml).unwrap();
    let resolver = Dns::new(&options, &source, &metrics).unwrap();
    assert!(resolver.serves(&options, &source));
    assert!(!resolver.serves(&dns::Options::default(), &source));
    let share = resolver.share(1);
    for (kind, asked) in [(RecordType::A, 1), (RecordType::TXT, 2), (RecordType::A, 2)] {
        let found = resolver
            .lookup("a.example.org.", kind, &share)
            .await
            .unwrap();
        assert_eq!(found.records.len(), 1, "{kind}");
        assert_eq!(dns.questions().len(), asked, "each type is kept for itself");
    }
    let fresh = resolver
        .refresh("a.example.org.", RecordType::A, &share)
        .await
        .unwrap();
    assert!(fresh.took.is_some() && dns.questions().len() == 3);
    assert_eq!(metrics.dns_cached.get(), 1);
    assert_eq!(metrics.dns_in_flight.get(), 0);
    let answered = metrics.dns_queries.with_label_values(&["answered"]);
    assert_eq!(answered.get(), 3);
}
