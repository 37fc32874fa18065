//! When questions leave, how many there are, and what becomes of a message when they are not answered.

use std::sync::Arc;
use std::time::Duration;

use mailweir::auth::dmarc::DmarcResult;
use mailweir::auth::spf::{self, Query, SpfResult};
use mailweir::filter::{Outcome, Reason};
use mailweir::mail::Spool;

use crate::dns_server::{FakeDns, Gate, Reply};
use crate::filter::{CLIENT, message, zone};
use crate::fixture::{Fixture, envelope, finish, rules};
use crate::signer::Signer;
use crate::zone::Zone;
use crate::{questions, resolver};

#[tokio::test]
async fn a_temporary_failure_is_unscanned_and_the_other_results_stay() {
    let signer = Signer::new("example.org");
    let base = || {
        signer
            .published(zone())
            .txt("_dmarc.example.org", "v=DMARC1; p=reject")
    };
    for (zone, words) in [
        (
            base().broken("elsewhere.example"),
            "spf: the resolver answered SERVFAIL",
        ),
        (
            zone()
                .broken("s._domainkey.example.org")
                .txt("_dmarc.example.org", "v=DMARC1; p=reject"),
            "dkim: the resolver answered SERVFAIL; dmarc: the resolver answered SERVFAIL",
        ),
        (
            signer.published(zone()).broken("_dmarc.example.org"),
            "dmarc: the resolver answered SERVFAIL",
        ),
        (
            signer.published(Zone::default().broken("1.2.0.192.in-addr.arpa")),
            "iprev: the resolver answered SERVFAIL",
        ),
    ] {
        let server = zone.serve().await;
        let f = Fixture::new(&server, "");
        let signed = signer.sign(&message("example.org"));
        let (outcome, found) = f
            .examine(&envelope(CLIENT, "x@elsewhere.example"), signed.as_bytes())
            .await;
        let Outcome::Unscanned {
            reason,
            detail,
            hits,
        } = &outcome
        else {
            panic!("{words}: {outcome:?}");
        };
        assert_eq!((*reason, detail.as_str()), (Reason::Error, words));
        assert!(!hits.is_empty(), "{words}");
        // What could not be asked is no reason to refuse.
        assert!(!rules(&outcome).contains(&"DMARC_REJECT"), "{words}");
        assert!(found.is_some());
    }
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let server = FakeDns::start(|_| Reply::Silence).await;
    let f = Fixture::new(&server, "timeout: 100ms");
    let (outcome, _) = f
        .examine(
            &envelope(CLIENT, "ann@example.org"),
            message("example.org").as_bytes(),
        )
        .await;
    let Outcome::Unscanned { reason, detail, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(reason, Reason::Timeout);
    for method in ["iprev", "spf", "dmarc"] {
        assert!(detail.contains(method), "{detail}");
    }
}

#[tokio::test]
async fn questions_of_one_message_are_bounded() {
    // Ten includes, each with ten more names: SPF has its own bound, and all together have one.
    let server = zone()
        .txt(
            "example.com",
            "v=spf1 mx mx:a.example.com mx:b.example.com -all",
        )
        .serve()
        .await;
    let f = Fixture::new(&server, "max_lookups: 10");
    let from = "a.b.c.d.e.f.example.com";
    let (outcome, _) = f
        .examine(&envelope(CLIENT, "x@example.com"), message(from).as_bytes())
        .await;
    let Outcome::Unscanned { reason, detail, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(reason, Reason::Limit);
    assert!(detail.contains("too many look-ups"), "{detail}");
    assert_eq!(server.questions().len(), 10);
}

#[tokio::test]
async fn of_many_signatures_those_of_the_author_come_first() {
    let (own, other) = (Signer::new("example.org"), Signer::new("spam.example"));
    let zone = own.published(other.published(zone()));
    let server = zone
        .txt("_dmarc.example.org", "v=DMARC1; p=reject")
        .serve()
        .await;
    let f = Fixture::new(&server, "max_signatures: 3");
    let mut raw = message("example.org");
    for n in 0..20 {
        let signer = if n == 9 { &own } else { &other };
        raw = signer.sign(&raw);
    }
    let (outcome, found) = f
        .examine(&envelope(CLIENT, "x@spam.example"), raw.as_bytes())
        .await;
    assert!(rules(&outcome).contains(&"DMARC_PASS"), "{outcome:?}");
    assert_eq!(found.unwrap().dkim.len(), 3);
}

/// A name to which `_dmarc.` or a selector cannot be put has no policy and no key; that is no failure of DNS.
#[tokio::test]
async fn names_that_are_too_long_to_ask_for_have_nothing() {
    let server = zone().serve().await;
    let f = Fixture::new(&server, "");
    let long = format!(
        "{}.{}.{}.{}.example.org",
        "a".repeat(60),
        "b".repeat(60),
        "c".repeat(60),
        "d".repeat(55)
    );
    assert!(long.len() > 246 && long.len() <= 253);
    let signed = Signer::new(&long).sign(&message("example.org"));
    let signed = signed.replace(
        "From: Ann <ann@example.org>",
        &format!("From: Ann <ann@{long}>"),
    );
    let (outcome, found) = f.examine(&envelope(CLIENT, ""), signed.as_bytes()).await;
    assert!(matches!(outcome, Outcome::Checked(_)), "{outcome:?}");
    let found = found.unwrap();
    assert_eq!(found.dkim[0].reason, "there is no key");
    assert_eq!(found.dmarc.as_ref().unwrap().result, DmarcResult::None);
}

/// Each question leaves as soon as what it is about is known.
#[tokio::test]
async fn questions_leave_before_the_message_is_there() {
    let gate = Gate::new();
    let held = gate.clone();
    let signer = Signer::new("example.org");
    let zone = signer
        .published(zone())
        .txt("_dmarc.example.org", "v=DMARC1; p=reject");
    let server = FakeDns::start(move |q| Reply::Gate(held.clone(), Box::new(zone.answer(q)))).await;
    let f = Fixture::new(&server, "");
    let envelope = envelope(CLIENT, "ann@example.org");
    let signed = signer.sign(&message("example.org"));
    let mut check = f.filter.check();
    check.connect(&envelope);
    server.asked(1).await;
    assert_eq!(server.count("1.2.0.192.in-addr.arpa"), 1);
    check.helo(&envelope);
    check.mail(&envelope);
    server.asked(2).await;
    assert_eq!(server.count("example.org"), 1);
    let spool = Arc::new(Spool::new());
    let (header, body) = signed.split_once("\r\n\r\n").unwrap();
    spool.push(format!("{header}\r\n\r\n").as_bytes());
    check.headers(&envelope, &spool);
    // The key and the policy, while the body is not there yet.
    server.asked(5).await;
    assert_eq!(server.count("s._domainkey.example.org"), 1);
    assert_eq!(server.count("_dmarc.example.org"), 1);
    gate.open();
    spool.push(body.as_bytes());
    let (outcome, _) = finish(check, &envelope, spool.complete()).await;
    assert!(rules(&outcome).contains(&"DMARC_PASS"), "{outcome:?}");
}

/// SPF takes as many round trips as includes are nested, not as there are terms.
#[tokio::test]
async fn all_includes_are_asked_for_at_once() {
    let gate = Gate::new();
    let held = gate.clone();
    let includes: String = (1..=8)
        .map(|n| format!("include:i{n}.example.com "))
        .collect();
    let mut zone = zone().txt(
        "example.com",
        &format!("v=spf1 {includes}a:i9.example.com -all"),
    );
    for n in 1..=8 {
        zone = zone.txt(
            &format!("i{n}.example.com"),
            "v=spf1 ip4:198.51.100.0/24 -all",
        );
    }
    let zone = zone.txt(
        "early.example.com",
        &format!("v=spf1 ip4:192.0.2.1 {includes}-all"),
    );
    let server = FakeDns::start(move |q| match q.name.starts_with('i') {
        true => Reply::Gate(held.clone(), Box::new(zone.answer(q))),
        false => zone.answer(q),
    })
    .await;
    let dns = resolver(
        &server,
        &Arc::new(mailweir::metrics::Metrics::new().unwrap()),
    );
    let names = questions(&dns);
    let query = |sender| Query {
        client: CLIENT.parse().unwrap(),
        helo: "mail.example.org",
        sender,
    };
    let check = spf::check(&names, query("ann@example.com"));
    let all_asked = async {
        // The record, eight includes, the addresses: before any include is answered.
        server.asked(10).await;
        gate.open();
    };
    let (said, ()) = tokio::join!(check, all_asked);
    assert_eq!(said.result, SpfResult::Fail);
    assert_eq!(server.questions().len(), 10);
    // What decides without a question costs none.
    let said = spf::check(&names, query("ann@early.example.com")).await;
    assert_eq!(said.result, SpfResult::Pass);
    assert_eq!(server.questions().len(), 11);
}

#[tokio::test]
async fn a_dropped_check_asks_no_more() {
    let server = FakeDns::start(|_| Reply::Silence).await;
    let f = Fixture::new(&server, "");
    let envelope = envelope(CLIENT, "ann@example.org");
    let mut check = f.filter.check();
    check.connect(&envelope);
    server.asked(1).await;
    drop(check);
    tokio::time::timeout(Duration::from_secs(20), async {
        while f.metrics.dns_in_flight.get() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("what is on its way is given up");
}

#[tokio::test]
async fn a_long_header_is_a_limit() {
    let server = zone().serve().await;
    let f = Fixture::new(&server, "");
    let long = format!("X: {}\r\n{}", "a".repeat(1 << 20), message("example.org"));
    let (outcome, _) = f
        .examine(&envelope(CLIENT, "ann@example.org"), long.as_bytes())
        .await;
    let Outcome::Unscanned { reason, hits, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(reason, Reason::Limit);
    assert!(hits.iter().any(|h| &*h.rule == "SPF_PASS"));
}
