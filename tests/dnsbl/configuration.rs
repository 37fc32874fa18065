//! Mistakes in the configuration.

use super::*;

#[tokio::test]
async fn without_zones_everything_is_skipped() {
    let f = from_yaml("zones: []").unwrap();
    assert_eq!(
        f.ask("192.0.2.1").await,
        Outcome::Skipped("no zones configured")
    );
    assert_eq!(f.filter.name(), "dnsbl");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let zone = |rest: &str| format!("zones:\n  - zone: bl.example.org\n    {rest}\n");
    for (yaml, position, words) in [
        (
            "zones: [{zone: \"not a zone\", score: 1}]".to_owned(),
            "1:16",
            "not the zone of a list",
        ),
        (
            "zones: [{zone: org, score: 1}]".into(),
            "1:16",
            "single label",
        ),
        (
            "zones: [{zone: bl.localhost, score: 1}]".into(),
            "1:16",
            "no resolver",
        ),
        (
            "zones: [{zone: 127.0.0.1, score: 1}]".into(),
            "1:16",
            "it is an address",
        ),
        (zone("ipv6: true"), "2:11", "count for nothing"),
        (zone("decisive: reject"), "3:15", "without `score`"),
        (zone("score: .nan"), "3:12", "not a number of points"),
        (
            zone("score: 1\n    decisive: discard"),
            "4:15",
            "unknown value `discard`",
        ),
        (zone("score: 1\n    id: bad-id"), "4:9", "cannot be the id"),
        (
            zone("codes: [{codes: [10.0.0.1], id: A, score: 1}]"),
            "3:22",
            "127.0.0.0/8",
        ),
        (
            zone("codes: [{codes: [127.0.0.9..127.0.0.2], id: A, score: 1}]"),
            "3:22",
            "before it begins",
        ),
        (
            zone("codes: [{codes: [127.255.255.254], id: A, score: 1}]"),
            "3:22",
            "tells of errors",
        ),
        (
            zone("codes: [{codes: [127.0.0.1], id: A, score: 1}]"),
            "3:22",
            "never a listing",
        ),
        (
            zone("codes: [{codes: [], id: A, score: 1}]"),
            "3:21",
            "no code is given",
        ),
        (
            zone("codes: [{mask: 0, id: A, score: 1}]"),
            "3:20",
            "0x1 to 0xffffff",
        ),
        (
            zone("codes: [{id: A, score: 1}]"),
            "3:18",
            "either `codes` or `mask`",
        ),
        (
            zone("codes: [{mask: 2, id: A, score: 1}, {mask: 4, id: A, score: 1}]"),
            "3:55",
            "stands twice",
        ),
        (
            "zones: [{zone: bl.example.org, score: 1}, {zone: BL.example.org., score: 1, id: B}]"
                .into(),
            "1:50",
            "asked about `client` twice",
        ),
        (
            "trusted_networks: [10.0.0.1/8]".into(),
            "1:20",
            "beyond its prefix",
        ),
        ("trusted_networks: [local]".into(), "1:20", "not a network"),
        ("timeout: 0s".into(), "1:10", "no time"),
        (
            "resolvers: [127.0.0.1]".into(),
            "1:12",
            "`dnsbl.resolvers` is `dns.resolvers` now",
        ),
        (
            "queries_in_flight: 0".into(),
            "1:20",
            "`dnsbl.queries_in_flight` is `dns.queries_in_flight` now",
        ),
        ("zoness: []".into(), "1:1", "did you mean `zones`?"),
        (
            "on_failure: {encrypted: drop}".into(),
            "1:25",
            "unknown value",
        ),
    ] {
        let shown = match from_yaml(&yaml) {
            Ok(_) => panic!("taken: {yaml}"),
            Err(shown) => shown,
        };
        assert!(
            shown.contains(&format!("mailweir.yaml:{position}")),
            "{yaml}\n{shown}"
        );
        assert!(shown.contains(words), "{yaml}\n{shown}");
    }
}

#[test]
fn mistakes_of_the_resolver_are_shown_where_they_are() {
    for (yaml, position, words) in [
        (
            "resolvers: [dns.example.org]",
            "1:13",
            "not the address of a resolver",
        ),
        ("resolvers: [\"127.0.0.1:0\"]", "1:13", "not the address"),
        ("timeout: 0s", "1:10", "no time"),
        ("attempts: 0", "1:11", "1 to 5"),
        ("cache_min_ttl: 2h", "1:16", "longer than"),
        ("queries_in_flight: 0", "1:20", "1 to 65536"),
        ("cache_entries: 99999999999", "1:16", "0 to 10000000"),
        ("resolver: []", "1:1", "did you mean `resolvers`?"),
    ] {
        let metrics = Arc::new(Metrics::new().unwrap());
        let shown = resolver(yaml, &metrics).expect_err(yaml);
        assert!(
            shown.contains(&format!("mailweir.yaml:{position}")) && shown.contains(words),
            "{yaml}\n{shown}"
        );
    }
}

#[test]
fn every_mistake_is_shown_at_once() {
    let Err(shown) = from_yaml("timeout: 0s\nattempts: 9\ntrusted_networks: [x]\n") else {
        panic!("taken");
    };
    assert_eq!(shown.matches("error:").count(), 3, "{shown}");
}
