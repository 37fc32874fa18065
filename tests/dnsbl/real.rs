//! rbldnsd behind unbound.

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
