//! rbldnsd behind unbound.

use super::guard::until;
use super::subjects::{MESSAGE, message};
use super::*;

#[tokio::test]
async fn rbldnsd_behind_unbound_is_understood() {
    let Some(lists) = dns_server::rbldnsd::Lists::start() else {
        return;
    };
    let yaml = "zones:
  - zone: bl.test.example
    score: 2
    codes: [{codes: [127.0.0.4], id: PROXY, score: 5, decisive: reject}]
  - {zone: six.test.example, score: 3}
";
    let resolvers = format!("resolvers: [\"127.0.0.1:{}\"]", lists.resolver);
    let f = from_parts(&resolvers, yaml).unwrap();
    let listed = f.ask("192.0.2.1").await;
    assert_eq!(
        rules(listed.hits()),
        ["DNSBL_BL_TEST_EXAMPLE"],
        "{listed:?}"
    );
    assert_eq!(rules(f.ask("198.51.100.77").await.hits()), ["PROXY"]);
    assert_eq!(f.ask("203.0.113.5").await, Outcome::Checked(vec![]));
    let six = f.ask("2001:db8::25").await;
    assert_eq!(rules(six.hits()), ["DNSBL_SIX_TEST_EXAMPLE"], "{six:?}");
    assert_eq!(f.ask("2001:db8:1::25").await, Outcome::Checked(vec![]));
    // The answers of unbound come with TTLs that are kept.
    f.ask("192.0.2.1").await;
    assert_eq!(f.counted("bl.test.example", "cached"), 1);
}

#[tokio::test]
async fn names_and_hashes_of_rbldnsd_behind_unbound_are_understood() {
    let Some(lists) = dns_server::rbldnsd::Lists::start() else {
        return;
    };
    let yaml = "zones:
  - {zone: names.test.example, score: 2, subjects: [url, email, dkim], hash: {algorithm: sha1}}
  - {zone: six.test.example, score: 2, ipv4: false}";
    let resolvers = format!("resolvers: [\"127.0.0.1:{}\"]", lists.resolver);
    let f = from_parts(&resolvers, yaml).unwrap();
    let outcome = message(&f, &client("192.0.2.1"), MESSAGE).await;
    assert_eq!(rules(outcome.hits()), ["DNSBL_NAMES_TEST_EXAMPLE"]);
    assert_eq!(
        outcome.hits()[0].evidence,
        "Ann+news@from.example.com (email) listed in names.test.example: 127.0.1.2 \"listed, see \
f0e0d69ea552a7d7ec5e96a13c9b8c09f3f9d969\"; \
example.co.uk (url) listed in names.test.example: 127.0.1.2 \"listed, see example.co.uk\""
    );
}

#[tokio::test]
async fn a_server_that_is_stopped_is_left_alone_and_used_again_when_it_is_back() {
    let Some(mut lists) = dns_server::rbldnsd::Lists::start() else {
        return;
    };
    let yaml = "timeout: 2s
guard: { interval: 100ms, retry_after: 100ms, failures: 2 }
zones: [{zone: bl.test.example, score: 2}, {zone: names.test.example, score: 2, subjects: [url]}]";
    let resolvers = format!("resolvers: [\"127.0.0.1:{}\"]\ntimeout: 1s", lists.lists);
    let f = from_parts(&resolvers, yaml).unwrap();
    f.filter.in_force(&f.metrics);
    let zones = ["bl.test.example", "names.test.example"];
    let hits = ["DNSBL_BL_TEST_EXAMPLE", "DNSBL_NAMES_TEST_EXAMPLE"];
    let ask = async || message(&f, &client("192.0.2.1"), MESSAGE).await;
    assert_eq!(rules(ask().await.hits()), hits);
    lists.stop();
    until("both are out", || zones.iter().all(|z| !f.in_use(z))).await;
    unscanned(&ask().await, Reason::Down, "bl.test.example: out of use");
    lists.restart();
    until("both are back", || zones.iter().all(|z| f.in_use(z))).await;
    assert_eq!(rules(ask().await.hits()), hits);
}
